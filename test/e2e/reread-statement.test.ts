// What a session asks people about is read anew by another process from what goes along: it must find the same, whatever the statement is.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { ApprovalRequest } from '../../core/approval/approval.ts';
import { opaqueExec } from '../../core/statement/host/host-reading.ts';
import { encodeAsk, parseAsk } from '../../core/approval/ask.ts';
import { RequestUnapprovable } from '../../core/approval/gate-errors.ts';
import type { ApprovalGate } from '../../core/approval/gate.ts';
import type { RawSql } from '../../core/approval/raw-statement.ts';
import type { Reread } from '../../core/approval/reread.ts';
import { openCatalog, rereadStatement } from '../../core/approval/reread-statement.ts';
import { buildBundle } from '../../core/config/build-bundle.ts';
import type { Config } from '../../core/config/config.ts';
import { readConfigDirectory } from '../../standalone/config-directory.ts';
import { secretKeys } from '../../standalone/secret-keys.ts';
import { RequestApproval } from '../../lambdas/request-approval/request-approval.ts';
import { AwsApprovals } from '../support/aws-approvals.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { MemoryDynamo } from '../support/memory-dynamo.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';

const POLICIES = `
@id("connect") permit (principal, action == Action::"connect", resource);
@id("read") permit (principal, action in Action::"read", resource);
@id("session") permit (principal, action in [Action::"setParameter", Action::"create"], resource);
@id("write") @approvers("dba") @quorum("1") @hold("20s") @expires("1h") @grant("5m") @reason("Writes need a second person") @author("ruth@bank.example")
permit (principal, action in Action::"write", resource) when { context has approval };
@id("run") @approvers("dba") @quorum("2") @hold("20s") @reason("Code needs two people")
permit (principal, action == Action::"execute", resource) when { context has approval };
`;
const MASKING = `
columns:
  - { target: db, column: public.customers.ssn, method: redact }
patterns:
  - { target: db, detectors: [us-ssn, email] }
`;

let postgres: TestPostgres;
let gateway: TestGateway;
let asked: { readonly request: ApprovalRequest; readonly raw: RawSql }[] = [];
let config: Config;

/** Keeps what it is asked, and refuses it, so that no statement waits. */
const keeping = (gate: ApprovalGate): ApprovalGate => ({
  find: (digest) => gate.find(digest),
  read: (id) => gate.read(id),
  watch: (id, changed) => gate.watch(id, changed),
  claim: (id, by) => gate.claim(id, by),
  withdraw: (id, reason) => gate.withdraw(id, reason),
  settle: (id, outcome) => gate.settle(id, outcome),
  request: async (request, raw) => {
    if (raw.protocol === 'postgres') asked.push({ request, raw });
    throw new RequestUnapprovable('kept');
  },
});

beforeAll(async () => {
  postgres = await startPostgres();
  await postgres.script(`
    CREATE TABLE customers (id int PRIMARY KEY, name text, ssn text, amount numeric, big bigint, picture bytea);
    CREATE TABLE archive (id int, name text);
    CREATE SCHEMA other;
    CREATE TABLE other.customers (id int, name text);
    CREATE FUNCTION tidy(int) RETURNS int LANGUAGE plpgsql AS 'BEGIN DELETE FROM public.archive; RETURN 1; END';
  `);
  gateway = await startGateway(postgres, { policies: POLICIES, masking: MASKING, beforeGate: keeping });
  const reading = await readConfigDirectory(gateway.configDir, { TARGET_PASSWORD: 'x' });
  if ('errors' in reading) throw new Error(JSON.stringify(reading.errors));
  config = reading.config;
});

afterAll(async () => {
  await gateway.stop();
  await postgres.stop();
});

beforeEach(() => {
  asked = [];
});

/** Reads what was asked last as `request-approval` does, from JSON alone; `forge` changes what goes along. */
async function reread(forge: (ask: Record<string, unknown>) => void = () => undefined): Promise<Reread> {
  const last = asked.at(-1);
  const target = config.targets[0];
  if (last === undefined || target?.kind !== 'postgres') throw new Error('nothing was asked');
  const ask: Record<string, unknown> = JSON.parse(encodeAsk(last.request, last.raw));
  forge(ask);
  const parsed = parseAsk(ask);
  if (parsed.protocol !== 'postgres') throw new Error('another protocol was asked for');
  const dump = Buffer.from(await last.raw.catalog.dump()).toString('utf8');
  return rereadStatement(parsed, {
    bundle: buildBundle(config),
    target,
    readable: await openCatalog(dump, parsed.catalogVersion),
    key: secretKeys(gateway.dataDir).digest,
    nowMs: last.request.requestedAtMs,
  });
}

async function expectTheSame(): Promise<void> {
  expect(asked).toHaveLength(1);
  expect(await reread()).toEqual({ kind: 'asks', request: asked[0]?.request });
}

const UPDATE = 'UPDATE customers SET name = name WHERE id = 1';

describe('the same request is made from the raw statement', () => {
  test.each([
    ['a simple write', UPDATE],
    ['a write without a condition', 'DELETE FROM archive'],
    ['several statements in one text', `${UPDATE}; DELETE FROM archive WHERE id = 7`],
    ['a data-modifying CTE', 'WITH gone AS (DELETE FROM archive RETURNING *) SELECT * FROM gone'],
    ['a function with a body that is not read', 'SELECT tidy(1)'],
    ['text outside ASCII and escapes', `UPDATE customers SET name = U&'d\\0061t\\+000061 ü €' WHERE id = 1`],
    ['a COPY', 'COPY archive FROM STDIN'],
  ])('%s', async (_, sql) => {
    const client = await gateway.connect({ groups: ['analysts'], options: `-c sallyport.reason=ticket` });
    await expect(client.query(sql)).rejects.toMatchObject({ code: 'ZG010' });
    await expectTheSame();
  });

  test('parameters of every kind', async () => {
    const client = await gateway.connect({ groups: ['analysts'] });
    const text = 'UPDATE customers SET name = $1, amount = $2, big = $3, picture = $4 WHERE id = $5';
    await expect(client.query(text, ['dana@bank.example', null, '9007199254740993', Buffer.from([0, 255]), 5])).rejects.toMatchObject({
      code: 'ZG010',
    });
    await expectTheSame();
    expect(asked[0]?.request.parameters[0]).not.toContain('dana');
  });

  test('a parameter of a masked column is not shown', async () => {
    const client = await gateway.connect({ groups: ['analysts'] });
    await expect(client.query('INSERT INTO customers (id, ssn) VALUES ($1, $2)', [9, 'a secret'])).rejects.toMatchObject({ code: 'ZG010' });
    await expectTheSame();
    expect(JSON.stringify(asked[0]?.request)).not.toContain('a secret');
  });

  test('PREPARE, and EXECUTE of what was prepared', async () => {
    const client = await gateway.connect({ groups: ['analysts'] });
    await expect(client.query('PREPARE bySql (int) AS DELETE FROM archive WHERE id = $1')).rejects.toMatchObject({ code: 'ZG010' });
    await expectTheSame();
    asked = [];
    // Its Parse went through; its Bind was held.
    const named = { name: 'gone', text: 'DELETE FROM archive WHERE id = $1', values: [1] };
    await expect(client.query(named)).rejects.toMatchObject({ code: 'ZG010' });
    asked = [];
    await expect(client.query('EXECUTE gone (1)')).rejects.toMatchObject({ code: 'ZG010' });
    await expectTheSame();
    expect(asked[0]).toMatchObject({ raw: { prepared: [{ name: 'gone' }] }, request: { executes: named.text } });
  });

  test('in a transaction, with settings, another search_path and temporary tables', async () => {
    const client = await gateway.connect({ groups: ['analysts'] });
    await client.query('SET search_path = other, public');
    await client.query(`SET statement_timeout = '17s'`);
    await client.query('CREATE TEMPORARY TABLE mine (id int, name text)');
    await client.query('BEGIN');
    await expect(client.query('INSERT INTO archive SELECT id, name FROM mine')).rejects.toMatchObject({ code: 'ZG010' });
    await expectTheSame();
    expect(asked[0]?.raw).toMatchObject({ inTransaction: true, state: { tempRelations: [{ name: 'mine' }] } });
    await client.query('ROLLBACK');
  });

  test('with what masking rules were bound to before', async () => {
    const client = await gateway.connect({ groups: ['analysts'] });
    await client.query('SELECT 1');
    await expect(client.query('INSERT INTO customers (id, ssn) VALUES ($1, $2)', [8, 'once more'])).rejects.toMatchObject({
      code: 'ZG010',
    });
    expect(asked[0]?.raw.pinned).toMatchObject([{ rule: { column: 'ssn' } }]);
    await expectTheSame();
  });
});

describe('what is not what its holder says is refused', () => {
  beforeEach(async () => {
    const client = await gateway.connect({ groups: ['analysts'] });
    await expect(client.query(UPDATE)).rejects.toMatchObject({ code: 'ZG010' });
  });
  const raw = (ask: Record<string, unknown>): Record<string, unknown> => {
    const value = ask['raw'];
    if (typeof value !== 'object' || value === null) throw new Error('no raw statement');
    return (ask['raw'] = { ...value });
  };

  test.each<[string, string, (ask: Record<string, unknown>) => void]>([
    ['other text', 'digest', (ask) => (raw(ask)['sql'] = 'UPDATE customers SET name = name WHERE id = 2')],
    ['a harmless text', 'reading', (ask) => (raw(ask)['sql'] = 'SELECT 1')],
    ['a text that is blocked', 'reading', (ask) => (raw(ask)['sql'] = 'DROP TABLE customers')],
    ['a text that nobody can judge', 'reading', (ask) => (raw(ask)['sql'] = 'EXECUTE nothing')],
    ['another digest', 'digest', (ask) => (ask['digest'] = 'e'.repeat(64))],
    ['another person it acts for', 'digest', (ask) => (raw(ask)['principal'] = { ...asked[0]?.raw.principal, human: 'ann@bank.example' })],
    ['another setting', 'digest', (ask) => (raw(ask)['state'] = { ...asked[0]?.raw.state, settings: [['row_security', 'off']] })],
    ['a weaker demand', 'demand', (ask) => (ask['demand'] = { ...asked[0]?.request.demand, quorums: [{ group: 'demo/all', quorum: 1 }] })],
    ['another bundle, under which it reads otherwise', 'bundle', (ask) => ((ask['bundle'] = 'b-0'), (raw(ask)['sql'] = 'SELECT 1'))],
  ])('%s', async (_, what, forge) => {
    expect(await reread(forge)).toMatchObject({ kind: 'differs', what });
  });

  test('another bundle, under which it reads the same, is the bundle in force', async () => {
    expect(await reread((ask) => (ask['bundle'] = 'b-0'))).toMatchObject({ kind: 'asks', request: { bundle: config.version } });
  });

  test('a catalog that is not of its version', async () => {
    await expect(reread((ask) => (ask['catalogVersion'] = 'f'.repeat(64)))).rejects.toMatchObject({ code: 'catalog-dump-unreadable' });
  });

  test('who may not answer is found by the reader, not told by the holder', async () => {
    expect(await reread((ask) => (ask['ruleAuthors'] = []))).toMatchObject({ request: { ruleAuthors: ['ruth@bank.example'] } });
  });
});

describe('request-approval', () => {
  let aws: AwsApprovals;
  let differing: (readonly string[])[];
  let requests: RequestApproval;

  beforeEach(async () => {
    const client = await gateway.connect({ groups: ['analysts'], onBehalfOf: 'alice@bank.example' });
    await expect(client.query(UPDATE)).rejects.toMatchObject({ code: 'ZG010' });
    aws = new AwsApprovals(new MemoryDynamo().client);
    differing = [];
    requests = new RequestApproval({
      ...aws.storing,
      now: () => 77_000,
      inForce: async () => ({ config, bundle: buildBundle(config) }),
      catalog: async (target, version) => {
        const catalog = asked.at(-1)?.raw.catalog;
        return target === 'db' && catalog?.version === version ? Buffer.from(await catalog.dump()).toString('utf8') : undefined;
      },
      readExec: async () => opaqueExec,
      digestKey: async () => secretKeys(gateway.dataDir).digest,
      differs: (id, what) => void differing.push([id, what]),
    });
  });

  const ask = (forge: (ask: Record<string, unknown>) => void = () => undefined) => {
    const last = asked.at(-1);
    if (last === undefined) throw new Error('nothing was asked');
    const event: Record<string, unknown> = JSON.parse(encodeAsk(last.request, last.raw));
    forge(event);
    return requests.ask(event);
  };
  const withPrincipal = (changes: Record<string, unknown>) => (event: Record<string, unknown>) => {
    event['raw'] = { ...JSON.parse(JSON.stringify(event['raw'])), principal: { ...asked.at(-1)?.raw.principal, ...changes } };
  };

  test('keeps the request that it made itself, by its own clock', async () => {
    const request = asked.at(-1)?.request;
    const answer = await ask();
    expect(answer).toEqual({ kind: 'stored', request: { ...request, requestedAtMs: 77_000, expiresAtMs: 77_000 + 3_600_000 } });
    expect((await aws.approval(request?.id ?? ''))?.request).toMatchObject({ text: UPDATE, principal: { human: 'alice@bank.example' } });
    expect([aws.started, differing]).toEqual([[request?.id], []]);
  });

  test.each<[string, Record<string, unknown>]>([
    ['whose owner is left out, so that they may answer', { owner: undefined }],
    ['with another owner', { owner: 'mallory@bank.example' }],
    ['of an issuer that nobody knows', { issuer: 'other' }],
    ['in a group of another issuer', { groups: ['other/dba'] }],
  ])('refuses a principal %s, and says so to operators', async (_, changes) => {
    expect(await ask(withPrincipal(changes))).toMatchObject({ kind: 'unavailable' });
    expect(differing).toEqual([[asked.at(-1)?.request.id, 'principal']]);
    expect(aws.started).toEqual([]);
  });

  test('keeps nothing that it reads otherwise', async () => {
    expect(await ask((event) => (event['digest'] = 'e'.repeat(64)))).toMatchObject({ kind: 'unavailable' });
    expect([await aws.approval(asked.at(-1)?.request.id ?? ''), differing[0]?.[1]]).toEqual([undefined, 'digest']);
  });

  test.each<[string, (event: Record<string, unknown>) => void]>([
    ['a catalog that is not staged', (event) => (event['catalogVersion'] = 'f'.repeat(64))],
    ['a version that is part of a path', (event) => (event['catalogVersion'] = '../../bundles/b-1')],
    ['an id that is none', (event) => (event['id'] = 'open#1')],
    ['another format', (event) => (event['format'] = 'sallyport-ask/2')],
    ['no raw statement', (event) => (event['raw'] = 'DROP TABLE customers')],
  ])('refuses %s by its place', async (_, forge) => {
    await expect(ask(forge)).rejects.toMatchObject({ code: 'field-malformed' });
  });

  test('asks nothing about a target that the bundle does not have', async () => {
    const event = (ask_: Record<string, unknown>) => (ask_['raw'] = { ...JSON.parse(JSON.stringify(ask_['raw'])), target: 'other' });
    expect(await ask(event)).toMatchObject({ kind: 'unavailable' });
  });
});
