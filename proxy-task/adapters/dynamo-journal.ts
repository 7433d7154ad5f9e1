/** The journal in DynamoDB: one item per commit, each put once, where nothing stands. */
import { ConditionalCheckFailedException, PutItemCommand, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { decodeJournalItem, encodeCommit } from '../../core/evidence/journal-item.ts';
import type { JournalCommit } from '../../core/evidence/journal.ts';
import type { JournalStore } from '../../core/evidence/journal-store.ts';

/** The table may forget what was sealed long before; a sealer that stood still for weeks has raised its alarm. */
const KEPT_MS = 30 * 24 * 60 * 60_000;

export type DynamoJournalOptions = {
  /** Gives up within a second: the recorder puts the commit again, and knows for how long. */
  readonly client: DynamoDBClient;
  readonly table: string;
  readonly clock: { now(): number };
};

export function dynamoJournal({ client, table, clock }: DynamoJournalOptions): JournalStore {
  return {
    put: async (commit) => {
      const nowMs = clock.now();
      try {
        await client.send(
          new PutItemCommand({
            TableName: table,
            Item: encodeCommit(commit, nowMs, (nowMs + KEPT_MS) / 1_000),
            ConditionExpression: 'attribute_not_exists(id)',
            ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
          }),
        );
        return 'written';
      } catch (error) {
        if (!(error instanceof ConditionalCheckFailedException)) throw error;
        if (error.Item === undefined) throw new Error('the journal did not say what stands in the place of a commit', { cause: error });
        return standsAs(commit, error.Item) ? 'written' : 'fenced';
      }
    },
  };
}

/** Whether what stands there is this commit, of which only the answer was lost. */
function standsAs({ writer, seq, hash }: JournalCommit, item: Readonly<Record<string, unknown>>): boolean {
  const entry = decodeJournalItem(writer, seq, item);
  return entry.kind === 'commit' && entry.commit.hash === hash;
}
