// What a session does when the gateway no longer knows what others have decided.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Client } from 'pg';
import { StateUnavailable, type StateView } from '../../proxy-task/ports.ts';
import { openControl, startDataPath, type DataPath } from '../support/data-path.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { wire, WireClient } from '../support/wire-client.ts';

let postgres: TestPostgres;
let path: DataPath;
let view: StateView;
let prepared: () => Promise<void>;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres.stop());
beforeEach(async () => {
  view = 'current';
  prepared = async () => undefined;
  path = await startDataPath(postgres, openControl({ view: () => view, prepare: () => prepared() }));
});
afterEach(() => path.stop());

function ending(client: Client): Promise<string> {
  return new Promise((resolve) => {
    client.once('error', (error: Error & { code?: string; detail?: string }) => resolve(`${error.code} ${error.detail}`));
  });
}

/** Whether it has been answered by the time that another session has run a statement. */
async function answeredSoon(statement: Promise<unknown>): Promise<boolean> {
  let answered = false;
  void statement.then(() => {
    answered = true;
  });
  await postgres.query('select 1');
  await postgres.query('select 2');
  return answered;
}

describe('while the state of others is stale', () => {
  test.each([
    ['a simple query', (client: Client) => client.query('select 7 as n')],
    ['a statement with parameters', (client: Client) => client.query('select $1::int as n', [7])],
  ])('%s waits, reaches no target, and runs when it is known again', async (_what, run) => {
    const client = await path.connect();
    await client.query('select 1');
    view = 'stale';
    const waiting = run(client);
    expect(await answeredSoon(waiting)).toBe(false);
    view = 'current';
    expect((await waiting).rows).toEqual([{ n: 7 }]);
  });

  test('a portal that was bound while it was known is not executed either', async () => {
    await postgres.query('create table bound (n int)');
    const client = await WireClient.login({ port: path.port, database: 'db', user: 'agent', password: 'token' });
    await client.exchange([wire.parse('', 'insert into bound values (1)'), wire.bind('', ''), wire.flush()], '12');
    view = 'stale';
    client.send(wire.execute(), wire.sync());
    const answer = client.until('CZ');
    expect(await answeredSoon(answer)).toBe(false);
    expect(await postgres.query('select n from bound')).toEqual([]);
    view = 'current';
    await answer;
    expect(await postgres.query('select n from bound')).toEqual([{ n: 1 }]);
    client.destroy();
  });

  test('an open transaction stays open, and its end waits with the rest', async () => {
    const client = await path.connect();
    await client.query('create table half (n int)');
    await client.query('begin');
    await client.query('insert into half values (1)');
    view = 'stale';
    const waiting = client.query('commit');
    expect(await answeredSoon(waiting)).toBe(false);
    expect(await postgres.query('select n from half')).toEqual([]);
    view = 'current';
    await waiting;
    expect(await postgres.query('select n from half')).toEqual([{ n: 1 }]);
  });

  test('no session opens', async () => {
    view = 'stale';
    await expect(path.connect()).rejects.toMatchObject({ code: '57P01' });
  });
});

describe('when it is lost', () => {
  test('sessions end, the idle and the waiting, and say that nothing ran', async () => {
    const idle = await path.connect();
    const busy = await path.connect();
    await idle.query('select 1');
    await busy.query('select 1');
    const idleEnded = ending(idle);
    view = 'stale';
    const waiting = expect(busy.query('select 8')).rejects.toMatchObject({ code: '57P01', detail: '{"executed":"no"}' });
    await answeredSoon(Promise.resolve());
    view = 'lost';
    expect(await idleEnded).toBe('57P01 {"executed":"no"}');
    await waiting;
  });

  test('a statement that runs is canceled, and its outcome is unknown', async () => {
    const client = await path.connect();
    const running = client.query('select pg_sleep(50)');
    await expect
      .poll(
        async () =>
          (await postgres.query("select 1 from pg_stat_activity where query like '%pg_sleep%' and pid <> pg_backend_pid()")).length,
      )
      .toBe(1);
    view = 'lost';
    await expect(running).rejects.toMatchObject({ code: '57P01', detail: '{"executed":"unknown"}' });
    await expect
      .poll(
        async () =>
          (
            await postgres.query(
              "select 1 from pg_stat_activity where query like '%pg_sleep%' and pid <> pg_backend_pid() and state = 'active'",
            )
          ).length,
      )
      .toBe(0);
  });
});

test('a principal whose spending cannot be read gets no session', async () => {
  prepared = () => Promise.reject(new StateUnavailable('throttled'));
  await expect(path.connect()).rejects.toMatchObject({ code: '57P01' });
  prepared = async () => undefined;
  await path.connect();
});

test('a recorder that was ended by others ends idle sessions too, with its own code', async () => {
  const client = await path.connect();
  const ended = ending(client);
  path.gateway.endUnrecorded('this writer was fenced');
  expect(await ended).toBe('ZG030 {"executed":"no"}');
});
