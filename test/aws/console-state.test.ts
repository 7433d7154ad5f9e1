// The console's state on AWS: the contracts of its one-machine stores, and what tables alone can get wrong.
import {
  ConditionalCheckFailedException,
  DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  ScanCommand,
} from '@aws-sdk/client-dynamodb';
import { mockClient } from 'aws-sdk-client-mock';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { TokenRefused } from '../../core/identity/token-refused.ts';
import type { Principal } from '../../core/principal.ts';
import { LEASE_MS, LOCKS_ITEM, mailItem, writerItem, type LiveSessionItem, type WriterItem } from '../../core/state/control.ts';
import { readMail } from '../../core/state/control-items.ts';
import { decodeStored, encodeStored } from '../../core/state/stored-item.ts';
import { DynamoLiveSessions } from '../../lambdas/adapters/dynamo-live-sessions.ts';
import { DynamoLockDirectory } from '../../lambdas/adapters/dynamo-lock-directory.ts';
import { DynamoMailbox } from '../../lambdas/adapters/dynamo-mailbox.ts';
import { DynamoSignInStore } from '../../lambdas/adapters/dynamo-sign-in-store.ts';
import { sessionDirectory, sessionRenewal } from '../../lambdas/console/console.ts';
import { dynamoLiveSessions } from '../../proxy-task/adapters/dynamo-live-sessions.ts';
import { lockDirectoryContract } from '../contract/lock-directory.ts';
import { sessionDirectoryContract, type OpenedSession } from '../contract/session-directory.ts';
import { signInStoreContract } from '../contract/sign-in-store.ts';
import { startControl, type TestControl } from '../support/followed-control.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { resetMoto, useMoto } from './support/moto.ts';
import { makeInstance, type InstanceEnvironment } from './support/tables.ts';

const START_MS = 1_700_000_000_000;
let environment: InstanceEnvironment;
let dynamo: DynamoDBClient;
let clock: ManualClock;
beforeAll(useMoto);
beforeEach(async () => {
  await resetMoto();
  environment = await makeInstance();
  dynamo = new DynamoDBClient({});
  clock = new ManualClock(START_MS);
});

/** Polls that go on, and sessions that are being taken off the list. */
const running: TestControl[] = [];
const ended: Promise<void>[] = [];
afterEach(() => {
  for (const task of running.splice(0)) task.stop();
});

const table = (name: string): string => environment[`SALLYPORT_${name}_TABLE`] ?? '';
const put = (name: string, id: string, value: unknown, v = 1): Promise<unknown> =>
  dynamo.send(new PutItemCommand({ TableName: table(name), Item: { ...encodeStored(id, v, value) } }));

const WRITER: WriterItem = {
  writer: 't1-a',
  slot: 1,
  state: 'live',
  leaseUntilMs: START_MS + LEASE_MS,
  nextSeq: 0,
  generation: 1,
  image: 'sha256:x',
};

const SESSION: LiveSessionItem = {
  session: 's_1',
  writer: 't1-a',
  principal: 'corp/agent-7',
  target: 'bank',
  source: '10.0.0.1',
  openedAtMs: 1,
  day: '2026-11-20',
};

/** Two tasks with the proxy's own control over them, and the sessions that they hold. */
async function fleet() {
  const registry = dynamoLiveSessions({ client: dynamo, table: table('SESSIONS') });
  const tables = { control: table('CONTROL'), cancels: table('CANCELS'), decisions: table('DECISIONS'), claims: table('CLAIMS') };
  const counter = { add: () => Promise.reject(new Error('nothing is spent here')) };
  const tasks: readonly TestControl[] = await Promise.all(
    // A clock of its own each: a poll that is under way in one must not keep the other's from coming.
    ['t1-a', 't2-a'].map((writer, slot) =>
      startControl({ client: dynamo, tables, clock: new ManualClock(START_MS), counter, writer, slot }),
    ),
  );
  running.push(...tasks);
  for (const writer of ['t1-a', 't2-a']) await put('WRITERS', writerItem(writer), { ...WRITER, writer });
  const told = new Map<string, string[]>();
  const closing = new Map<string, () => Promise<void>>();
  return {
    told: (id: string): readonly string[] => told.get(id) ?? [],
    close: async (id: string): Promise<void> => closing.get(id)?.(),
    open: async ({ id, principal: name, human, owner }: OpenedSession): Promise<void> => {
      const at = closing.size % tasks.length;
      const writer = `t${at + 1}-a`;
      const [issuer = '', agent = ''] = name.split('/');
      const people = { ...(human === undefined ? {} : { human }), ...(owner === undefined ? {} : { owner }) };
      await registry.put({ ...SESSION, session: id, writer, principal: name, ...people, openedAtMs: clock.now() });
      const heard: string[] = [];
      told.set(id, heard);
      const principal = { issuer, agent, ...people, groups: [], expiresAtMs: Infinity };
      const watch = tasks[at]?.control.watch({ id, principal }, (by, reason) => {
        heard.push(`${by}: ${reason}`);
        ended.push(registry.remove(writer, id));
      });
      closing.set(id, async () => {
        watch?.stop();
        await registry.remove(writer, id);
      });
    },
    settle: async (): Promise<void> => {
      for (const task of tasks) await task.polled();
      await Promise.all(ended);
    },
  };
}

async function putSession(session: LiveSessionItem): Promise<void> {
  const { id: _, ...stored } = encodeStored('', 1, session);
  await dynamo.send(
    new PutItemCommand({
      TableName: table('SESSIONS'),
      Item: { ...stored, writer: { S: session.writer }, session: { S: session.session } },
    }),
  );
}

async function mailOf(writer: string) {
  const { Item } = await dynamo.send(new GetItemCommand({ TableName: table('CONTROL'), Key: { id: { S: mailItem(writer) } } }));
  return Item === undefined ? [] : (readMail(decodeStored(Item)?.body)?.entries ?? []);
}

const live = (client = dynamo): DynamoLiveSessions =>
  new DynamoLiveSessions(client, { writers: table('WRITERS'), sessions: table('SESSIONS') }, clock);
const mailbox = (client = dynamo): DynamoMailbox => new DynamoMailbox(client, table('CONTROL'), clock);
const locks = (client = dynamo): DynamoLockDirectory =>
  new DynamoLockDirectory({ dynamo: client, table: table('CONTROL'), live: live(), clock });

signInStoreContract('a table', async () => ({
  store: new DynamoSignInStore(dynamo, table('SIGNIN'), clock),
  clock,
  stored: async () => JSON.stringify((await dynamo.send(new ScanCommand({ TableName: table('SIGNIN') }))).Items),
}));

let made = 0;
sessionDirectoryContract('tables', async () => {
  const { open, close, settle, told } = await fleet();
  const newId = (): string => `m${(made += 1)}`;
  return { directory: sessionDirectory({ live: live(), mailbox: mailbox(), clock, newId }), open, close, settle, told };
});

lockDirectoryContract('a table', async () => ({ locks: locks(), another: () => locks(), open: (await fleet()).open, clock }));

describe('what the console asks for', () => {
  test('a lock ends the sessions of the agent and of its human on their tasks, and of nobody else', async () => {
    const { open, settle, told } = await fleet();
    await open({ id: 's_1', principal: 'corp/agent-7' });
    await open({ id: 's_2', principal: 'corp/agent-8', human: 'alice@bank.example' });
    await open({ id: 's_3', principal: 'corp/agent-9', human: 'carl@bank.example' });
    await locks().lock('corp/agent-7', 'olga', 'strange');
    await locks().lock('alice@bank.example', 'olga', 'left');
    await settle();
    expect([told('s_1'), told('s_2'), told('s_3')]).toEqual([['olga: strange'], ['olga: left'], []]);
    expect((await live().list(10)).sessions.map(({ session }) => session)).toEqual(['s_3']);
  });

  test('a renewal reaches the session once it is verified again, and a token that the console took is not enough', async () => {
    const principal: Principal = { issuer: 'corp', agent: 'agent-7', groups: [], expiresAtMs: START_MS + 900_000 };
    let believed = false;
    const tokens = { verify: () => (believed ? Promise.resolve(principal) : Promise.reject(new TokenRefused('signature'))) };
    const { open } = await fleet();
    await open({ id: 's_1', principal: 'corp/agent-7' });
    const tables = { control: table('CONTROL'), cancels: table('CANCELS'), decisions: table('DECISIONS'), claims: table('CLAIMS') };
    const counter = { add: () => Promise.reject(new Error('nothing is spent here')) };
    const task = await startControl({ client: dynamo, tables, clock: new ManualClock(START_MS), counter, writer: 't1-a', tokens });
    running.push(task);
    const renewal = sessionRenewal({
      live: live(),
      mailbox: mailbox(),
      clock,
      newId: () => `r${(made += 1)}`,
      tokens: { verify: async () => principal },
    });
    expect(await renewal.renew('s_1', 'forged')).toEqual({ expiresAtMs: START_MS + 900_000 });
    await task.polled();
    expect(task.renewals).toEqual([]);
    believed = true;
    expect(await renewal.renew('s_1', 'real')).toEqual({ expiresAtMs: START_MS + 900_000 });
    await task.polled();
    expect(task.renewals).toEqual([['s_1', principal]]);
  });
});

describe('live sessions', () => {
  test.each<[string, Partial<WriterItem>]>([
    ['whose lease ran out', { leaseUntilMs: START_MS - 10_000 }],
    ['that is closed', { state: 'closed' }],
    ['that was fenced', { state: 'fenced' }],
  ])('of a task %s do not live', async (_, changes) => {
    await putSession(SESSION);
    await put('WRITERS', writerItem('t1-a'), { ...WRITER, ...changes });
    expect(await live().list(10)).toEqual({ sessions: [], more: false });
    expect(await live().find('s_1')).toBeUndefined();
    expect(await live().count('corp/agent-7')).toBe(0);
  });

  test('of a task whose clock is ahead or behind by seconds live', async () => {
    await putSession(SESSION);
    await put('WRITERS', writerItem('t1-a'), { ...WRITER, leaseUntilMs: START_MS - 9_999 });
    expect(await live().find('s_1')).toEqual(SESSION);
  });

  test('are found among more tasks than one request may name, and slots are no tasks', async () => {
    await put('WRITERS', 'slot#1', { writer: 't1-a' });
    await put('WRITERS', 'generation', { generation: 1 });
    for (let n = 0; n < 120; n += 1) await put('WRITERS', writerItem(`w${n}`), { ...WRITER, writer: `w${n}` });
    await putSession({ ...SESSION, writer: 'w119' });
    expect(await live().find('s_1')).toMatchObject({ writer: 'w119' });
    expect(await live().list(10)).toMatchObject({ sessions: [{ session: 's_1' }], more: false });
  });

  test('of a task that has just started are found, and known tasks are not looked for again', async () => {
    await put('WRITERS', writerItem('t1-a'), WRITER);
    await putSession(SESSION);
    const directory = live();
    expect(await directory.find('s_1')).toEqual(SESSION);
    await put('WRITERS', writerItem('t2-a'), { ...WRITER, writer: 't2-a' });
    await putSession({ ...SESSION, session: 's_2', writer: 't2-a' });
    expect(await directory.find('s_2')).toMatchObject({ writer: 't2-a' });
    // What is known is enough for ten seconds; then a task that has closed is known as closed.
    await put('WRITERS', writerItem('t1-a'), { ...WRITER, state: 'closed' }, 2);
    expect(await directory.find('s_1')).toEqual(SESSION);
    clock.advance(10_000);
    expect(await directory.find('s_1')).toBeUndefined();
  });

  test('an item that is no session is not taken for none', async () => {
    await put('WRITERS', writerItem('t1-a'), WRITER);
    await dynamo.send(
      new PutItemCommand({
        TableName: table('SESSIONS'),
        Item: { writer: { S: 't1-a' }, session: { S: 's_1' }, body: { S: '{"session":1}' } },
      }),
    );
    await expect(live().find('s_1')).rejects.toMatchObject({ code: 'state-damaged' });
    await expect(live().list(10)).rejects.toMatchObject({ code: 'state-damaged' });
  });
});

describe('a mailbox', () => {
  const end = (id: string, session = 's_1') => ({ id, atMs: START_MS, kind: 'end', session, by: 'olga', reason: 'r' }) as const;

  test('of requests at the same moment none is lost', async () => {
    await Promise.all(['a', 'b', 'c', 'd'].map((id) => mailbox().post('t1-a', end(id, id))));
    expect((await mailOf('t1-a')).map(({ id }) => id).toSorted()).toEqual(['a', 'b', 'c', 'd']);
  });

  test('a write whose answer was lost is not made twice', async () => {
    const mock = mockClient(DynamoDBClient);
    const mine = encodeStored(mailItem('t1-a'), 1, { entries: [end('a')] });
    mock
      .on(GetItemCommand)
      .resolvesOnce({})
      .resolves({ Item: { ...mine } });
    mock.on(PutItemCommand).rejects(new ConditionalCheckFailedException({ message: 'no', $metadata: {} }));
    await mailbox(new DynamoDBClient({})).post('t1-a', end('a'));
    expect(mock.commandCalls(PutItemCommand)).toHaveLength(1);
    mock.restore();
  });

  test('that others keep writing is given up with an error, not for ever', async () => {
    const mock = mockClient(DynamoDBClient);
    mock.on(GetItemCommand).resolves({});
    mock.on(PutItemCommand).rejects(new ConditionalCheckFailedException({ message: 'no', $metadata: {} }));
    await expect(mailbox(new DynamoDBClient({})).post('t1-a', end('a'))).rejects.toMatchObject({ code: 'state-busy' });
    mock.restore();
  });

  test('that is damaged is not written over', async () => {
    await put('CONTROL', mailItem('t1-a'), { entries: 'x' });
    await expect(mailbox().post('t1-a', end('a'))).rejects.toMatchObject({ code: 'state-damaged' });
  });

  test('is cleaned up by the table when nobody writes to it', async () => {
    await mailbox().post('t1-a', end('a'));
    const { Item } = await dynamo.send(new GetItemCommand({ TableName: table('CONTROL'), Key: { id: { S: mailItem('t1-a') } } }));
    expect(Number(Item?.['ttl']?.N)).toBe(START_MS / 1_000 + 900);
  });
});

describe('the list of locks', () => {
  test('that is damaged is not written over: that could unlock someone', async () => {
    await put('CONTROL', LOCKS_ITEM, { locks: [{ subject: 'corp/agent-7' }] });
    await expect(locks().lock('corp/agent-8', 'olga', 'r')).rejects.toMatchObject({ code: 'state-damaged' });
    await expect(locks().unlock('corp/agent-7')).rejects.toMatchObject({ code: 'state-damaged' });
    await expect(locks().locks()).rejects.toMatchObject({ code: 'state-damaged' });
  });

  test('ends before it is too long for an item, and can still be made shorter', async () => {
    const reason = '\u0001'.repeat(1_000);
    let count = 0;
    const fill = async (): Promise<never> => {
      for (;;) {
        await locks().lock(`corp/agent-${count}`, 'olga', reason);
        count += 1;
      }
    };
    await expect(fill()).rejects.toMatchObject({ code: 'locks-full' });
    expect(count).toBeGreaterThan(10);
    expect(await locks().unlock('corp/agent-0')).toBe(true);
    await expect(locks().lock('corp/agent-new', 'olga', 'r')).resolves.toBe(0);
  });

  test('an unlock whose answer was lost is one', async () => {
    const mock = mockClient(DynamoDBClient);
    const lock = { subject: 'corp/agent-7', by: 'olga', reason: 'r', lockedAtMs: 1 };
    mock
      .on(GetItemCommand)
      .resolvesOnce({ Item: { ...encodeStored(LOCKS_ITEM, 1, { locks: [lock] }) } })
      .resolves({ Item: { ...encodeStored(LOCKS_ITEM, 2, { locks: [] }) } });
    mock.on(PutItemCommand).rejects(new ConditionalCheckFailedException({ message: 'no', $metadata: {} }));
    expect(await locks(new DynamoDBClient({})).unlock('corp/agent-7')).toBe(true);
    mock.restore();
  });

  test('a throttled table locks nobody, and says so', async () => {
    const mock = mockClient(DynamoDBClient);
    mock.on(GetItemCommand).rejects(Object.assign(new Error('slow down'), { name: 'ProvisionedThroughputExceededException' }));
    mock.on(QueryCommand).rejects(new Error('never asked'));
    await expect(locks(new DynamoDBClient({})).lock('corp/agent-7', 'olga', 'r')).rejects.toThrow('slow down');
    mock.restore();
  });
});
