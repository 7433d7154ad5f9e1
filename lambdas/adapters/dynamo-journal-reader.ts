/** Journals in their table, read in order and consistently: what was committed before the read began is seen. */
import { BatchGetItemCommand, type AttributeValue, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { decodeJournalItem, type JournalEntry, journalKey } from '../../core/evidence/journal-item.ts';
import { SallyportError } from '../../core/errors.ts';
import type { JournalReader } from '../seal/ports.ts';

/** The table gives less than was asked for, again and again. */
export class JournalBusy extends SallyportError {
  readonly code = 'journal-busy';
}

/** An answer has 16 MB at most, an item 400 KB. */
const MAX_KEYS = 32;
const MAX_ATTEMPTS = 8;

export class DynamoJournalReader implements JournalReader {
  readonly #dynamo: DynamoDBClient;
  readonly #table: string;
  readonly #pause: (ms: number) => Promise<void>;

  constructor(dynamo: DynamoDBClient, table: string, pause: (ms: number) => Promise<void> = sleep) {
    this.#dynamo = dynamo;
    this.#table = table;
    this.#pause = pause;
  }

  async read(writer: string, fromSeq: number, limit: number): Promise<readonly JournalEntry[]> {
    const entries: JournalEntry[] = [];
    for (let first = fromSeq; first < fromSeq + limit; first += MAX_KEYS) {
      const count = Math.min(MAX_KEYS, fromSeq + limit - first);
      const found = await this.#items(writer, first, count);
      for (let seq = first; seq < first + count; seq += 1) {
        const item = found.get(seq);
        if (item === undefined) return entries;
        entries.push(decodeJournalItem(writer, seq, item));
      }
    }
    return entries;
  }

  async #items(writer: string, first: number, count: number): Promise<ReadonlyMap<number, Record<string, AttributeValue>>> {
    const found = new Map<number, Record<string, AttributeValue>>();
    let keys: Record<string, AttributeValue>[] = Array.from({ length: count }, (_, at) => ({ ...journalKey(writer, first + at) }));
    for (let attempt = 1; keys.length > 0; attempt += 1) {
      const answer = await this.#dynamo.send(
        new BatchGetItemCommand({ RequestItems: { [this.#table]: { Keys: keys, ConsistentRead: true } } }),
      );
      for (const item of answer.Responses?.[this.#table] ?? []) found.set(Number(item['n']?.N), item);
      // What did not fit, or was throttled, is no gap: it must be asked for again.
      keys = answer.UnprocessedKeys?.[this.#table]?.Keys ?? [];
      if (keys.length === 0) break;
      if (attempt === MAX_ATTEMPTS) throw new JournalBusy(`the journal of ${writer} cannot be read in full`);
      await this.#pause(50 * 2 ** attempt);
    }
    return found;
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
