/** Sessions that live on this task, for the console: put before they open, removed when they ended. */
import { DeleteItemCommand, PutItemCommand, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { LiveSessions } from '../../core/evidence/journal-store.ts';

/** Clean-up only, longer than a session may last: the sweeper removes what a dead task left. */
const KEPT_MS = 30 * 24 * 60 * 60_000;

export function dynamoLiveSessions({ client, table }: { readonly client: DynamoDBClient; readonly table: string }): LiveSessions {
  return {
    put: async (item) => {
      await client.send(
        new PutItemCommand({
          TableName: table,
          Item: {
            writer: { S: item.writer },
            session: { S: item.session },
            body: { S: JSON.stringify(item) },
            ttl: { N: String(Math.ceil((item.openedAtMs + KEPT_MS) / 1_000)) },
          },
        }),
      );
    },
    remove: async (writer, session) => {
      await client.send(new DeleteItemCommand({ TableName: table, Key: { writer: { S: writer }, session: { S: session } } }));
    },
  };
}
