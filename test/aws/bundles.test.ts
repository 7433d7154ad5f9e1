// Bundles from the command to a running task, with the functions' own handlers, S3, DynamoDB and KMS of the emulator.
import { CreateKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import { DynamoDBClient, GetItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { DeleteObjectCommand, GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { beforeAll, describe, expect, test } from 'vitest';
import { activationText, bundleKey, bundleText, filesDigest, parseBundle } from '../../core/config/published-bundle.ts';
import { decodeStored, encodeStored } from '../../core/state/stored-item.ts';
import type { ActivateAnswer } from '../../lambdas/activate-bundle/activate-bundle.ts';
import type { PublishAnswer } from '../../lambdas/publish-bundle/publish-bundle.ts';
import { bundleReader } from '../../lambdas/adapters/s3-bundle-reader.ts';
import { kmsBundleSigner } from '../../lambdas/adapters/kms-bundle-signer.ts';
import { readSessionKeys } from '../../proxy-task/adapters/secrets-session-keys.ts';
import { DynamoPoller } from '../../proxy-task/adapters/dynamo-poller.ts';
import { dynamoClient } from '../../proxy-task/adapters/dynamo-client.ts';
import { s3BundleStore } from '../../proxy-task/adapters/s3-bundle-source.ts';
import { FollowedBundle } from '../../proxy-task/pipeline/followed-bundle.ts';
import { systemClock } from '../../proxy-task/system-clock.ts';
import { AgentTokens } from '../support/agent-tokens.ts';
import { awsBankFiles, withQuorum } from '../support/aws-bank.ts';
import { resetMoto, useMoto } from './support/moto.ts';
import { makeInstance, type InstanceEnvironment } from './support/tables.ts';

type Handler<A> = (event: unknown) => Promise<A>;

let environment: InstanceEnvironment;
let people: AgentTokens;
let files: Readonly<Record<string, string>>;
let publishing: Handler<PublishAnswer>;
let activating: Handler<ActivateAnswer>;
let s3: S3Client;
let dynamo: DynamoDBClient;

beforeAll(async () => {
  useMoto();
  await resetMoto();
  environment = await makeInstance();
  Object.assign(process.env, environment);
  people = await AgentTokens.make();
  files = awsBankFiles(people.issuer, [people.publicJwk]);
  publishing = (await import('../../lambdas/publish-bundle/handler.ts')).handler;
  activating = (await import('../../lambdas/activate-bundle/handler.ts')).handler;
  s3 = new S3Client({ forcePathStyle: true });
  dynamo = new DynamoDBClient({});
});

const named = (name: string): string => environment[`SALLYPORT_${name}`] ?? '';
const settings = () => ({ controlTable: named('CONTROL_TABLE'), configBucket: named('CONFIG_BUCKET'), bundleKey: named('BUNDLE_KEY_ARN') });

/** Through the handler, signing in as it asks. */
async function publish(content: Readonly<Record<string, string>>, person = 'pia@bank.example'): Promise<string> {
  const asked = await publishing({ files: content });
  if (asked.kind !== 'sign-in') throw new Error(JSON.stringify(asked));
  const idToken = await people.idToken(person, asked.signIn.nonce);
  const answer = await publishing({ files: content, idToken });
  if (answer.kind !== 'published') throw new Error(JSON.stringify(answer));
  return answer.version;
}

async function activate(version: string, person = 'ada@bank.example'): Promise<ActivateAnswer> {
  const asked = await activating({ version });
  return asked.kind === 'sign-in' ? activating({ version, idToken: await people.idToken(person, asked.signIn.nonce) }) : asked;
}

async function pointer(): Promise<{ readonly v: number; readonly body: unknown } | undefined> {
  const { Item } = await dynamo.send(
    new GetItemCommand({ TableName: named('CONTROL_TABLE'), Key: { id: { S: 'bundle' } }, ConsistentRead: true }),
  );
  return Item === undefined ? undefined : decodeStored(Item);
}

async function objectOf(version: string): Promise<string> {
  const { Body } = await s3.send(new GetObjectCommand({ Bucket: named('CONFIG_BUCKET'), Key: bundleKey(version) }));
  return (await Body?.transformToString()) ?? '';
}

const overwrite = (version: string, text: string) =>
  s3.send(new PutObjectCommand({ Bucket: named('CONFIG_BUCKET'), Key: bundleKey(version), Body: text }));

/** A task that follows the instance with real polls; `stop` ends it. */
async function follow(reported: string[]): Promise<{ readonly source: FollowedBundle; readonly poller: DynamoPoller; stop(): void }> {
  const tables = {
    control: named('CONTROL_TABLE'),
    cancels: named('CANCELS_TABLE'),
    decisions: named('DECISIONS_TABLE'),
    claims: named('CLAIMS_TABLE'),
  };
  const client = dynamoClient({ attempts: 2, requestTimeoutMs: 10_000 });
  const poller = new DynamoPoller({ client, tables, clock: systemClock, report: (error) => reported.push(String(error)) });
  const starting = FollowedBundle.start({
    poller,
    ...s3BundleStore({ configBucket: named('CONFIG_BUCKET'), bundleKey: named('BUNDLE_KEY_ARN') }),
    clock: systemClock,
    report: (message) => reported.push(message),
    problem: (error) => reported.push(error instanceof Error ? error.message : ''),
  });
  await poller.start();
  const source = await starting;
  return {
    source,
    poller,
    stop: () => {
      source.stop();
      poller.stop();
    },
  };
}

describe('an instance that was just deployed', () => {
  test('lets nobody in until the seed is published by the deployer and activated by a person', async () => {
    const reported: string[] = [];
    const task = await follow(reported);
    try {
      expect(reported).toEqual(['no bundle is in force: nobody is let in']);
      const seeded = await publishing({ files, seed: true });
      if (seeded.kind !== 'published') throw new Error(JSON.stringify(seeded));
      const { version, publishedBy } = seeded;
      expect(publishedBy).toBe('seed');
      expect((await bundleReader(settings()).open(version)).config.version).toBe(version);
      expect(await activate(version)).toEqual({ kind: 'activated', version, activatedBy: 'ada@bank.example' });
      await expect.poll(() => task.source.current().version, { timeout: 5_000 }).toBe(version);
      expect(await publishing({ files: withQuorum(files, 2), seed: true })).toMatchObject({ kind: 'refused' });
    } finally {
      task.stop();
    }
  });
});

describe('a bundle that is published while tasks run', () => {
  test('is in force in a running task within five seconds of its activation', async () => {
    const reported: string[] = [];
    const task = await follow(reported);
    try {
      const changed: string[] = [];
      task.source.onChange(({ version }) => changed.push(version));
      const version = await publish(withQuorum(files, 2));
      const startedAt = performance.now();
      expect((await activate(version)).kind).toBe('activated');
      await expect.poll(() => changed, { timeout: 5_000, interval: 20 }).toEqual([version]);
      expect(performance.now() - startedAt).toBeLessThan(5_000);
      expect(task.source.find('bank')?.assume?.externalId).toBe('x-17');
    } finally {
      task.stop();
    }
  });

  test('is not activated by whoever published it', async () => {
    const before = await pointer();
    const version = await publish(withQuorum(files, 3), 'ada@bank.example');
    expect(await activate(version, 'ada@bank.example')).toMatchObject({ kind: 'refused', reason: expect.stringMatching(/another person/) });
    expect(await pointer()).toEqual(before);
  });

  test('is not replaced by publishing the same again', async () => {
    const version = await publish(withQuorum(files, 4));
    const before = await objectOf(version);
    const asked = await publishing({ files: withQuorum(files, 4) });
    if (asked.kind !== 'sign-in') throw new Error(asked.kind);
    const again = await publishing({ files: withQuorum(files, 4), idToken: await people.idToken('eve@bank.example', asked.signIn.nonce) });
    expect(again).toEqual({ kind: 'published', version, publishedBy: 'pia@bank.example', already: true });
    expect(await objectOf(version)).toBe(before);
  });

  test.each([
    ['of an agent', (nonce: string) => people.token({ nonce, aud: 'sallyport' })],
    ['of another client', (nonce: string) => people.idToken('ada@bank.example', nonce, { aud: 'another-app' })],
    ['of another nonce', () => people.idToken('ada@bank.example', 'another')],
    ['that has expired', (nonce: string) => people.idToken('ada@bank.example', nonce, { exp: 1 })],
    ['of another issuer’s key', async (nonce: string) => (await AgentTokens.make(people.issuer)).idToken('ada@bank.example', nonce)],
  ])('is not activated with a token %s', async (_, made) => {
    const before = await pointer();
    const version = await publish(withQuorum(files, 5));
    const asked = await activating({ version });
    if (asked.kind !== 'sign-in') throw new Error(asked.kind);
    expect(await activating({ version, idToken: await made(asked.signIn.nonce) })).toMatchObject({ kind: 'refused' });
    expect(await pointer()).toEqual(before);
  });
});

describe('a task that is running', () => {
  let version: string;
  beforeAll(async () => {
    version = await publish(withQuorum(files, 6));
  });

  /** Writes the item as whoever can write the table. */
  async function writeByHand(body: unknown): Promise<void> {
    const v = ((await pointer())?.v ?? 0) + 1;
    await dynamo.send(new PutItemCommand({ TableName: named('CONTROL_TABLE'), Item: { ...encodeStored('bundle', v, body) } }));
  }

  async function keepsItsBundle(attack: () => Promise<unknown>, says: RegExp): Promise<void> {
    const reported: string[] = [];
    const honest = await pointer();
    const task = await follow(reported);
    try {
      const before = task.source.current();
      await attack();
      await expect.poll(() => reported.at(-1), { timeout: 5_000 }).toMatch(says);
      expect(task.source.current()).toBe(before);
    } finally {
      task.stop();
      if (honest !== undefined) await writeByHand(honest.body);
    }
  }

  test('does not follow a pointer that was written by hand to a published bundle that nobody activated', async () => {
    const body = (await pointer())?.body;
    await keepsItsBundle(() => writeByHand({ ...Object(body), version, activatedAtMs: Date.now() }), /activation of .* is not signed/);
  });

  test('does not follow a pointer that was written by hand to an unsigned bundle', async () => {
    const bundle = parseBundle(await objectOf(version));
    await overwrite('b-00000000000000cc', JSON.stringify({ ...bundle, version: 'b-00000000000000cc', signature: '' }));
    await keepsItsBundle(
      () => writeByHand({ version: 'b-00000000000000cc', digest: '', activatedBy: 'eve', activatedAtMs: Date.now(), signature: '' }),
      /is not signed/,
    );
  });

  /** As the function would have signed it, a moment before the object changed. */
  async function activation(of: string, digest: string): Promise<object> {
    const unsigned = { version: of, digest, activatedBy: 'ada@bank.example', activatedAtMs: Date.now() };
    return { ...unsigned, signature: (await kmsBundleSigner(named('BUNDLE_KEY_ARN'))(activationText(unsigned))).toString('base64') };
  }

  test('does not follow an activation to a bundle that another key signed', async () => {
    const { KeyMetadata } = await new KMSClient({}).send(new CreateKeyCommand({ KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' }));
    const original = await objectOf(version);
    const bundle = parseBundle(original);
    const signature = (await kmsBundleSigner(KeyMetadata?.Arn ?? '')(bundleText(bundle))).toString('base64');
    await keepsItsBundle(async () => {
      await overwrite(version, JSON.stringify({ ...bundle, signature }));
      await writeByHand(await activation(version, filesDigest(bundle.files)));
    }, /is not signed/);
    await overwrite(version, original);
  });

  test('keeps its bundle where the object of the next one is gone', async () => {
    const gone = await publish(withQuorum(files, 8));
    const { files: content } = parseBundle(await objectOf(gone));
    await keepsItsBundle(async () => {
      await s3.send(new DeleteObjectCommand({ Bucket: named('CONFIG_BUCKET'), Key: bundleKey(gone) }));
      await writeByHand(await activation(gone, filesDigest(content)));
    }, /no published bundle/);
  });
});

test('the keys of an instance are read from its secret', async () => {
  const keys = await readSessionKeys(named('SECRETS_ARN'));
  expect([keys.digest, keys.masks.hash, keys.masks.tokenize].map(({ length }) => length)).toEqual([32, 32, 32]);
});
