/** Live sessions of all tasks: the tasks from the writers table, their sessions by partition, always as they are now. */
import { BatchGetItemCommand, QueryCommand, ScanCommand, type AttributeValue, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { readLiveSession, readWriter } from '../../core/state/control-items.ts';
import type { LiveSessionItem } from '../../core/state/control.ts';
import { decodeStored } from '../../core/state/stored-item.ts';
import { StateBusy, StateDamaged, type LiveSessions } from '../console/ports.ts';

export type LiveSessionTables = { readonly writers: string; readonly sessions: string };

/** A task whose lease ran out so long ago has ended its sessions, whatever our clock says. */
const SKEW_MS = 10_000;
/** Renewals come by the second, and each would read the table of writers. */
const KNOWN_MS = 10_000;
/** Of one `BatchGetItem`; more tasks than this are asked in several. */
const MAX_KEYS = 100;
const MAX_ATTEMPTS = 5;

type Item = Readonly<Record<string, AttributeValue>>;

export class DynamoLiveSessions implements LiveSessions {
  readonly #dynamo: DynamoDBClient;
  readonly #tables: LiveSessionTables;
  readonly #clock: { now(): number };
  #known: { readonly atMs: number; readonly writers: readonly string[] } = { atMs: -Infinity, writers: [] };

  constructor(dynamo: DynamoDBClient, tables: LiveSessionTables, clock: { now(): number }) {
    this.#dynamo = dynamo;
    this.#tables = tables;
    this.#clock = clock;
  }

  async list(limit: number): Promise<{ readonly sessions: readonly LiveSessionItem[]; readonly more: boolean }> {
    const sessions: LiveSessionItem[] = [];
    for (const writer of await this.#liveWriters()) {
      // One more than is asked for tells whether there are others.
      for await (const session of this.#sessionsOf(writer, limit + 1 - sessions.length)) sessions.push(session);
      if (sessions.length > limit) break;
    }
    return { sessions: sessions.slice(0, limit), more: sessions.length > limit };
  }

  async find(session: string): Promise<LiveSessionItem | undefined> {
    // Tasks come and go in minutes: those of a moment ago are asked first, and the table of writers only when none has the session.
    const { atMs, writers } = this.#known;
    const known = this.#clock.now() - atMs < KNOWN_MS ? writers : [];
    const found = await this.#findOn(known, session);
    if (found !== undefined) return found;
    const live = await this.#liveWriters();
    return this.#findOn(
      live.filter((writer) => !known.includes(writer)),
      session,
    );
  }

  async #findOn(writers: readonly string[], session: string): Promise<LiveSessionItem | undefined> {
    for (let from = 0; from < writers.length; from += MAX_KEYS) {
      const keys = writers.slice(from, from + MAX_KEYS).map((writer) => ({ writer: { S: writer }, session: { S: session } }));
      const [found] = await this.#getAll(keys);
      if (found !== undefined) return sessionOf(found);
    }
    return undefined;
  }

  async count(subject: string): Promise<number> {
    const counts = (await this.#liveWriters()).map(async (writer) => {
      let count = 0;
      for await (const { principal, human, owner } of this.#sessionsOf(writer, Infinity, subject)) {
        if ([principal, human, owner].includes(subject)) count += 1;
      }
      return count;
    });
    return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
  }

  /** There are tens of tasks, beside the writers of outcomes, which are closed: the table is read whole. */
  async #liveWriters(): Promise<readonly string[]> {
    const live: string[] = [];
    let ExclusiveStartKey: Record<string, AttributeValue> | undefined;
    do {
      const page = await this.#dynamo.send(
        new ScanCommand({
          TableName: this.#tables.writers,
          ConsistentRead: true,
          FilterExpression: 'begins_with(id, :writer)',
          ExpressionAttributeValues: { ':writer': { S: 'writer#' } },
          ExclusiveStartKey,
        }),
      );
      for (const item of page.Items ?? []) {
        const writer = readWriter(decodeStored(item)?.body);
        if (writer === undefined) throw new StateDamaged('an item of the writers table is no writer');
        if (writer.state === 'live' && writer.leaseUntilMs + SKEW_MS > this.#clock.now()) live.push(writer.writer);
      }
      ExclusiveStartKey = page.LastEvaluatedKey;
    } while (ExclusiveStartKey !== undefined);
    this.#known = { atMs: this.#clock.now(), writers: live };
    return live;
  }

  /** `mentions` spares the transfer of items without this text in them. */
  async *#sessionsOf(writer: string, limit: number, mentions?: string): AsyncGenerator<LiveSessionItem> {
    let left = limit;
    let ExclusiveStartKey: Record<string, AttributeValue> | undefined;
    do {
      const page = await this.#dynamo.send(
        new QueryCommand({
          TableName: this.#tables.sessions,
          ConsistentRead: true,
          KeyConditionExpression: 'writer = :writer',
          ...(mentions === undefined ? {} : { FilterExpression: 'contains(body, :mentions)' }),
          ExpressionAttributeValues: {
            ':writer': { S: writer },
            ...(mentions === undefined ? {} : { ':mentions': { S: JSON.stringify(mentions) } }),
          },
          ExclusiveStartKey,
        }),
      );
      for (const item of page.Items ?? []) {
        if (left <= 0) return;
        left -= 1;
        yield sessionOf(item);
      }
      ExclusiveStartKey = page.LastEvaluatedKey;
    } while (ExclusiveStartKey !== undefined && left > 0);
  }

  async #getAll(keys: readonly Item[]): Promise<readonly Item[]> {
    const { sessions } = this.#tables;
    const found: Item[] = [];
    let left = keys.map((key) => ({ ...key }));
    for (let attempt = 0; left.length > 0; attempt += 1) {
      if (attempt === MAX_ATTEMPTS) throw new StateBusy('the sessions table does not answer in full');
      const answer = await this.#dynamo.send(
        new BatchGetItemCommand({ RequestItems: { [sessions]: { Keys: left, ConsistentRead: true } } }),
      );
      found.push(...(answer.Responses?.[sessions] ?? []));
      left = answer.UnprocessedKeys?.[sessions]?.Keys ?? [];
    }
    return found;
  }
}

function sessionOf(item: Item): LiveSessionItem {
  const text = item['body']?.S;
  const session = text === undefined ? undefined : readLiveSession(parsed(text));
  if (session === undefined) throw new StateDamaged('an item of the sessions table is no session');
  return session;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // No JSON is no session: the caller says so.
    return undefined;
  }
}
