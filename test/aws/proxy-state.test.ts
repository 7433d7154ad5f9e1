// What a proxy task keeps in shared tables, against the emulator: poller, control, budgets, cancels, leases.
import { createServer } from 'node:net';
import { GetItemCommand, PutItemCommand, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { beforeEach, describe, expect, test } from 'vitest';
import type { LockList, MailEntry, WriterItem } from '../../core/state/control.ts';
import { writerItem } from '../../core/state/control.ts';
import { decodeStored, encodeStored } from '../../core/state/stored-item.ts';
import { DynamoBudgets } from '../../proxy-task/adapters/dynamo-budgets.ts';
import { DynamoCancels } from '../../proxy-task/adapters/dynamo-cancels.ts';
import { dynamoClient } from '../../proxy-task/adapters/dynamo-client.ts';
import { DynamoWriterLease } from '../../proxy-task/adapters/dynamo-writer-lease.ts';
import { CancelKeys } from '../../proxy-task/postgres/cancel-keys.ts';
import { CONTROL_STARTS_MS, controlContract } from '../contract/control.ts';
import { startControl } from '../support/followed-control.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { resetMoto, useMoto } from './support/moto.ts';
import { makeInstance, type InstanceEnvironment } from './support/tables.ts';

let environment: InstanceEnvironment;
let client: DynamoDBClient;

async function fresh(): Promise<void> {
  useMoto();
  await resetMoto();
  environment = await makeInstance();
  client = dynamoClient({ attempts: 2, requestTimeoutMs: 10_000 });
}

const table = (name: string): string => environment[`SALLYPORT_${name}_TABLE`] ?? '';
const tables = () => ({
  control: table('CONTROL'),
  cancels: table('CANCELS'),
  decisions: table('DECISIONS'),
  claims: table('CLAIMS'),
});

async function put(name: string, id: string, value: unknown, v = 1): Promise<void> {
  await client.send(new PutItemCommand({ TableName: table(name), Item: encodeStored(id, v, value) }));
}

async function read(name: string, id: string): Promise<{ readonly v: number; readonly body: unknown } | undefined> {
  const { Item: item } = await client.send(new GetItemCommand({ TableName: table(name), Key: { id: { S: id } }, ConsistentRead: true }));
  return item === undefined ? undefined : decodeStored(item);
}

controlContract('FollowedControl on DynamoDB', async () => {
  await fresh();
  const clock = new ManualClock(CONTROL_STARTS_MS);
  const counter = new DynamoBudgets({ client, table: table('BUDGETS') });
  const start = () => startControl({ client, tables: tables(), clock, counter });
  let running = await start();
  let locks: LockList['locks'] = [];
  let entries: readonly MailEntry[] = [];
  let version = 0;
  const write = async (id: string, value: unknown): Promise<void> => {
    version += 1;
    await put('CONTROL', id, value, version);
    await running.polled();
  };
  return {
    control: running.control,
    clock,
    lock: (subject, by, reason) => {
      locks = [...locks, { subject, by, reason, lockedAtMs: clock.now() }];
      return write('locks', { locks });
    },
    unlock: (subject) => {
      locks = locks.filter((lock) => lock.subject !== subject);
      return write('locks', { locks });
    },
    end: (session, by, reason) => {
      entries = [...entries, { id: `m${entries.length}`, atMs: clock.now(), kind: 'end', session, by, reason }];
      return write('mail#w1', { entries });
    },
    restart: async () => {
      await running.budgets.flush();
      running.stop();
      running = await start();
      return running.control;
    },
    close: async () => running.stop(),
  };
});

const registry = (random = 0.5): DynamoWriterLease => new DynamoWriterLease({ client, table: table('WRITERS'), random: () => random });
const writer = (id: string): Omit<WriterItem, 'slot'> => ({
  writer: id,
  state: 'live',
  leaseUntilMs: 20_000,
  nextSeq: 0,
  generation: 1,
  image: 'sha256:1',
});

describe('leases', () => {
  beforeEach(fresh);

  test('two tasks that begin their search at the same slot get two', async () => {
    const [one, two] = await Promise.all([registry().register(writer('w1')), registry().register(writer('w2'))]);
    expect(one.slot).not.toBe(two.slot);
    expect(await read('WRITERS', `slot#${two.slot}`)).toMatchObject({ body: { writer: 'w2' } });
    expect(await read('WRITERS', 'writer#w2')).toMatchObject({ v: 1, body: two });
  });

  test('the slot of a writer that is over is taken, that of a live one and that of an unknown one are not', async () => {
    const one = await registry().register(writer('w1'));
    await put('WRITERS', `slot#${one.slot + 1}`, { writer: 'about-to-register' });
    expect((await registry().register(writer('w2'))).slot).toBe(one.slot + 2);
    await put('WRITERS', writerItem('w1'), { ...one, state: 'fenced' }, 2);
    expect((await registry().register(writer('w3'))).slot).toBe(one.slot);
  });

  test('an id is never used twice', async () => {
    await registry().register(writer('w1'));
    await expect(registry().register({ ...writer('w1'), leaseUntilMs: 20_001 })).rejects.toMatchObject({ code: 'state-unavailable' });
  });

  test('a lease is renewed until the sweeper fences it', async () => {
    const own = registry();
    const item = await own.register(writer('w1'));
    expect(await own.renew({ ...item, leaseUntilMs: 25_000, nextSeq: 4 })).toBe('renewed');
    expect(await read('WRITERS', 'writer#w1')).toMatchObject({ v: 2, body: { leaseUntilMs: 25_000, nextSeq: 4 } });
    await put('WRITERS', writerItem('w1'), { ...item, state: 'fenced' }, 3);
    expect(await own.renew({ ...item, leaseUntilMs: 30_000 })).toBe('fenced');
    expect(await read('WRITERS', 'writer#w1')).toMatchObject({ body: { state: 'fenced' } });
  });

  test('a renewal whose answer was lost does not look like a fence', async () => {
    const own = registry();
    const item = await own.register(writer('w1'));
    // Its own earlier renewal, seen by the next one.
    await put('WRITERS', writerItem('w1'), { ...item, leaseUntilMs: 25_000 }, 2);
    expect(await own.renew({ ...item, leaseUntilMs: 30_000 })).toBe('renewed');
    expect(await read('WRITERS', 'writer#w1')).toMatchObject({ v: 3, body: { leaseUntilMs: 30_000 } });
  });

  test('a closed lease frees its slot, and only its own', async () => {
    const own = registry();
    const item = await own.register(writer('w1'));
    await own.close({ ...item, nextSeq: 7 });
    expect(await read('WRITERS', 'writer#w1')).toMatchObject({ body: { state: 'closed', nextSeq: 7 } });
    expect(await read('WRITERS', `slot#${item.slot}`)).toBeUndefined();
    const next = await registry().register(writer('w2'));
    expect(next.slot).toBe(item.slot);
    await own.close(item);
    expect(await read('WRITERS', `slot#${item.slot}`)).toMatchObject({ body: { writer: 'w2' } });
  });

  test('generations are raised by many tasks at once and never lowered', async () => {
    const tasks = [3, 1, 4, 1, 5].map((generation) => registry().raise(generation));
    await Promise.all(tasks);
    expect(await registry().newest()).toBe(5);
    await registry().raise(2);
    expect(await registry().newest()).toBe(5);
  });
});

describe('two tasks and one cancel', () => {
  beforeEach(fresh);

  test.each([0, 2] as const)(
    'a cancel of protocol 3.%i that lands on the other task reaches the one that gave the key out',
    async (minor) => {
      const clock = new ManualClock(1_000_000);
      const [one, two] = [await registry(0.1).register(writer('w1')), await registry(0.9).register(writer('w2'))];
      const keys = new CancelKeys({ taskSlot: two.slot, macKey: Buffer.alloc(32, 1) });
      const issued = keys.issue(minor);
      if (issued === undefined) throw new Error('no key');
      const cancels = new DynamoCancels({ client, tables: { cancels: table('CANCELS'), writers: table('WRITERS') }, clock });
      const counter = new DynamoBudgets({ client, table: table('BUDGETS') });
      const canceled: (number | undefined)[] = [];
      const first = await startControl({ client, tables: tables(), clock, counter, cancels, slot: one.slot });
      const second = await startControl({
        client,
        tables: tables(),
        clock,
        counter,
        cancels,
        slot: two.slot,
        writer: 'w2',
        cancel: (key) => void canceled.push(keys.verify({ processId: key.processId, secret: key.secret })),
      });
      await first.control.cancelElsewhere(issued.key);
      await first.control.cancelElsewhere({ ...issued.key, secret: Buffer.alloc(issued.key.secret.length, 7) });
      await second.polled();
      await second.polled();
      expect(canceled).toEqual([issued.session, undefined]);
      first.stop();
      second.stop();
    },
  );

  test('a made-up key for a slot that nobody has leaves nothing behind', async () => {
    const clock = new ManualClock(1_000_000);
    const cancels = new DynamoCancels({ client, tables: { cancels: table('CANCELS'), writers: table('WRITERS') }, clock });
    await cancels.put(77, { processId: 77 << 16, secretHex: '00ff00ff' });
    expect(await read('CANCELS', 'cancels#77')).toBeUndefined();
  });

  test('many that land at once are all kept', async () => {
    const clock = new ManualClock(1_000_000);
    const { slot } = await registry().register(writer('w1'));
    const made = (): DynamoCancels =>
      new DynamoCancels({ client, tables: { cancels: table('CANCELS'), writers: table('WRITERS') }, clock });
    await Promise.all([1, 2, 3].map((processId) => made().put(slot, { processId, secretHex: '00ff00ff' })));
    expect(await read('CANCELS', `cancels#${slot}`)).toMatchObject({ body: { entries: [{}, {}, {}] } });
  });
});

test('a budget is one sum for all tasks, with an end for clean-up', async () => {
  await fresh();
  const made = (): DynamoBudgets => new DynamoBudgets({ client, table: table('BUDGETS') });
  expect(await Promise.all([made().add('a|b', 2, 9_500), made().add('a|b', 3, 9_500)])).toContain(5);
  const { Item: item } = await client.send(new GetItemCommand({ TableName: table('BUDGETS'), Key: { id: { S: 'a|b' } } }));
  expect(item).toEqual({ id: { S: 'a|b' }, used: { N: '5' }, ttl: { N: '10' } });
});

test('an endpoint that never answers is given up in time', async () => {
  const silent = createServer();
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const address = silent.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const endpoint = `http://127.0.0.1:${address.port}`;
  const hanging = dynamoClient({ attempts: 1, requestTimeoutMs: 200 }, endpoint);
  await expect(new DynamoBudgets({ client: hanging, table: 't' }).add('a', 1, 1)).rejects.toMatchObject({ code: 'state-unavailable' });
  hanging.destroy();
  silent.close();
});
