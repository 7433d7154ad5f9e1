/** How far the sealer has come with a writer, for the sweeper. */
import { GetItemCommand, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { SallyportError } from '../../core/errors.ts';
import { parseSealedWriter, type SealedWriter, sealedWriterItem } from '../../core/state/sealed-writer.ts';
import { decodeStored } from '../../core/state/stored-item.ts';
import type { SealPositions } from '../sweep/ports.ts';

/** The item is none that the sealer put: what the writer left open cannot be told from it. */
export class SealPositionMalformed extends SallyportError {
  readonly code = 'seal-position-malformed';
}

export class DynamoSealPositions implements SealPositions {
  readonly #dynamo: DynamoDBClient;
  readonly #table: string;

  constructor(dynamo: DynamoDBClient, table: string) {
    this.#dynamo = dynamo;
    this.#table = table;
  }

  async read(writer: string): Promise<SealedWriter | undefined> {
    const { Item: item } = await this.#dynamo.send(
      new GetItemCommand({ TableName: this.#table, Key: { id: { S: sealedWriterItem(writer) } }, ConsistentRead: true }),
    );
    if (item === undefined) return undefined;
    const position = parseSealedWriter(decodeStored(item)?.body);
    if (position === undefined) throw new SealPositionMalformed(`the position of ${writer} in the seal table cannot be read`);
    return position;
  }
}
