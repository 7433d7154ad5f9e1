// The whole of a working day, on what is deployed: sessions, decisions, people, and what must not work.
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { DynamoDBClient, GetItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import type { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { approvalNonce } from '../../core/approval/nonce.ts';
import { decodeStored, encodeStored } from '../../core/state/stored-item.ts';
import { ALICE, DANA, deploy, ERIN, OWEN, type Deployment, type Rules } from './support/deployment.ts';
import { copyEvidence } from './support/evidence-copy.ts';
import type { ProxyProcess } from './support/proxy-process.ts';

const RULES: Rules = {
  policies: `
@id("connect") permit (principal, action == Action::"connect", resource);
@id("all") permit (principal in Group::"demo/all", action in Action::"all", resource);
@id("read") permit (principal in Group::"demo/analysts", action in Action::"read", resource);
@id("write") @approvers("dba") @quorum("1") @hold("20s") @expires("1h") @grant("5m") @reason("Writes need a second person")
permit (principal in Group::"demo/analysts", action in Action::"write", resource) when { context has approval };
@id("no-drop") @reason("Dropping is done by migration")
forbid (principal in Group::"demo/analysts", action == Action::"drop", resource);
`,
  masking: `
columns:
  - { target: db, column: public.customers.ssn, method: partial, keepLast: 4 }
patterns: []
`,
};

const SCHEMA = `
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, ssn text NOT NULL);
INSERT INTO customers VALUES (1, 'Ingrid', '123-45-6789'), (2, 'Jessica', '987-65-4321');
CREATE TABLE accounts (id int PRIMARY KEY, balance int NOT NULL);
INSERT INTO accounts VALUES (1, 100), (2, 100);
CREATE TABLE notes (id int PRIMARY KEY, text text NOT NULL);
INSERT INTO notes VALUES (1, 'first');
`;

const ANALYST = { principal: 'agent-7', groups: ['analysts'] } as const;
const REVOKED_WITHIN_MS = 5_000;

type Answer = Awaited<ReturnType<Deployment['vote']>>;

let deployment: Deployment;
let one: ProxyProcess;
let two: ProxyProcess;
beforeAll(async () => {
  deployment = await deploy();
  await deployment.postgres.script(SCHEMA);
  await deployment.publish(RULES);
  [one, two] = await Promise.all([deployment.startTask(), deployment.startTask()]);
});
afterAll(() => deployment?.stop());

const analyst = async (task: ProxyProcess, more: { readonly onBehalfOf?: string; readonly principal?: string } = {}): Promise<Client> =>
  deployment.connect(task, { token: await deployment.token({ ...ANALYST, ...more }) });

/** The error of a statement that must fail. */
const refused = (run: Promise<unknown>): Promise<{ readonly code?: string; readonly message: string; readonly detail?: string }> =>
  run.then(
    () => {
      throw new Error('it ran');
    },
    (error: { readonly code?: string; readonly message: string; readonly detail?: string }) => error,
  );

const balance = async (id: number): Promise<unknown> =>
  (await deployment.postgres.query('select balance from accounts where id = $1', [id]))[0]?.['balance'];

describe('a session', () => {
  test('opens through either task, and what is permitted runs', async () => {
    for (const task of [one, two]) {
      const client = await analyst(task);
      expect((await client.query('select name from customers order by id')).rows).toEqual([{ name: 'Ingrid' }, { name: 'Jessica' }]);
    }
  });

  test('gets masked columns masked, in text and in binary', async () => {
    const client = await analyst(two);
    const expected = [{ ssn: '***-**-6789' }];
    expect((await client.query('select ssn from customers where id = 1')).rows).toEqual(expected);
    expect((await client.query({ text: 'select ssn from customers where id = $1', values: [1] })).rows).toEqual(expected);
    expect(await refused(client.query("select id from customers where ssn like '123%'"))).toMatchObject({ code: 'ZG013' });
  });

  test('is refused what policy forbids, and PostgreSQL never hears of it', async () => {
    const client = await analyst(one);
    expect(await refused(client.query('drop table customers /* blocked */'))).toMatchObject({ code: 'ZG010' });
    expect(deployment.postgres.log()).not.toContain('/* blocked */');
  });

  test('needs a token of the configured issuer', async () => {
    const { privateKey } = await generateKeyPair('ES256');
    const claims = { sub: 'agent-7', aud: 'sallyport', groups: ['all'], iss: deployment.issuer.url };
    const forged = await new SignJWT(claims).setProtectedHeader({ alg: 'ES256' }).setExpirationTime('5m').setIssuedAt().sign(privateKey);
    expect(await refused(deployment.connect(one, { token: forged }))).toMatchObject({ code: '28000' });
  });

  test('is known to operators while it lives', async () => {
    const client = await analyst(one, { principal: 'agent-8' });
    const { status, body } = await deployment.asOperator('/v1/sessions');
    expect([status, JSON.stringify(body)]).toEqual([200, expect.stringContaining('demo/agent-8')]);
    await client.end();
  });
});

describe('an approval', () => {
  const known = new Set<string>();
  /** Sends a statement that needs one; the approval's id and what becomes of the statement. */
  const hold = async (client: Client, sql: string) => {
    const outcome = client.query(sql).then(
      ({ rowCount }) => ({ rowCount }),
      (error: { readonly code?: string; readonly message: string }) => error,
    );
    const { id, digest } = await deployment.pending(known);
    known.add(id);
    return { id, digest, outcome };
  };
  const workflow = (id: string) => deployment.services.machines[0]?.find(id);

  test('is asked of people by the workflow, given over HTTP, and lets the statement run once', async () => {
    const client = await analyst(one);
    const { id, outcome } = await hold(client, 'update accounts set balance = balance + 10 where id = 1');
    expect(await balance(1)).toBe(100);
    expect(await deployment.vote(id, DANA)).toMatchObject({ status: 200 });
    expect(await outcome).toEqual({ rowCount: 1 });
    expect(await balance(1)).toBe(110);
    await workflow(id)?.ended;
    expect(workflow(id)).toMatchObject({ status: 'SUCCEEDED', input: { id }, entered: ['Describe', 'Notify', 'CloseDecided', 'Closed'] });
  });

  test('given after the hold lets the same statement run through the other task', async () => {
    const sql = 'update accounts set balance = balance + 5 where id = 2';
    const failFast = await deployment.connect(one, {
      token: await deployment.token(ANALYST),
      options: '-c sallyport.approval=failfast',
    });
    expect(await refused(failFast.query(sql))).toMatchObject({ code: 'ZG001' });
    const { id } = await deployment.pending(known);
    known.add(id);
    expect(await deployment.vote(id, ERIN)).toMatchObject({ status: 200 });
    const again = await deployment.connect(two, { token: await deployment.token(ANALYST), options: '-c sallyport.approval=failfast' });
    expect((await again.query(sql)).rowCount).toBe(1);
    expect(await balance(2)).toBe(105);
  });

  test('that is rejected refuses the statement with the reason', async () => {
    const client = await analyst(two);
    const { id, outcome } = await hold(client, 'update accounts set balance = 0 where id = 1');
    expect(await deployment.vote(id, DANA, { answer: 'reject' })).toMatchObject({ status: 200 });
    expect(await outcome).toMatchObject({ code: 'ZG003' });
    expect(await balance(1)).toBe(110);
  });

  test('is refused to everybody who may not give it, and the statement still waits', async () => {
    const client = await analyst(one, { onBehalfOf: ERIN });
    const { id, digest, outcome } = await hold(client, 'update accounts set balance = -1 where id = 1');
    const other = await hold(await analyst(two), 'update accounts set balance = -2 where id = 1');
    const nonce = approvalNonce(id, digest);
    const now = Math.floor(Date.now() / 1000);
    const sound = { sub: DANA, email: DANA, email_verified: true, groups: ['dba'], aud: 'sallyport-cli', nonce, iat: now, exp: now + 600 };
    const { privateKey } = await generateKeyPair('ES256', { extractable: true });
    const ownKey = { alg: 'ES256', jwk: { ...(await exportJWK(privateKey)), d: undefined } };
    const attempts: readonly (readonly [who: string, code: string, () => Promise<Answer>])[] = [
      ['the owner of the agent', 'not-entitled', () => deployment.vote(id, OWEN)],
      ['the person for whom the agent acts', 'not-entitled', () => deployment.vote(id, ERIN)],
      ['somebody of another group', 'not-entitled', () => deployment.vote(id, ALICE)],
      [
        'a sign-in for another approval',
        'sign-in-invalid',
        async () => deployment.vote(id, DANA, { idToken: await deployment.idToken(other.id, DANA) }),
      ],
      ['a sign-in for nothing', 'sign-in-invalid', () => deployment.vote(id, DANA, { nonce: 'none' })],
      ['no token', 'sign-in-invalid', () => deployment.vote(id, DANA, { idToken: 'none' })],
      [
        'a token signed by somebody else',
        'sign-in-invalid',
        async () =>
          deployment.vote(id, DANA, {
            idToken: await new SignJWT({ ...sound, iss: deployment.issuer.url }).setProtectedHeader(ownKey).sign(privateKey),
          }),
      ],
      [
        'a token that is not signed',
        'sign-in-invalid',
        () => {
          const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
          return deployment.vote(id, DANA, { idToken: `${part({ alg: 'none' })}.${part({ ...sound, iss: deployment.issuer.url })}.` });
        },
      ],
      [
        'a sign-in of an hour ago',
        'sign-in-invalid',
        async () => deployment.vote(id, DANA, { idToken: await deployment.signAsIssuer({ ...sound, iat: now - 3_600 }) }),
      ],
      [
        'a sign-in at another application',
        'sign-in-invalid',
        async () => deployment.vote(id, DANA, { idToken: await deployment.signAsIssuer({ ...sound, aud: 'elsewhere' }) }),
      ],
      [
        'an expired sign-in',
        'sign-in-invalid',
        async () => deployment.vote(id, DANA, { idToken: await deployment.signAsIssuer({ ...sound, exp: now - 1 }) }),
      ],
    ];
    for (const [who, code, attempt] of attempts) {
      expect({ who, ...(await attempt()) }).toMatchObject({ who, status: 403, body: { error: { code } } });
    }
    expect(await balance(1)).toBe(110);
    // What makes the others wrong is only what they are named for.
    const idToken = await deployment.signAsIssuer(sound);
    expect(await deployment.vote(id, DANA, { idToken })).toMatchObject({ status: 200 });
    expect(await outcome).toEqual({ rowCount: 1 });
    // The one that was used, for the other that waits; and twice for the same.
    expect((await deployment.vote(other.id, DANA, { idToken })).status).toBeGreaterThanOrEqual(400);
    expect((await deployment.vote(id, DANA, { idToken })).status).toBeGreaterThanOrEqual(400);
    expect((await deployment.vote(id, DANA, { answer: 'reject' })).status).toBeGreaterThanOrEqual(400);
    await deployment.vote(other.id, DANA, { answer: 'reject' });
    expect(await other.outcome).toMatchObject({ code: 'ZG003' });
    expect(await balance(1)).toBe(-1);
  });

  test('that is written into the table by hand runs nothing', async () => {
    const client = await analyst(one);
    const waiting = await hold(client, 'update accounts set balance = -3 where id = 2');
    const { id, digest } = waiting;
    const table = deployment.instance.task['SALLYPORT_DECISIONS_TABLE'] ?? '';
    const dynamo = new DynamoDBClient({});
    const { Item: found } = await dynamo.send(new GetItemCommand({ TableName: table, Key: { id: { S: id } }, ConsistentRead: true }));
    const nowMs = Date.now();
    const { privateKey } = await generateKeyPair('ES256');
    const claims = {
      iss: deployment.issuer.url,
      sub: DANA,
      email: DANA,
      groups: ['dba'],
      aud: 'sallyport-cli',
      nonce: approvalNonce(id, digest),
    };
    const idToken = await new SignJWT(claims).setProtectedHeader({ alg: 'ES256' }).setIssuedAt().setExpirationTime('5m').sign(privateKey);
    const vote = { person: DANA, groups: ['demo/dba'], answer: 'approve', reason: '', channel: 'cli', idToken, atMs: nowMs };
    const decision = { state: 'approved', votes: [vote], decidedAtMs: nowMs };
    const v = found === undefined ? 1 : (decodeStored(found)?.v ?? 0) + 1;
    await dynamo.send(new PutItemCommand({ TableName: table, Item: { ...encodeStored(id, v, decision) } }));
    expect(await waiting.outcome).toMatchObject({ code: 'ZG010', detail: expect.stringContaining('the approval does not hold') });
    expect(await balance(2)).toBe(105);
  });

  test('whose workflow could not be started is told by the sweep, and given all the same', async () => {
    const client = await analyst(one);
    deployment.services.stepFunctions.refuse('StartExecution');
    const { id, outcome } = await hold(client, 'update accounts set balance = balance + 1 where id = 2 /* unstarted */');
    expect(workflow(id)).toBeUndefined();
    deployment.services.stepFunctions.heal('StartExecution');
    await deployment.invoke('sweep');
    expect(workflow(id)).toMatchObject({ status: 'RUNNING' });
    await deployment.vote(id, DANA, { answer: 'reject' });
    expect(await outcome).toMatchObject({ code: 'ZG003' });
    await workflow(id)?.ended;
    expect(workflow(id)).toMatchObject({ status: 'SUCCEEDED' });
  });

  test('shows in its page what runs, and no GET decides', async () => {
    const client = await analyst(two);
    const { id, outcome } = await hold(client, 'update accounts set balance = balance - 1 where id = 2 /* page */');
    const page = await fetch(`${deployment.console.url}/approvals/${id}`);
    expect([page.status, await page.text()]).toEqual([200, expect.stringContaining('/* page */')]);
    for (const path of ['decision', 'votes']) await fetch(`${deployment.console.url}/approvals/${id}/${path}?answer=approve`);
    expect(await balance(2)).toBe(105);
    await deployment.vote(id, DANA, { answer: 'reject' });
    await outcome;
  });
});

describe('control', () => {
  test('a lock ends live sessions on every task within 5 s and admits no new one', async () => {
    const clients = [await analyst(one, { principal: 'agent-8' }), await analyst(two, { principal: 'agent-8' })];
    const ends = clients.map((client) => new Promise<number>((resolve) => client.once('end', () => resolve(Date.now()))));
    const from = Date.now();
    const lock = { method: 'POST', body: JSON.stringify({ subject: 'demo/agent-8', reason: 'story' }) };
    expect(await deployment.asOperator('/v1/locks', lock)).toMatchObject({ status: 200 });
    for (const end of ends) expect((await end) - from).toBeLessThan(REVOKED_WITHIN_MS);
    expect((await refused(analyst(one, { principal: 'agent-8' }))).code).toBeDefined();
    expect(await deployment.asOperator('/v1/locks/demo%2Fagent-8', { method: 'DELETE' })).toMatchObject({ status: 200 });
    const admitted = (task: ProxyProcess): Promise<boolean> =>
      analyst(task, { principal: 'agent-8' }).then(
        () => true,
        () => false,
      );
    for (const task of [one, two]) await expect.poll(() => admitted(task), { timeout: 10_000 }).toBe(true);
  });

  test('an operator ends one session, wherever it is, within 5 s', async () => {
    const client = await analyst(two, { principal: 'agent-8' });
    const { body } = await deployment.asOperator('/v1/sessions');
    // As the API's own tests hold it.
    const sessions = body['sessions'] as readonly { readonly id: string; readonly principal: string; readonly openedAt: string }[];
    const newest = sessions
      .filter(({ principal }) => principal === 'demo/agent-8')
      .toSorted((a, b) => (a.openedAt < b.openedAt ? 1 : -1))[0];
    const ended = new Promise<number>((resolve) => client.once('end', () => resolve(Date.now())));
    const from = Date.now();
    const end = { method: 'POST', body: JSON.stringify({ reason: 'story' }) };
    expect(await deployment.asOperator(`/v1/sessions/${newest?.id}/end`, end)).toMatchObject({ status: 200 });
    expect((await ended) - from).toBeLessThan(REVOKED_WITHIN_MS);
  });

  test('a cancel that lands on the other task reaches the statement', async () => {
    const client = await deployment.connect(one);
    const from = Date.now();
    const slept = refused(client.query('select pg_sleep(60)'));
    // Both are public facts of the connection that `pg` has no types for.
    const { processID, secretKey } = client as unknown as { readonly processID: number; readonly secretKey: number };
    const request = Buffer.alloc(16);
    for (const [at, value] of [16, 80877102, processID, secretKey].entries()) request.writeInt32BE(value, at * 4);
    await new Promise<void>((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port: two.port }, () => socket.end(request));
      socket.once('close', () => resolve());
      socket.once('error', reject);
    });
    expect(await slept).toMatchObject({ code: '57014' });
    expect(Date.now() - from).toBeLessThan(20_000);
    expect((await client.query('select 1 as still')).rows).toEqual([{ still: 1 }]);
  });

  test('functions out of reach leave live sessions alone and admit no new one', async () => {
    const client = await analyst(one);
    deployment.services.lambda.fail('sallyport-prod-evaluate-policy', 'unreachable');
    try {
      expect((await client.query('select count(*) from customers')).rowCount).toBe(1);
      expect(await refused(deployment.connect(one, { token: await deployment.token({ principal: `new-${randomUUID()}` }) }))).toMatchObject(
        { code: '57P01', message: expect.stringContaining('cannot decide about new sessions') },
      );
    } finally {
      deployment.services.lambda.heal('sallyport-prod-evaluate-policy');
    }
    expect((await (await analyst(two)).query('select 1 as again')).rows).toEqual([{ again: 1 }]);
  });

  test('another bundle reaches live sessions within 5 s', async () => {
    const clients = [await analyst(one), await analyst(two)];
    const read = 'select text from notes';
    for (const client of clients) expect((await client.query(read)).rowCount).toBe(1);
    const forbid = '@id("no-notes") forbid (principal in Group::"demo/analysts", action, resource in Table::"db.public.notes");';
    await deployment.publish({
      ...RULES,
      policies: `${RULES.policies}
${forbid}
`,
    });
    const from = Date.now();
    for (const client of clients) {
      await expect
        .poll(
          () =>
            client.query(read).then(
              () => 'ran',
              (error: { readonly code?: string }) => error.code,
            ),
          { timeout: 10_000 },
        )
        .toBe('ZG010');
    }
    expect(Date.now() - from).toBeLessThan(REVOKED_WITHIN_MS);
    await deployment.publish(RULES);
  });
});

describe('what is left', () => {
  test('no log of a function or a task holds a token, a secret, a masked value or a statement', async () => {
    expect(deployment.lines().length).toBeGreaterThan(100);
    const lines = deployment.lines().join('\n');
    for (const never of [/eyJ[\w-]+\.eyJ/, /123-45-6789/, /update accounts/i, new RegExp(deployment.postgres.password)])
      expect(lines).not.toMatch(never);
  });

  test('tasks that are told to stop drain, and the sealed evidence is intact and complete', async () => {
    expect(await Promise.all([one.stop(), two.stop()])).toEqual([0, 0]);
    await deployment.invoke('sweep');
    await deployment.invoke('seal');
    await deployment.invoke('seal');
    const { status, output } = await deployment.sallyport('verify', deployment.evidence);
    expect([status, output]).toEqual([0, expect.stringMatching(/intact {4}yes[\s\S]*complete {2}yes/)]);
    const copy = await copyEvidence(deployment.evidence.slice('s3://'.length));
    const files = copy.keys.map((key) => readFileSync(join(copy.folder, key), 'latin1'));
    copy.remove();
    expect(copy.keys.filter((key) => key.endsWith('.seg')).length).toBeGreaterThan(10);
    for (const event of ['approval.claimed', 'approval.closed', 'statement.sent', 'checkpoint.signed']) {
      expect([event, files.some((file) => file.includes(`"type":"${event}"`))]).toEqual([event, true]);
    }
    // What the clients saw is there, what they did not see is not.
    expect(files.some((file) => file.includes('***-**-6789'))).toBe(true);
    expect(files.some((file) => file.includes('123-45-6789'))).toBe(false);
  });

  test('no function and no task asked for more than its role grants', () => {
    expect(deployment.refusedByIam).toEqual([]);
  });
});
