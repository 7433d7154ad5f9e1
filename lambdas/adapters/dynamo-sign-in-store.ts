/** Sign-ins under way, and people who have signed in to answer one approval, in a table of the console's own. */
import { createHash } from 'node:crypto';
import { DeleteItemCommand, GetItemCommand, PutItemCommand, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { SignedIn, SignInFlow } from '../../console/ports.ts';
import { decodeStored, encodeStored } from '../../core/state/stored-item.ts';
import { StateDamaged, type SignInStore } from '../console/ports.ts';

type Kind = 'flow' | 'session';
type Kept = { readonly expiresAtMs: number; readonly value: unknown };

/** Ids stand there as their SHA-256, so that reading the table gives no session. What has expired is not there, whether deleted or not. */
export class DynamoSignInStore implements SignInStore {
  readonly #dynamo: DynamoDBClient;
  readonly #table: string;
  readonly #clock: { now(): number };

  constructor(dynamo: DynamoDBClient, table: string, clock: { now(): number }) {
    this.#dynamo = dynamo;
    this.#table = table;
    this.#clock = clock;
  }

  async putFlow(state: string, flow: SignInFlow, expiresAtMs: number): Promise<void> {
    await this.#put('flow', state, flow, expiresAtMs);
  }

  async takeFlow(state: string): Promise<SignInFlow | undefined> {
    // One request reads and removes: of two returns with one state, one finds it. A lost answer loses the sign-in, which is begun anew.
    const { Attributes } = await this.#dynamo.send(
      new DeleteItemCommand({ TableName: this.#table, Key: { id: { S: keyOf('flow', state) } }, ReturnValues: 'ALL_OLD' }),
    );
    // Written by `putFlow` from the same type.
    return this.#fresh(Attributes) as SignInFlow | undefined;
  }

  async putSession(id: string, session: SignedIn, expiresAtMs: number): Promise<void> {
    await this.#put('session', id, session, expiresAtMs);
  }

  async readSession(id: string): Promise<SignedIn | undefined> {
    const { Item } = await this.#dynamo.send(
      new GetItemCommand({ TableName: this.#table, Key: { id: { S: keyOf('session', id) } }, ConsistentRead: true }),
    );
    // Written by `putSession` from the same type.
    return this.#fresh(Item) as SignedIn | undefined;
  }

  async dropSession(id: string): Promise<void> {
    await this.#dynamo.send(new DeleteItemCommand({ TableName: this.#table, Key: { id: { S: keyOf('session', id) } } }));
  }

  async #put(kind: Kind, id: string, value: SignInFlow | SignedIn, expiresAtMs: number): Promise<void> {
    const kept: Kept = { expiresAtMs, value };
    // Ids are random and new: a second write of one is the retry of an answer that was lost, and writes the same.
    await this.#dynamo.send(
      new PutItemCommand({ TableName: this.#table, Item: encodeStored(keyOf(kind, id), 1, kept, expiresAtMs / 1_000) }),
    );
  }

  #fresh(item: Readonly<Record<string, unknown>> | undefined): unknown {
    if (item === undefined) return undefined;
    const body = decodeStored(item)?.body;
    if (typeof body !== 'object' || body === null || !('expiresAtMs' in body) || !('value' in body) || typeof body.expiresAtMs !== 'number')
      throw new StateDamaged('a sign-in in the table is not what the console writes');
    return this.#clock.now() < body.expiresAtMs ? body.value : undefined;
  }
}

function keyOf(kind: Kind, id: string): string {
  return `${kind}#${createHash('sha256').update(id).digest('base64url')}`;
}
