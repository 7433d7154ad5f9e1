import { randomInt } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { CATALOG_FINGERPRINT } from '../../core/statement/sql/catalog-fingerprint.ts';
import { stateQuery } from '../../core/statement/sql/state-query.ts';
import { LOAD } from './kill-load.ts';
import { killNine, type Drill } from './kill-nine.ts';

const KILLS = 20;
const SEED = Number(process.env['SALLYPORT_DRILL_SEED'] ?? randomInt(1_000_000));

let drill: Drill;

beforeAll(async () => {
  // The seed is what makes a failure repeatable: SALLYPORT_DRILL_SEED.
  drill = await killNine(KILLS, SEED, (line) => process.stdout.write(`${line}\n`));
}, 300_000);

/** The mark of a statement, in its text or in a parameter. */
function markOf(text: string, parameters: string): string | undefined {
  return /\/\* (mark \d+) \*\//u.exec(text)?.[1] ?? /\bmark \d+\b/u.exec(parameters)?.[0];
}

const throughGateway = () => drill.logged.filter(({ application }) => application === LOAD);
const sent = () => drill.recorded.statements.filter((statement) => statement.sent);

describe(`after ${KILLS} times kill -9 in the middle of reads and writes, seed ${SEED}`, () => {
  test('every kill met sessions, and the load did its work', () => {
    expect(drill.openAtKill).toHaveLength(KILLS);
    expect(drill.openAtKill.reduce((sum, open) => sum + open, 0)).toBeGreaterThan(KILLS * 3);
    expect(throughGateway().length).toBeGreaterThan(500);
    for (const kind of ['INSERT INTO written VALUES ($1, $2)', 'split_part($1', 'pg_sleep', 'COMMIT', 'SELECT count(*)'])
      expect(throughGateway().some(({ text }) => text.includes(kind))).toBe(true);
  });

  test('every statement that PostgreSQL logged is in the evidence as sent, with its text', () => {
    const evidence = new Map(sent().map((statement) => [markOf(statement.text, statement.parameters.join()), statement]));
    const missing = throughGateway().filter(({ text, parameters }) => {
      const mark = markOf(text, parameters);
      return mark !== undefined && evidence.get(mark)?.text !== text;
    });
    expect(missing).toEqual([]);
  });

  test('and nothing else came through: what has no mark is what the gateway itself asks, or was approved', () => {
    const own = new Set([stateQuery(), CATALOG_FINGERPRINT]);
    const others = throughGateway().filter(({ text, parameters }) => markOf(text, parameters) === undefined && !own.has(text));
    expect(others.map(({ text }) => text)).toEqual(["UPDATE approved SET v = v || '!' WHERE id = 1"]);
  });

  test('no statement was sent twice, and few were sent that PostgreSQL did not get to', () => {
    const logged = throughGateway().flatMap(({ text, parameters }) => markOf(text, parameters) ?? []);
    expect(new Set(logged).size).toBe(logged.length);
    const marks = sent().flatMap(({ text, parameters }) => markOf(text, parameters.join()) ?? []);
    expect(new Set(marks).size).toBe(marks.length);
    // Each client waits for its answer before it goes on, so one statement a client can have been under way.
    const unknown = marks.filter((mark) => !logged.includes(mark));
    expect(unknown.length).toBeLessThanOrEqual(drill.openAtKill.reduce((sum, open) => sum + open, 0));
  });

  test('what clients were told is written is there, and all that is there is in the evidence', () => {
    const written = new Set(drill.written);
    expect([...drill.acknowledged].filter((mark) => !written.has(mark))).toEqual([]);
    const marks = new Set(sent().map(({ text, parameters }) => markOf(text, parameters.join())));
    expect(drill.written.filter((mark) => !marks.has(`mark ${mark}`))).toEqual([]);
  });

  test('verify says intact and complete, nothing is open, and each killed session is named as ended abnormally', () => {
    const { verification, recorded, openAtKill, exitStatus } = drill;
    expect(verification).toMatchObject({ intact: true, complete: true, findings: [], open: [], openWriters: [], writers: KILLS + 1 });
    expect(verification.newestCheckpoint).toBeDefined();
    const abnormal = verification.abnormal.map(({ session }) => session);
    expect(abnormal.toSorted()).toEqual([...recorded.unclosed].toSorted());
    expect(abnormal.length).toBeGreaterThanOrEqual(openAtKill.reduce((sum, open) => sum + open, 0));
    for (const { reason } of verification.abnormal) expect(reason).not.toBe('');
    expect(exitStatus).toBe(0);
    const { status, output } = drill.verify;
    expect(status).toBe(0);
    expect(output).toContain('intact    yes');
    expect(output).toContain('complete  yes');
    for (const session of abnormal) expect(output).toContain(`ended abnormally: ${session} (`);
  });

  test('a request that waited for people across kills still waits, can be approved, and its statement runs once', () => {
    const { idBefore, idAfter, answered, rowCount, rows } = drill.approval;
    expect(idAfter).toBe(idBefore);
    expect({ answered, rowCount, rows }).toEqual({ answered: 200, rowCount: 1, rows: [{ v: 'v!' }] });
  });
});
