/** Registered keys and one-time codes, in the table that the console writes. */
import { DeleteItemCommand, GetItemCommand, type AttributeValue, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { readStoredLogin, type StoredLogin } from '../../core/ssh/login.ts';
import { decodeStored } from '../../core/state/stored-item.ts';
import { StateUnavailable, type SshLogins } from '../ports.ts';

export class DynamoSshLogins implements SshLogins {
  readonly #client: DynamoDBClient;
  readonly #table: string;
  readonly #clock: { now(): number };

  constructor(options: { readonly client: DynamoDBClient; readonly table: string; readonly clock: { now(): number } }) {
    this.#client = options.client;
    this.#table = options.table;
    this.#clock = options.clock;
  }

  async readKey(id: string): Promise<StoredLogin | undefined> {
    try {
      const { Item: item } = await this.#client.send(
        new GetItemCommand({ TableName: this.#table, Key: { id: { S: id } }, ConsistentRead: true }),
      );
      return this.#fresh(item);
    } catch (cause) {
      throw new StateUnavailable('a registered key could not be read', { cause });
    }
  }

  async takeCode(id: string): Promise<StoredLogin | undefined> {
    try {
      // One request reads and removes: of two logins with one code, one finds it. A lost answer loses the code; another is quickly had.
      const { Attributes: item } = await this.#client.send(
        new DeleteItemCommand({ TableName: this.#table, Key: { id: { S: id } }, ReturnValues: 'ALL_OLD' }),
      );
      return this.#fresh(item);
    } catch (cause) {
      throw new StateUnavailable('a one-time code could not be taken', { cause });
    }
  }

  /** What the console does not write is no login. */
  #fresh(item: Readonly<Record<string, AttributeValue>> | undefined): StoredLogin | undefined {
    const login = item === undefined ? undefined : readStoredLogin(decodeStored(item)?.body);
    return login === undefined || login.expiresAtMs <= this.#clock.now() ? undefined : login;
  }
}
