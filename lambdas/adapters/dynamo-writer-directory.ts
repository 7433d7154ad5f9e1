/** Every writer that the table knows, with the version of its item. */
import { ScanCommand, type AttributeValue, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { SallyportError } from '../../core/errors.ts';
import { readWriter } from '../../core/state/control-items.ts';
import { decodeStored } from '../../core/state/stored-item.ts';
import type { StoredWriter } from '../sweep/ports.ts';

/** An item of the writers table is none that a writer puts: to leave it out would leave its writer unsealed in silence. */
export class WriterMalformed extends SallyportError {
  readonly code = 'writer-malformed';
}

export class DynamoWriterDirectory {
  readonly #dynamo: DynamoDBClient;
  readonly #table: string;

  constructor(dynamo: DynamoDBClient, table: string) {
    this.#dynamo = dynamo;
    this.#table = table;
  }

  /** Throws WriterMalformed. */
  async list(): Promise<readonly StoredWriter[]> {
    const writers: StoredWriter[] = [];
    let from: Record<string, AttributeValue> | undefined;
    do {
      const page = await this.#dynamo.send(
        new ScanCommand({
          TableName: this.#table,
          ConsistentRead: true,
          FilterExpression: 'begins_with(id, :writer)',
          ExpressionAttributeValues: { ':writer': { S: 'writer#' } },
          ...(from === undefined ? {} : { ExclusiveStartKey: from }),
        }),
      );
      for (const attributes of page.Items ?? []) {
        const stored = decodeStored(attributes);
        const item = readWriter(stored?.body);
        if (stored === undefined || item === undefined) throw new WriterMalformed('an item of the writers table is no writer');
        writers.push({ v: stored.v, item });
      }
      from = page.LastEvaluatedKey;
    } while (from !== undefined);
    return writers;
  }
}
