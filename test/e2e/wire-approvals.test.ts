import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Client } from 'pg';
import { errorField, decodeErrorFields } from '../../proxy-task/postgres/messages/error-response.ts';
import { readOperatorToken } from '../../standalone/operator-token.ts';
import { startTwin, type Twin } from '../support/wire-twin.ts';
import { WireClient, type WireMessage, cancelRequest, firstError, wire } from '../support/wire-client.ts';

const { query, parse, bind, execute, sync, flush } = wire;

const POLICIES = `
@id("connect") permit (principal, action == Action::"connect", resource);
@id("read") permit (principal, action in Action::"read", resource);
@id("patient") @approvers("dba") @hold("20s") @expires("1h") @grant("5m") @reason("a second person")
permit (principal, action in Action::"write", resource in Table::"db.public.patient") when { context has approval };
@id("brief") @approvers("dba") @hold("1s") @expires("1h") @grant("1s") @reason("a second person, soon")
permit (principal, action in Action::"write", resource in Table::"db.public.brief") when { context has approval };
@id("fleeting") @approvers("dba") @hold("1s") @expires("1s") @reason("now or never")
permit (principal, action in Action::"write", resource in Table::"db.public.fleeting") when { context has approval };
`;

let twin: Twin;

beforeAll(async () => {
  twin = await startTwin(
    ['patient', 'brief', 'fleeting']
      .map((name) => `CREATE TABLE ${name} AS SELECT g AS id, 0 AS v FROM generate_series(1, 5) g;`)
      .join('\n'),
    { policies: POLICIES },
  );
});

beforeEach(async () => {
  await twin.postgres.script('UPDATE patient SET v = 0; UPDATE brief SET v = 0; UPDATE fleeting SET v = 0', 'through');
});

afterAll(async () => {
  await twin.stop();
});

const UPDATE = 'UPDATE patient SET v = v + 1 WHERE id = 1';
const run = (sql: string): Buffer => Buffer.concat([parse('', sql), bind('', ''), execute()]);

type Shown = { readonly id: string; readonly state: string };

async function approvals(): Promise<readonly Shown[]> {
  const headers = { authorization: `Bearer ${readOperatorToken(twin.gateway.dataDir) ?? ''}` };
  const response = await fetch(`${twin.gateway.api}/v1/approvals?all=1`, { headers });
  // The API's own answer.
  return ((await response.json()) as { approvals: readonly Shown[] }).approvals;
}

async function until<T>(look: () => Promise<T>, holds: (seen: T) => boolean, what: string): Promise<T> {
  const untilMs = Date.now() + 10_000;
  for (;;) {
    const seen = await look();
    if (holds(seen)) return seen;
    if (Date.now() > untilMs) throw new Error(`never came about: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const state = async (id: string): Promise<string | undefined> => (await approvals()).find((shown) => shown.id === id)?.state;
const stateIs = async (id: string, wanted: string): Promise<unknown> =>
  until(
    async () => state(id),
    (seen) => seen === wanted,
    `${id} ${wanted}`,
  );

function detail(messages: readonly WireMessage[]): Record<string, unknown> {
  const error = messages.find(({ type }) => type === 'E');
  const text = error === undefined ? undefined : errorField(decodeErrorFields(error.body, 0, error.body.length), 'D');
  // One line of JSON, as every error of the gateway has.
  return JSON.parse(text ?? '{}') as Record<string, unknown>;
}

async function value(table = 'patient', id = 1): Promise<unknown> {
  return (await twin.postgres.query(`SELECT v FROM ${table} WHERE id = ${id}`, [], 'through'))[0]?.['v'];
}

/** The approval of what this client has just sent: its notice tells the id. */
async function held(client: WireClient): Promise<string> {
  let notice: WireMessage | undefined;
  do notice = await client.read();
  while (notice !== undefined && notice.type !== 'N' && notice.type !== 'E');
  if (notice === undefined) throw new Error('the connection ended');
  const fields = decodeErrorFields(notice.body, 0, notice.body.length);
  expect(errorField(fields, 'C')).toBe('ZG001');
  // As above.
  return (JSON.parse(errorField(fields, 'D') ?? '{}') as { approvalId: string }).approvalId;
}

describe('while it is held', () => {
  test('a CancelRequest withdraws it, and the session lives on', async () => {
    const client = await twin.through();
    client.send(query(UPDATE));
    const id = await held(client);
    await cancelRequest(twin.gateway.port, client.key);
    const told = await client.until('Z');
    expect([firstError(told), told.at(-1)?.body.toString()]).toEqual(['ERROR 57014', 'I']);
    await stateIs(id, 'withdrawn');
    expect(await twin.gateway.answer(id, 'approve')).toBe(409);
    expect((await client.exchange([query('SELECT 1')])).join(' ')).toContain('D 1');
    expect(await value()).toBe(0);
    client.destroy();
  });

  test('a CancelRequest with another secret, or of another session, does nothing to it', async () => {
    const client = await twin.through();
    const other = await twin.through();
    client.send(query(UPDATE));
    const id = await held(client);
    await cancelRequest(twin.gateway.port, other.key);
    await cancelRequest(twin.gateway.port, { processId: client.key.processId, secret: Buffer.alloc(4) });
    expect(await state(id)).toBe('pending');
    expect(await twin.gateway.answer(id, 'approve')).toBe(200);
    expect((await client.until('Z')).map(({ type }) => type).join('')).toBe('CZ');
    client.destroy();
    other.destroy();
  });

  test('a client that goes away withdraws it', async () => {
    const client = await twin.through();
    client.send(query(UPDATE));
    const id = await held(client);
    client.destroy();
    await stateIs(id, 'withdrawn');
    expect(await twin.gateway.answer(id, 'approve')).toBe(409);
    expect(await value()).toBe(0);
  });

  test('what came before it in the pipeline has been answered, and what comes after waits', async () => {
    const client = await twin.through();
    client.send(run('SELECT 11'), run(UPDATE), run('SELECT 12'), sync(), run('SELECT 13'), sync());
    // Notices may come between any two messages.
    const before = await client.until('DC');
    expect(
      before
        .map(({ type }) => type)
        .join('')
        .replace('N', ''),
    ).toBe('12DC');
    const { id } = await twin.gateway.pending();
    expect(await twin.gateway.answer(id, 'approve')).toBe(200);
    const after = (await client.until('ZZ'))
      .map(({ type }) => type)
      .join('')
      .replace('N', '');
    expect(after).toBe('12C12DCZ12DCZ');
    expect(await value()).toBe(1);
    client.destroy();
  });

  test('a rejection in a transaction makes it fail, and says why', async () => {
    const client = await twin.through();
    await client.exchange([query('BEGIN')]);
    client.send(query(UPDATE));
    const id = await held(client);
    expect(await twin.gateway.answer(id, 'reject', 'dana@bank.example', 'not today')).toBe(200);
    const told = await client.until('Z');
    expect([firstError(told), told.at(-1)?.body.toString()]).toEqual(['ERROR ZG003', 'E']);
    expect(detail(told)).toMatchObject({ approvalId: id, reason: 'not today', executed: 'no' });
    client.destroy();
  });

  test('an approval that comes after its token lets nothing run, although its transaction may still end', async () => {
    const ttlSeconds = 4;
    const password = await twin.gateway.issuer.mintToken({ principal: 'agent-7', groups: ['all'], ttlSeconds });
    const expiredMs = Date.now() + ttlSeconds * 1_000;
    const client = await WireClient.login({ port: twin.gateway.port, database: 'db', user: 'agent', password });
    await client.exchange([query('BEGIN')]);
    // A statement of its own: its approval stays good.
    client.send(query(`${UPDATE} AND v = 0`));
    const id = await held(client);
    await until(
      async () => Date.now(),
      (nowMs) => nowMs > expiredMs,
      'the token expired',
    );
    expect(await twin.gateway.answer(id, 'approve')).toBe(200);
    const told = await client.until('Z');
    expect([firstError(told), told.at(-1)?.body.toString()]).toEqual(['ERROR ZG010', 'E']);
    expect(detail(told)).toMatchObject({ reason: 'the token or the session has expired', executed: 'no' });
    expect(await state(id)).toBe('approved');
    expect(await value()).toBe(0);
    client.destroy();
  });

  test('a policy that no longer lets it run is heeded, whatever people answered', async () => {
    const client = await twin.through();
    client.send(query(UPDATE));
    const id = await held(client);
    const before = twin.gateway.log.length;
    const force = async (policies: string): Promise<unknown> => {
      const seen = twin.gateway.log.length;
      twin.gateway.reconfigure({ policies });
      return until(
        async () => twin.gateway.log.slice(seen),
        (lines) => lines.some((line) => line.includes('is in force')),
        'the new policy',
      );
    };
    await force(`${POLICIES}\n@id("closed") @reason("closed for the night") forbid (principal, action in Action::"write", resource);`);
    expect(twin.gateway.log.length).toBeGreaterThan(before);
    expect(await twin.gateway.answer(id, 'approve')).toBe(200);
    const told = await client.until('Z');
    expect(firstError(told)).toBe('ERROR ZG010');
    expect(await value()).toBe(0);
    await force(POLICIES);
    client.destroy();
  });
});

describe('after the hold', () => {
  test('an answer that comes later lets the same statement run, in another session too, once', async () => {
    const first = await twin.through();
    const sql = 'UPDATE brief SET v = v + 1 WHERE id = 1';
    first.send(query(sql));
    const id = await held(first);
    const told = await first.until('Z');
    expect(firstError(told)).toBe('ERROR ZG001');
    expect(detail(told)).toMatchObject({ approvalId: id, executed: 'no' });
    const second = await twin.through();
    expect(await twin.gateway.answer(id, 'approve')).toBe(200);
    second.send(query(sql));
    expect((await second.until('Z')).map(({ type }) => type).join('')).toBe('CZ');
    expect(await value('brief')).toBe(1);
    first.send(query(sql));
    expect(await held(first)).not.toBe(id);
    first.destroy();
    second.destroy();
  });

  test('a grant that was not used in time is gone', async () => {
    const client = await twin.through({ parameters: { 'sallyport.approval': 'failfast' } });
    const sql = 'UPDATE brief SET v = v + 1 WHERE id = 2';
    client.send(query(sql));
    const asked = await client.until('Z');
    expect(firstError(asked)).toBe('ERROR ZG001');
    const id = String(detail(asked)['approvalId']);
    expect(await twin.gateway.answer(id, 'approve')).toBe(200);
    await stateIs(id, 'expired');
    await client.exchange([query(`SET sallyport.approval_id = '${id}'`)]);
    client.send(query(sql));
    expect(firstError(await client.until('Z'))).toBe('ERROR ZG004');
    await client.exchange([query('RESET sallyport.approval_id')]);
    client.send(query(sql));
    const again = await client.until('Z');
    expect([firstError(again), detail(again)['approvalId'] === id]).toEqual(['ERROR ZG001', false]);
    expect(await value('brief', 2)).toBe(0);
    client.destroy();
  });

  test('a request that nobody answered in time is told apart from one that was refused', async () => {
    const client = await twin.through({ parameters: { 'sallyport.approval': 'failfast' } });
    client.send(query('UPDATE fleeting SET v = 1'));
    const id = String(detail(await client.until('Z'))['approvalId']);
    await stateIs(id, 'expired');
    expect(await twin.gateway.answer(id, 'approve')).toBe(409);
    client.send(query(`SET sallyport.approval_id = '${id}'`), query('UPDATE fleeting SET v = 1'));
    expect(firstError(await client.until('ZZ'))).toBe('ERROR ZG004');
    expect(await value('fleeting')).toBe(0);
    client.destroy();
  });
});

describe('an answer that was lost on the way', () => {
  /** Runs `during` while the approved statement waits for a lock on the target. */
  async function whileItRuns(client: WireClient, send: readonly Buffer[], during: (lock: Client) => Promise<void>): Promise<string> {
    const lock = new Client({
      host: '127.0.0.1',
      port: twin.postgres.port,
      user: twin.postgres.superuser,
      password: twin.postgres.password,
      database: 'through',
    });
    await lock.connect();
    await lock.query('BEGIN; SELECT * FROM patient FOR UPDATE');
    client.send(...send);
    try {
      const id = await held(client);
      expect(await twin.gateway.answer(id, 'approve')).toBe(200);
      await until(
        async () => twin.postgres.query(`SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'UPDATE patient%'`),
        (rows) => rows.length === 1,
        'the statement at work',
      );
      await during(lock);
      return id;
    } finally {
      await lock.end();
    }
  }

  /** The gateway's own loop has turned, with what this process did to its sockets before. */
  const settled = approvals;

  test('the same statement again is told what became of it, once', async () => {
    const client = await twin.through();
    const id = await whileItRuns(client, [query(UPDATE)], async (lock) => {
      client.destroy();
      await settled();
      await settled();
      await lock.query('COMMIT');
    });
    await until(
      async () => value(),
      (seen) => seen === 1,
      'the update',
    );
    const retry = await twin.through({ parameters: { 'sallyport.approval': 'failfast' } });
    const told = await until(
      async () => {
        retry.send(query(UPDATE));
        return retry.until('Z');
      },
      (messages) => firstError(messages) === 'ERROR ZG006',
      'ZG006',
    );
    expect(detail(told)).toMatchObject({ approvalId: id, outcome: 'committed', rows: 1, executed: 'yes' });
    expect(await value()).toBe(1);
    retry.send(query(UPDATE));
    expect(firstError(await retry.until('Z'))).toBe('ERROR ZG001');
    retry.destroy();
  });

  test('in a transaction that was never committed, it was rolled back', async () => {
    const client = await twin.through();
    const sql = 'UPDATE patient SET v = v + 1 WHERE id = 2';
    await client.exchange([query('BEGIN')]);
    const id = await whileItRuns(client, [query(sql)], async (lock) => {
      client.destroy();
      await settled();
      await settled();
      await lock.query('COMMIT');
    });
    const retry = await twin.through({ parameters: { 'sallyport.approval': 'failfast' } });
    const told = await until(
      async () => {
        retry.send(query(sql));
        return retry.until('Z');
      },
      (messages) => firstError(messages) === 'ERROR ZG006',
      'ZG006',
    );
    expect(detail(told)).toMatchObject({ approvalId: id, outcome: 'rolledBack', executed: 'no' });
    expect(await value('patient', 2)).toBe(0);
    retry.destroy();
  });

  test('a statement that was canceled on the target can be asked for again', async () => {
    const client = await twin.through();
    const sql = 'UPDATE patient SET v = v + 1 WHERE id = 3';
    await whileItRuns(client, [run(sql), sync(), flush()], async (lock) => {
      await cancelRequest(twin.gateway.port, client.key);
      const told = await client.until('Z');
      expect(firstError(told)).toBe('ERROR 57014');
      await lock.query('COMMIT');
    });
    client.send(query('SET sallyport.approval = failfast'), query(sql));
    expect(firstError(await client.until('ZZ'))).toBe('ERROR ZG001');
    expect(await value('patient', 3)).toBe(0);
    client.destroy();
  });
});
