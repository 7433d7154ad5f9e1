// Tasks die in the middle of their work: one by SIGKILL under load, one cut off for so long that it is taken for dead and comes
// back. What PostgreSQL executed is held against what the evidence says.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { verifyEvidence, type Verification } from '../../core/evidence/verify.ts';
import { directorySource } from '../../standalone/evidence/directory-source.ts';
import { LOAD, LOAD_TABLE, startLoad, type Load } from '../drills/kill-load.ts';
import { loggedStatements, type LoggedStatement } from '../drills/postgres-log.ts';
import { recordedSessions, type RecordedSessions } from '../drills/recorded-statements.ts';
import { seededRandom } from '../drills/seeded-random.ts';
import { isObject } from '../support/state-machine/json-value.ts';
import { deploy, type Deployment } from './support/deployment.ts';
import { copyEvidence, type EvidenceCopy } from './support/evidence-copy.ts';

const RULES = {
  policies: `
@id("connect") permit (principal, action == Action::"connect", resource);
@id("all") permit (principal in Group::"demo/all", action in Action::"all", resource);
`,
  masking: 'columns: []\npatterns: []\n',
};
const CLIENTS = 4;
const STEPS = 400;
const SEED = 17;
/** A lease lasts 20 s, and the sweeper allows for clocks that differ. */
const FENCED_WITHIN_MS = 60_000;

let deployment: Deployment;
let load: Load;
let opened = 0;
let killed: string;
let frozen: string;
let survivor: string;
/** What happened to each: the survivor's statements during all of it, and the zombie's first one after. */
let served = 0;
let zombie: { readonly code: unknown; readonly exitStatus: number | null };
let listed: number;
let copy: EvidenceCopy;
let verification: Verification;
let recorded: RecordedSessions;
let logged: readonly LoggedStatement[];

beforeAll(async () => {
  deployment = await deploy();
  await deployment.postgres.script(`${LOAD_TABLE} CREATE TABLE kept (id int PRIMARY KEY);`);
  await deployment.publish(RULES);
  const [one, two, three] = await Promise.all([deployment.startTask(), deployment.startTask(), deployment.startTask()]);
  [killed, frozen, survivor] = [one.writer, two.writer, three.writer];
  load = startLoad(CLIENTS, seededRandom(SEED), deployment.authority.ca);
  const token = await deployment.token();

  const steady = await deployment.connect(three);
  const cutOff = await deployment.connect(two);
  await cutOff.query('BEGIN');
  await cutOff.query('INSERT INTO kept VALUES (1)');

  let gone: Promise<void> | undefined;
  opened = await load.until(one.port, token, () => {
    if (load.steps >= STEPS) gone ??= one.kill();
  });
  await gone;
  two.freeze();

  const deadline = Date.now() + FENCED_WITHIN_MS;
  for (let ended = 0; ended < 2 && Date.now() < deadline;) {
    const swept = await deployment.invoke('sweep');
    ended += isObject(swept) ? Number(swept['ended']) : 0;
    await deployment.invoke('seal');
    await steady.query(`SELECT ${(served += 1)} AS served`);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  two.thaw();
  zombie = { code: await failure(cutOff, 'INSERT INTO kept VALUES (2)'), exitStatus: await two.ended };
  await steady.query('SELECT count(*) FROM written');
  await three.stop();
  await deployment.invoke('sweep');
  await deployment.invoke('seal');
  await deployment.invoke('seal');
  const { body } = await deployment.asOperator('/v1/sessions');
  listed = Array.isArray(body['sessions']) ? body['sessions'].length : -1;

  copy = await copyEvidence(deployment.evidence.slice('s3://'.length));
  const source = directorySource(copy.folder);
  [verification, recorded] = [await verifyEvidence(source), await recordedSessions(source)];
  logged = loggedStatements(deployment.postgres.log());
}, 240_000);
afterAll(async () => {
  copy?.remove();
  await deployment?.stop();
});

/** The code of the error with which this statement fails, or what else ends it. */
async function failure(client: Client, sql: string): Promise<unknown> {
  return client.query(sql).then(
    () => 'it ran',
    (error: { readonly code?: string; readonly message: string }) => error.code ?? error.message,
  );
}

/** The mark of a statement, in its text or in a parameter. */
function markOf(text: string, parameters: string): string | undefined {
  return /\/\* (mark \d+) \*\//u.exec(text)?.[1] ?? /\bmark \d+\b/u.exec(parameters)?.[0];
}
const throughGateway = () => logged.filter(({ application }) => application === LOAD);
const sent = () => recorded.statements.filter((statement) => statement.sent);

describe('after a task was killed under load', () => {
  test('every statement that PostgreSQL logged is in the evidence as sent, with its text', () => {
    const evidence = new Map(sent().map((statement) => [markOf(statement.text, statement.parameters.join()), statement]));
    const missing = throughGateway().filter(({ text, parameters }) => {
      const mark = markOf(text, parameters);
      return mark !== undefined && evidence.get(mark)?.text !== text;
    });
    expect(opened).toBe(CLIENTS);
    expect(throughGateway().length).toBeGreaterThan(STEPS / 4);
    expect(missing).toEqual([]);
  });

  test('what clients were told is written is there, and all that is there is in the evidence', async () => {
    const rows = await deployment.postgres.query('SELECT mark FROM written');
    const written = new Set(rows.map(({ mark }) => Number(mark)));
    const marks = new Set(sent().map(({ text, parameters }) => markOf(text, parameters.join())));
    expect([...load.acknowledged].filter((mark) => !written.has(mark))).toEqual([]);
    expect([...written].filter((mark) => !marks.has(`mark ${mark}`))).toEqual([]);
  });

  test('the others went on, and nobody is listed as connected', () => {
    expect(served).toBeGreaterThan(3);
    expect(listed).toBe(0);
  });

  test('the evidence is intact and complete, and names how each session of a dead task ended', () => {
    expect(verification).toMatchObject({ intact: true, complete: true, findings: [], open: [] });
    // Whoever signs goes on.
    expect(verification.openWriters).toEqual([expect.stringMatching(/^sealer-/)]);
    const abnormal = verification.abnormal.map(({ session }) => session);
    expect(abnormal.toSorted()).toEqual([...recorded.unclosed].toSorted());
    // The load's, and the one that was cut off.
    expect(abnormal).toHaveLength(CLIENTS + 1);
    for (const { reason } of verification.abnormal) expect(reason).not.toBe('');
  });

  test('sallyport verify says so, straight from the bucket', async () => {
    const { status, output } = await deployment.sallyport('verify', deployment.evidence);
    expect(output).toContain('intact    yes');
    expect(output).toContain('complete  yes');
    for (const { session } of verification.abnormal) expect(output).toContain(`ended abnormally: ${session} (`);
    expect(status).toBe(0);
  });

  test('each task has a spine of its own, and the dead ones are fenced in it by the sweeper', () => {
    for (const writer of [killed, frozen, survivor]) expect(copy.keys.some((key) => key.startsWith(`writers/${writer}/`))).toBe(true);
    const swept = copy.keys.filter((key) => key.startsWith('writers/sweep-')).map((key) => readFileSync(join(copy.folder, key), 'utf8'));
    const fenced = swept.flatMap((text) => text.split('\n')).filter((line) => line.includes('"type":"writer.fenced"'));
    const named = [killed, frozen, survivor].map((writer) => fenced.some((line) => line.includes(`"writer":"${writer}"`)));
    expect(named).toEqual([true, true, false]);
  });
});

describe('a task that comes back after it was taken for dead', () => {
  test('cannot record, so its statement does not run and it ends', async () => {
    expect(zombie.code).not.toBe('it ran');
    expect(zombie.exitStatus).toBe(1);
    expect(await deployment.postgres.query('SELECT id FROM kept')).toEqual([]);
    expect(deployment.postgres.log()).not.toContain('INSERT INTO kept VALUES (2)');
  });
});
