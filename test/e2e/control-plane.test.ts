// Operators, disks and restarts, seen from a client of the gateway.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { verb as replay } from '../../cli/replay.ts';
import { verb as sessions } from '../../cli/sessions.ts';
import { verb as verify } from '../../cli/verify.ts';
import { startMachine } from '../../standalone/machine.ts';
import { fullDisk } from '../support/full-disk.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { keptIo } from '../support/verb-io.ts';

const PLENTY = 1_000_000_000;
const disk = fullDisk(PLENTY);
let postgres: TestPostgres;
let gateway: TestGateway;

beforeAll(async () => {
  postgres = await startPostgres();
  await postgres.script(`CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a')`);
  gateway = await startGateway(postgres, { evidenceFiles: disk });
});

afterAll(async () => {
  await gateway.stop();
  await postgres.stop();
});

const io = () => keptIo({ env: { SALLYPORT_DATA: gateway.dataDir } });

/** The error that ends a connection while nothing is asked. */
function ended(client: Client): Promise<{ readonly code: string; readonly message: string }> {
  return new Promise((resolve) => {
    client.once('error', (error: Error & { code?: string }) => resolve({ code: error.code ?? '', message: error.message }));
  });
}

async function failure(run: Promise<unknown>): Promise<{ readonly code: string; readonly message: string }> {
  const error: unknown = await run.then(
    () => new Error('it succeeded'),
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof Error)) throw new Error('no error');
  return { code: 'code' in error ? String(error.code) : '', message: error.message };
}

describe('an operator', () => {
  test('locks an agent: its sessions end within five seconds with ZG020, others live on, no new one opens until the unlock', async () => {
    const [locked, other] = [await gateway.connect(), await gateway.connect({ principal: 'agent-8' })];
    const told = ended(locked);
    const startedAt = performance.now();
    const command = io();
    expect(await sessions.run(['lock', 'demo/agent-7', '--reason', 'strange statements'], command)).toBe(0);
    expect(command.written.stdout).toContain('1 live session was ended');
    expect(await told).toMatchObject({ code: 'ZG020', message: expect.stringContaining('strange statements') });
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    expect((await other.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    expect(await failure(gateway.connect())).toMatchObject({ code: 'ZG020', message: expect.stringContaining('strange statements') });
    await sessions.run(['unlock', 'demo/agent-7'], command);
    expect((await (await gateway.connect()).query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });

  test('locks a person: sessions on behalf of that person end too', async () => {
    const forAlice = await gateway.connect({ onBehalfOf: 'alice@bank.example' });
    const own = await gateway.connect();
    const told = ended(forAlice);
    await sessions.run(['lock', 'Alice@bank.example', '--reason', 'left the bank'], io());
    expect(await told).toMatchObject({ code: 'ZG020' });
    expect((await own.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    await sessions.run(['unlock', 'alice@bank.example'], io());
  });

  test('ends one session in the middle of a statement, whose transaction is undone', async () => {
    const client = await gateway.connect();
    await client.query('BEGIN');
    await client.query("INSERT INTO t VALUES (2, 'in a transaction')");
    const running = failure(client.query('SELECT pg_sleep(30)'));
    await expect.poll(() => postgres.log().includes('pg_sleep(30)'), { timeout: 5_000 }).toBe(true);
    // The API's own documented shape.
    const live = (await (await fetch(`${gateway.api}/v1/sessions`, { headers: operator() })).json()) as {
      sessions: { id: string; openedAt: string }[];
    };
    const newest = live.sessions.toSorted((a, b) => (a.openedAt < b.openedAt ? 1 : -1))[0];
    expect(await sessions.run(['end', newest?.id ?? '', '--reason', 'too slow'], io())).toBe(0);
    expect(await running).toMatchObject({ code: 'ZG020', message: expect.stringContaining('too slow') });
    await expect.poll(() => postgres.query('SELECT * FROM t WHERE id = 2'), { timeout: 5_000 }).toEqual([]);
  });
});

const operator = () => ({ authorization: `Bearer ${readFileSync(join(gateway.dataDir, 'operator-token'), 'utf8').trim()}` });

describe('a disk that is full', () => {
  test('ends the session with ZG030 before anything runs, refuses new ones, and serves again when there is room', async () => {
    const client = await gateway.connect();
    await client.query('SELECT 1');
    disk.room = 0;
    expect(await failure(client.query("INSERT INTO t VALUES (3, 'unrecorded')"))).toMatchObject({ code: 'ZG030' });
    expect(await failure(gateway.connect())).toMatchObject({ code: 'ZG030' });
    expect(postgres.log()).not.toContain('unrecorded');
    disk.room = PLENTY;
    const again = await gateway.connect();
    expect((await again.query("INSERT INTO t VALUES (3, 'recorded')")).rowCount).toBe(1);
    const opened = io();
    await sessions.run(['show', 'latest', '--json'], opened);
    await replay.run(['latest', '--json'], opened);
    expect(opened.written.stdout).toMatch(/"writer":"w[0-9a-z-]+-2"/);
    await again.end();
    const checked = io();
    await verify.run(['--json'], checked);
    // The verb's own documented shape.
    const result = JSON.parse(checked.written.stdout) as { intact: boolean; complete: boolean; findings: unknown[] };
    expect(result.findings).toEqual([]);
    expect([result.intact, result.complete]).toEqual([true, true]);
  });

  test('between two rows keeps back what cannot be recorded', async () => {
    const client = await gateway.connect();
    await client.query('SELECT 1');
    disk.room = 40_000;
    const outcome = await failure(client.query("SELECT repeat('x', 1000) FROM generate_series(1, 1000)"));
    expect(outcome.code).toBe('ZG030');
    disk.room = PLENTY;
    await (await gateway.connect()).end();
    const checked = io();
    expect(await verify.run([], checked)).toBe(0);
  });
});

describe('a masking rule that does not resolve', () => {
  test('closes the target with a clear word to the client and the column’s name to the operator only', async () => {
    const before = gateway.log.length;
    gateway.reconfigure({ masking: 'columns:\n  - { target: db, column: public.t.nope, method: redact }\n' });
    await expect.poll(() => gateway.log.slice(before).join('\n'), { timeout: 8_000 }).toContain('in force');
    const refused = await failure(gateway.connect());
    expect(refused).toMatchObject({ code: '57P01', message: expect.stringContaining('"db" is closed until its masking rules') });
    expect(refused.message).not.toContain('nope');
    expect(gateway.log.slice(before).join('\n')).toContain('public.t has no column nope');
    const middle = gateway.log.length;
    gateway.reconfigure({});
    await expect.poll(() => gateway.log.slice(middle).join('\n'), { timeout: 8_000 }).toContain('in force');
    expect((await (await gateway.connect()).query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });
});

describe('secrets', () => {
  test('neither tokens nor the target’s password are in the log, the evidence or the target’s log', async () => {
    const token = await gateway.token('agent-7', ['all']);
    const client = new Client({ host: '127.0.0.1', port: gateway.port, database: 'db', user: 'agent', password: token });
    await client.connect();
    await client.query('SELECT 1');
    await client.end();
    const forged = `${token.slice(0, -6)}AAAAAA`;
    const refused = new Client({ host: '127.0.0.1', port: gateway.port, database: 'db', user: 'agent', password: forged });
    refused.on('error', () => undefined);
    expect(await failure(refused.connect())).toMatchObject({ code: '28000' });
    const evidence = readdirSync(gateway.evidenceDir, { recursive: true, encoding: 'utf8' })
      .map((name) => join(gateway.evidenceDir, name))
      .filter((path) => statSync(path).isFile())
      .map((path) => readFileSync(path, 'latin1'));
    const told = [...gateway.log, ...evidence, postgres.log()].join('\n');
    const [, payload = '', signature = ''] = token.split('.');
    for (const secret of [token, payload, signature, postgres.password]) expect(told).not.toContain(secret);
  });
});

describe('a restart', () => {
  test('keeps what waits for an answer: asked before it, approved after it, it runs once', async () => {
    const client = await gateway.connect({ groups: ['analysts'], options: '-c sallyport.approval=failfast' });
    const update = "UPDATE t SET v = 'after the restart' WHERE id = 1";
    expect(await failure(client.query(update))).toMatchObject({ code: 'ZG001' });
    const { id } = await gateway.pending();
    await gateway.machine.stop();
    const next = await startMachine({
      configDir: gateway.configDir,
      dataDir: gateway.dataDir,
      env: { TARGET_PASSWORD: postgres.password },
      log: (line) => gateway.log.push(line),
    });
    try {
      const again = new Client({
        host: '127.0.0.1',
        port: next.postgres.port,
        database: 'db',
        user: 'agent',
        password: await gateway.token('agent-7', ['analysts']),
        options: '-c sallyport.approval=failfast',
      });
      again.on('error', () => undefined);
      await again.connect();
      expect(await failure(again.query(update))).toMatchObject({ code: 'ZG001', message: expect.stringContaining('approval required') });
      const { verb: approvals } = await import('../../cli/approvals.ts');
      expect(await approvals.run(['approve', id, '--as', 'dana@bank.example'], io())).toBe(0);
      expect((await again.query(update)).rowCount).toBe(1);
      expect(await failure(again.query(update))).toMatchObject({ code: 'ZG001' });
      await again.end();
    } finally {
      await next.stop();
    }
    const checked = io();
    expect(await verify.run([], checked)).toBe(0);
  });
});
