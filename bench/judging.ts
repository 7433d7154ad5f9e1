/** The judge alone, without sockets: a statement it has met, and one it has not. */
import { buildBundle } from '../core/config/build-bundle.ts';
import { readConfig } from '../core/config/read-config.ts';
import { principalName, type Principal } from '../core/principal.ts';
import { findDatabase } from '../core/target.ts';
import { loadParser } from '../core/statement/sql/parse.ts';
import { readSql } from '../core/statement/sql/read-sql.ts';
import { safeFunctionsOf } from '../core/statement/sql/safe-functions.ts';
import { catalogOf } from '../core/statement/sql/catalog-dump.ts';
import { readLiveCatalog } from '../cli/live-catalog.ts';
import { StatementJudge, type NameLookup } from '../core/judging/authorize.ts';
import { FULL_EXPORT_ROWS, masksOf, viewOf } from '../core/judging/view.ts';
import { readConfigFiles } from '../standalone/config-directory.ts';
import { spreadOf } from './statistics.ts';

const CACHED_CALLS = 2_000_000;
const NEW_STATEMENTS = 3_000;
const NO_NAMES: NameLookup = { prepared: () => ({ kind: 'unknown' }), cursor: () => undefined };

export type JudgingSpeed = { readonly cachedPerSecond: number; readonly newP50Us: number };

/** Judges under the configuration in `configDir`, on the real catalog of one of its targets. */
export async function measureJudging(configDir: string, targetName: string, env: Readonly<Record<string, string>>): Promise<JudgingSpeed> {
  const reading = readConfig(await readConfigFiles(configDir), env);
  if ('errors' in reading) throw new Error(`the configuration of the benchmark does not hold: ${JSON.stringify(reading.errors)}`);
  const target = findDatabase(reading.config.targets, targetName);
  if (target === undefined) throw new Error(`no target ${targetName}`);
  const bundle = buildBundle(reading.config);
  const { major, catalog, state } = catalogOf(await readLiveCatalog(target, env));
  const principal: Principal = { issuer: 'bench', agent: 'bench', groups: ['bench/readers'], expiresAtMs: Number.MAX_SAFE_INTEGER };
  const masks = masksOf(bundle, catalog, target.name);
  const view = viewOf({ principal, target: target.name, bundle, catalog, state, masks, isSafe: safeFunctionsOf(catalog) });
  const judge = new StatementJudge({ parser: await loadParser(major), readSql, fullExportRows: FULL_EXPORT_ROWS }, view);
  const permitted = (sql: string): boolean => {
    const judgement = judge.judge(sql, false, false, NO_NAMES);
    return judgement.kind === 'judged' && judgement.verdict.kind === 'permit';
  };

  const known = 'SELECT abalance FROM pgbench_accounts WHERE aid = $1';
  if (!permitted(known)) throw new Error(`${principalName(principal)} may not run what the benchmark runs`);
  let startedAt = performance.now();
  // From bytes each time, as on the wire: a string that is kept would bring its hash along and cost nothing to look up.
  const bytes = Buffer.from(known);
  for (let i = 0; i < CACHED_CALLS; i += 1) permitted(bytes.toString('utf8'));
  const cachedPerSecond = CACHED_CALLS / ((performance.now() - startedAt) / 1000);

  const microseconds: number[] = [];
  for (let i = 0; i < NEW_STATEMENTS; i += 1) {
    const sql = `SELECT abalance FROM pgbench_accounts WHERE aid = ${i}`;
    startedAt = performance.now();
    permitted(sql);
    microseconds.push((performance.now() - startedAt) * 1000);
  }
  return { cachedPerSecond, newP50Us: spreadOf(microseconds.slice(NEW_STATEMENTS / 3)).median };
}
