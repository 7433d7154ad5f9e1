// What must not run under an approval, on the wire and in the store, before a real PostgreSQL.
import { join } from 'node:path';
import Database from 'libsql';
import type { Client } from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { readOperatorToken } from '../../standalone/operator-token.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';

const FAILFAST = '-c sallyport.approval=failfast';
const policies = (quorum = 1, grant = '5m') => `
@id("connect") permit (principal, action == Action::"connect", resource);
@id("read") permit (principal in Group::"demo/analysts", action in Action::"read", resource);
@id("write") @approvers("dba") @quorum("${quorum}") @hold("15s") @expires("1h") @grant("${grant}") @reason("Needs a second person")
permit (principal in Group::"demo/analysts", action in Action::"all", resource) when { context has approval };
`;

let postgres: TestPostgres;
let gateway: TestGateway;

// Made before the gateway reads the catalog: what is made while it runs is only seen with its next look.
beforeAll(async () => {
  postgres = await startPostgres();
  await postgres.script(`
    CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a'), (2, 'b');
    CREATE TABLE spoils (v text);
    CREATE TABLE triggered AS SELECT * FROM t;
    CREATE TABLE replaced AS SELECT * FROM t;
    CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO spoils VALUES ('x'); RETURN NEW; END $$;
    CREATE FUNCTION tag_called(v text) RETURNS text LANGUAGE sql AS $$ SELECT v || '!' $$;
    CREATE FUNCTION tag_prepared(v text) RETURNS text LANGUAGE sql AS $$ SELECT v || '!' $$;`);
  gateway = await startGateway(postgres, { policies: policies() });
});

afterAll(async () => {
  await gateway.stop();
  await postgres.stop();
});

beforeEach(() => postgres.script('UPDATE t SET v = chr(96 + id)'));

const analyst = (options = FAILFAST, onBehalfOf?: string): Promise<Client> =>
  gateway.connect({ groups: ['analysts'], options, ...(onBehalfOf === undefined ? {} : { onBehalfOf }) });

type Refused = { readonly code: string; readonly message: string; readonly approvalId: string };

async function refused(run: Promise<unknown>): Promise<Refused> {
  const error = await run.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (typeof error !== 'object' || error === null || !('code' in error)) throw new Error('it ran');
  const detail: unknown = 'detail' in error && typeof error.detail === 'string' ? JSON.parse(error.detail) : {};
  const approvalId = typeof detail === 'object' && detail !== null && 'approvalId' in detail ? String(detail.approvalId) : '';
  return { code: String(error.code), message: 'message' in error ? String(error.message) : '', approvalId };
}

/** Asks for an approval, which is given. */
async function approvedFor(run: Promise<unknown>): Promise<string> {
  const { code, approvalId } = await refused(run);
  expect(code).toBe('ZG001');
  expect(await gateway.answer(approvalId, 'approve')).toBe(200);
  return approvalId;
}

const table = async (): Promise<unknown> => (await postgres.query('SELECT v FROM t ORDER BY id')).map(({ v }) => v);

/** The approval that waits for this statement, other than the one given. */
async function pendingFor(text: string, other = ''): Promise<string> {
  const headers = { authorization: `Bearer ${readOperatorToken(gateway.dataDir) ?? ''}` };
  const endsAt = Date.now() + 10_000;
  while (Date.now() < endsAt) {
    // The API's own documented shape.
    const answer = (await (await fetch(`${gateway.api}/v1/approvals`, { headers })).json()) as {
      approvals: { id: string; state: string; text: string }[];
    };
    const found = answer.approvals.find((each) => each.state === 'pending' && each.text === text && each.id !== other);
    if (found !== undefined) return found.id;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('no approval was asked for');
}

describe('an approval is for what was read, and nothing else', () => {
  test('once: the same statement again needs its own', async () => {
    const client = await analyst();
    const update = "UPDATE t SET v = 'x' WHERE id = 1";
    const first = await approvedFor(client.query(update));
    expect((await client.query(update)).rowCount).toBe(1);
    const again = await refused(client.query(update));
    expect(again.code).toBe('ZG001');
    expect(again.approvalId).not.toBe(first);
  });

  test('other bytes, parameters, settings, search_path or role need their own', async () => {
    const client = await analyst();
    const text = 'UPDATE t SET v = $1 WHERE id = $2';
    const given = await approvedFor(client.query(text, ['x', 1]));
    for (const variant of [
      () => client.query(text, ['x', 2]),
      () => client.query(text, [null, 1]),
      () => client.query('UPDATE t SET v = $1 WHERE id =  $2', ['x', 1]),
      () => client.query(`${text} --`, ['x', 1]),
    ]) {
      const { code, approvalId } = await refused(variant());
      expect(code).toBe('ZG001');
      expect(approvalId).not.toBe(given);
    }
    for (const set of ["SET datestyle = 'German'", 'SET search_path = public, pg_catalog', "SET timezone = 'Asia/Tokyo'"]) {
      const other = await analyst();
      await approvedFor(other.query(set)).then(
        () => other.query(set),
        (error: unknown) => expect(error).toMatchObject({ message: 'it ran' }),
      );
      const { code, approvalId } = await refused(other.query(text, ['x', 1]));
      expect([set, code]).toEqual([set, 'ZG001']);
      expect(approvalId).not.toBe(given);
    }
    expect(await table()).toEqual(['a', 'b']);
    expect((await client.query(text, ['x', 1])).rowCount).toBe(1);
  });

  test('named for another statement it is refused, and nothing is asked anew', async () => {
    const client = await analyst();
    const given = await approvedFor(client.query("UPDATE t SET v = 'x' WHERE id = 1"));
    const other = await analyst(`${FAILFAST} -c sallyport.approval_id=${given}`);
    expect((await refused(other.query("UPDATE t SET v = 'x'"))).code).toBe('ZG005');
    expect((await refused(other.query("UPDATE t SET v = 'x' WHERE id = 2"))).code).toBe('ZG005');
    expect(await table()).toEqual(['a', 'b']);
  });

  test('of another principal, or of the same agent for another human, it does not count', async () => {
    const given = await approvedFor((await analyst()).query("UPDATE t SET v = 'mine' WHERE id = 1"));
    const other = await gateway.connect({ principal: 'agent-8', groups: ['analysts'], options: FAILFAST });
    const forAlice = await analyst(FAILFAST, 'alice@bank.example');
    for (const client of [other, forAlice]) {
      const { code, approvalId } = await refused(client.query("UPDATE t SET v = 'mine' WHERE id = 1"));
      expect(code).toBe('ZG001');
      expect(approvalId).not.toBe(given);
    }
  });

  test('two sessions that wait for one approval: one runs, the other asks anew', async () => {
    const [one, two] = [await analyst(''), await analyst('')];
    const update = "UPDATE t SET v = v || '+' WHERE id = 1";
    const runs = [one.query(update), two.query(update)].map((run) =>
      run.then(
        () => 'ran',
        (error: { code: string }) => error.code,
      ),
    );
    const id = await pendingFor(update);
    expect(await gateway.answer(id, 'approve')).toBe(200);
    const next = await pendingFor(update, id);
    // The other asks as soon as this one is claimed, which is before the target has run it.
    expect(await Promise.race(runs)).toBe('ran');
    expect(await table()).toEqual(['a+', 'b']);
    expect(await gateway.answer(next, 'reject')).toBe(200);
    expect((await Promise.all(runs)).toSorted()).toEqual(['ZG003', 'ran']);
    expect(await table()).toEqual(['a+', 'b']);
  });
});

describe('what is reached is changed while people decide', () => {
  const evil = (name: string): string =>
    `CREATE OR REPLACE FUNCTION ${name}(v text) RETURNS text LANGUAGE sql AS $$ INSERT INTO spoils VALUES (v); SELECT v $$`;

  test('a function: the approval of the old body does not run the new one', async () => {
    const client = await analyst('');
    const update = 'UPDATE t SET v = tag_called(v) WHERE id = 1';
    const run = client.query(update).then(
      () => 'ran',
      (error: { code: string }) => error.code,
    );
    const id = await pendingFor(update);
    await postgres.script(evil('tag_called'));
    await gateway.answer(id, 'approve');
    await gateway.answer(await pendingFor(update, id), 'reject');
    expect(await run).toBe('ZG003');
    expect(await postgres.query('SELECT * FROM spoils')).toEqual([]);
  });

  test('a function that only a prepared statement reaches', async () => {
    const client = await analyst();
    await approvedFor(client.query('PREPARE p AS UPDATE t SET v = tag_prepared(v) WHERE id = 1'));
    await client.query('PREPARE p AS UPDATE t SET v = tag_prepared(v) WHERE id = 1');
    const given = await approvedFor(client.query('EXECUTE p'));
    await postgres.script(evil('tag_prepared'));
    const again = await refused(client.query('EXECUTE p'));
    expect(again.code).toBe('ZG001');
    expect(again.approvalId).not.toBe(given);
    expect(await postgres.query('SELECT * FROM spoils')).toEqual([]);
  });

  test('a trigger that was not there', async () => {
    const client = await analyst();
    const given = await approvedFor(client.query("UPDATE triggered SET v = 'x' WHERE id = 1"));
    await postgres.script('CREATE TRIGGER spoil BEFORE UPDATE ON triggered FOR EACH ROW EXECUTE FUNCTION spoil()');
    const again = await refused(client.query("UPDATE triggered SET v = 'x' WHERE id = 1"));
    expect(again.approvalId).not.toBe(given);
    expect(await postgres.query('SELECT * FROM spoils')).toEqual([]);
  });

  test('a table that is another one under the same name', async () => {
    const client = await analyst();
    const given = await approvedFor(client.query('DELETE FROM replaced WHERE id = 1'));
    await postgres.script('ALTER TABLE replaced RENAME TO older; CREATE TABLE replaced AS SELECT * FROM older');
    const again = await refused(client.query('DELETE FROM replaced WHERE id = 1'));
    expect(again.approvalId).not.toBe(given);
    expect(await postgres.query('SELECT count(*)::int AS n FROM replaced')).toEqual([{ n: 2 }]);
  });
});

describe('the wrong people', () => {
  test('neither the owner nor the human it acts for, though they are of the group', async () => {
    const client = await analyst(FAILFAST, 'dana@bank.example');
    const { approvalId } = await refused(client.query("UPDATE t SET v = 'x' WHERE id = 1"));
    expect(await gateway.answer(approvalId, 'approve', 'dana@bank.example')).toBe(403);
    expect(await gateway.answer(approvalId, 'approve', 'owen@bank.example')).toBe(403);
    expect(await gateway.answer(approvalId, 'approve', 'alice@bank.example')).toBe(403);
    expect((await refused(client.query("UPDATE t SET v = 'x' WHERE id = 1"))).code).toBe('ZG001');
    expect(await gateway.answer(approvalId, 'approve', 'erin@bank.example')).toBe(200);
    expect((await client.query("UPDATE t SET v = 'x' WHERE id = 1")).rowCount).toBe(1);
  });

  test('a rule that asks for more since then is not met by the old answer', async () => {
    const client = await analyst();
    const given = await approvedFor(client.query("UPDATE t SET v = 'x' WHERE id = 2"));
    gateway.reconfigure({ policies: policies(2) });
    await inForce();
    const again = await refused(client.query("UPDATE t SET v = 'x' WHERE id = 2"));
    expect(['ZG001', 'ZG010']).toContain(again.code);
    expect(await table()).toEqual(['a', 'b']);
    gateway.reconfigure({ policies: policies() });
    await inForce();
    expect(given).not.toBe('');
  });
});

/** The next line that says that a configuration is in force. */
async function inForce(): Promise<void> {
  const before = gateway.log.length;
  const endsAt = Date.now() + 10_000;
  while (!gateway.log.slice(before).some((line) => line.includes('is in force'))) {
    if (Date.now() > endsAt) throw new Error('not taken up');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe('rows written into the store by hand', () => {
  const store = <T>(run: (db: Database.Database) => T): T => {
    const db = new Database(join(gateway.dataDir, 'state.db'), { timeout: 5_000 });
    try {
      // Whoever writes the file is not stopped by its triggers.
      for (const name of ['request_is_final', 'request_is_kept', 'vote_is_final', 'vote_is_kept']) {
        db.exec(`DROP TRIGGER IF EXISTS approval_${name}`);
      }
      return run(db);
    } finally {
      db.close();
    }
  };
  const text = (row: unknown, column: string): string => {
    const value: unknown = typeof row === 'object' && row !== null ? Object.getOwnPropertyDescriptor(row, column)?.value : undefined;
    return String(value);
  };
  const vote = (db: Database.Database, id: string, body: object, seq = 0): void =>
    void db.prepare('INSERT OR REPLACE INTO approval_vote (approval, seq, body) VALUES (?, ?, ?)').run(id, seq, JSON.stringify(body));
  const approve = (db: Database.Database, id: string, decidedAt: number): void =>
    void db
      .prepare("UPDATE approval_state SET state = 'approved', decided_at = ?, deadline = ?, claim = NULL WHERE approval = ?")
      .run(decidedAt, decidedAt + 300_000, id);
  const votesOf = (db: Database.Database, id: string): Record<string, unknown>[] =>
    db
      .prepare('SELECT body FROM approval_vote WHERE approval = ? ORDER BY seq')
      .all(id)
      // Written by the gate as an object.
      .map((row) => JSON.parse(text(row, 'body')) as Record<string, unknown>);
  const dana = { person: 'dana@bank.example', groups: ['demo/dba'], answer: 'approve', reason: '', channel: 'page' };

  test('an approval without a vote, or with a vote that nobody signed, runs nothing', async () => {
    const client = await analyst();
    const update = "UPDATE t SET v = 'forged' WHERE id = 1";
    const { approvalId } = await refused(client.query(update));
    store((db) => approve(db, approvalId, Date.now()));
    expect(await refused(client.query(update))).toMatchObject({ code: 'ZG010', message: expect.stringContaining('does not hold') });
    const now = Date.now();
    const unsigned = Buffer.from(JSON.stringify({ alg: 'none' })).toString('base64url');
    const payload = Buffer.from(
      JSON.stringify({ iss: gateway.issuer.url, email: dana.person, groups: ['dba'], iat: now / 1000, exp: now / 1000 + 600 }),
    ).toString('base64url');
    for (const idToken of ['', 'x', `${unsigned}.${payload}.`, await gateway.token('dana@bank.example', ['dba'])]) {
      store((db) => {
        vote(db, approvalId, { ...dana, atMs: now, idToken });
        approve(db, approvalId, now);
      });
      expect(await refused(client.query(update))).toMatchObject({ code: 'ZG010', message: expect.stringContaining('does not hold') });
    }
    expect(await table()).toEqual(['a', 'b']);
  });

  test('a real answer moved to another statement runs nothing', async () => {
    const client = await analyst();
    const harmless = await approvedFor(client.query("UPDATE t SET v = 'small' WHERE id = 1"));
    const { approvalId: wanted } = await refused(client.query("UPDATE t SET v = 'large'"));
    store((db) => {
      const [given] = votesOf(db, harmless);
      vote(db, wanted, given ?? {});
      approve(db, wanted, Number(given?.['atMs']));
    });
    expect(await refused(client.query("UPDATE t SET v = 'large'"))).toMatchObject({ code: 'ZG010' });
    // The other way round: the request of the harmless one gets the digest of the other.
    store((db) => {
      const digest = text(db.prepare('SELECT digest FROM approval_request WHERE id = ?').get(wanted), 'digest');
      // Written by the gate as an object.
      const body = JSON.parse(text(db.prepare('SELECT body FROM approval_request WHERE id = ?').get(harmless), 'body')) as object;
      db.prepare("UPDATE approval_state SET state = 'withdrawn', deadline = NULL WHERE approval = ?").run(wanted);
      db.prepare('UPDATE approval_request SET digest = ?, body = ? WHERE id = ?').run(
        digest,
        JSON.stringify({ ...body, digest }),
        harmless,
      );
    });
    expect(await refused(client.query("UPDATE t SET v = 'large'"))).toMatchObject({ code: 'ZG010' });
    expect(await table()).toEqual(['a', 'b']);
  });

  test('a grant that was stretched, or a vote that was dated anew, runs nothing', async () => {
    const client = await analyst();
    const update = "UPDATE t SET v = 'late' WHERE id = 1";
    const id = await approvedFor(client.query(update));
    store((db) => {
      const [given] = votesOf(db, id);
      // The part of a request that this test changes.
      const body = JSON.parse(text(db.prepare('SELECT body FROM approval_request WHERE id = ?').get(id), 'body')) as {
        demand: { grantMs: number };
      };
      body.demand.grantMs = 10 * 365 * 86_400_000;
      db.prepare('UPDATE approval_request SET body = ? WHERE id = ?').run(JSON.stringify(body), id);
      // As if it had been given an hour ago, by a sign-in of now.
      vote(db, id, { ...given, atMs: Date.now() - 3_600_000 });
      db.prepare('UPDATE approval_state SET decided_at = ? WHERE approval = ?').run(Date.now() - 3_600_000, id);
    });
    expect(await refused(client.query(update))).toMatchObject({ code: 'ZG010' });
    expect(await table()).toEqual(['a', 'b']);
  });

  test('an approval that was used cannot be made fresh again while the gateway runs', async () => {
    const client = await analyst();
    const update = "UPDATE t SET v = v || '1' WHERE id = 1";
    const id = await approvedFor(client.query(update));
    expect((await client.query(update)).rowCount).toBe(1);
    store((db) => approve(db, id, Number(votesOf(db, id)[0]?.['atMs'])));
    expect(await refused(client.query(update))).toMatchObject({ code: 'ZG001', approvalId: expect.not.stringMatching(id) });
    expect(await table()).toEqual(['a1', 'b']);
  });

  test('a quorum filled by one person twice runs nothing', async () => {
    gateway.reconfigure({ policies: policies(2) });
    await inForce();
    const client = await analyst();
    const update = "UPDATE t SET v = 'twice' WHERE id = 1";
    const { approvalId } = await refused(client.query(update));
    expect(await gateway.answer(approvalId, 'approve')).toBe(200);
    expect(await gateway.answer(approvalId, 'approve')).toBe(409);
    store((db) => {
      const [given] = votesOf(db, approvalId);
      vote(db, approvalId, { ...given, person: 'dana@bank.example' }, 1);
      approve(db, approvalId, Number(given?.['atMs']));
    });
    expect(await refused(client.query(update))).toMatchObject({ code: 'ZG010' });
    expect(await table()).toEqual(['a', 'b']);
  });
});
