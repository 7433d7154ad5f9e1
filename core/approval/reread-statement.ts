/**
 * Reads and judges a held statement anew from its raw text, against a catalog that proves its own version: what people are asked
 * does not rest on what the session that holds it says of it (design §6).
 */
import { detectorsOn } from '../masking/target-detectors.ts';
import type { Bundle } from '../policy/bundle.ts';
import { canonicalJson } from '../evidence/canonical-json.ts';
import { StatementJudge, type NameLookup } from '../judging/authorize.ts';
import { FULL_EXPORT_ROWS, masksOf, viewOf } from '../judging/view.ts';
import { buildCatalog } from '../statement/sql/catalog-build.ts';
import { CatalogDumpUnreadable, parseDump } from '../statement/sql/catalog-dump.ts';
import type { Catalog, Oid } from '../statement/sql/catalog.ts';
import { materializedLineage } from '../statement/sql/materialized-lineage.ts';
import { loadParser, type SqlParser } from '../statement/sql/parse.ts';
import { readSql } from '../statement/sql/read-sql.ts';
import { safeFunctionsOf } from '../statement/sql/safe-functions.ts';
import type { PostgresTarget } from '../target.ts';
import type { SqlAsk } from './ask.ts';
import { approvalRequest, statementDigest } from './build-request.ts';
import { differing, type Reread } from './reread.ts';

/** A catalog with what reads statements against it. */
export type ReadableTarget = { readonly catalog: Catalog; readonly parser: SqlParser; readonly isSafe: (oid: Oid) => boolean };

/** Opens a dumped catalog. Throws CatalogDumpUnreadable, SnapshotMalformed; the first too where it is not of the version asked for. */
export async function openCatalog(text: string, version: string): Promise<ReadableTarget> {
  const { major, rows } = parseDump(text);
  const { catalog, complete } = buildCatalog(major, rows);
  if (catalog.version !== version || !complete) throw new CatalogDumpUnreadable(`the stored catalog is not of the version ${version}`);
  return { catalog, parser: await loadParser(major), isSafe: safeFunctionsOf(catalog) };
}

/** Throws TargetClosed where masking rules do not resolve. */
export function rereadStatement(
  ask: SqlAsk,
  parts: {
    readonly bundle: Bundle;
    readonly target: PostgresTarget;
    readonly readable: ReadableTarget;
    /** Keys the digests of requests. */
    readonly key: Uint8Array;
    readonly nowMs: number;
  },
): Reread {
  const { bundle, target, readable } = parts;
  const { catalog, parser, isSafe } = readable;
  const { raw } = ask;
  const differs = differing(ask, bundle);
  const masks = masksOf(bundle, catalog, target.name, materializedLineage(parser, catalog, isSafe), raw.pinned);
  const { principal, state } = raw;
  const view = viewOf({ principal, target: target.name, bundle, catalog, state, masks, isSafe });
  const judge = new StatementJudge({ parser, readSql, fullExportRows: FULL_EXPORT_ROWS }, view);
  const names: NameLookup = {
    prepared: (name) => {
      const body = raw.prepared.find((one) => one.name === name);
      return body === undefined ? { kind: 'unknown' } : { kind: 'known', body };
    },
    // Columns of a cursor's rows matter where rows are released; no verdict rests on them.
    cursor: () => undefined,
  };
  const judgement = judge.judgePrepared({ text: raw.sql, fromSql: raw.fromSql }, raw.inTransaction, raw.unsettled, names);
  if (judgement.kind !== 'judged') return differs('reading', 'the statement cannot be judged');
  const { verdict } = judgement;
  if (verdict.kind !== 'approve') return differs('reading', `the statement is judged as ${verdict.kind}`);
  const statement = { sql: raw.sql, judgement, verdict, parameters: raw.parameters };
  const digest = statementDigest(parts.key, statement, { principal, target, state });
  if (digest !== ask.digest) return differs('digest', 'the digest is not that of the statement');
  if (canonicalJson([verdict.demand, verdict.policies]) !== canonicalJson([ask.demand, ask.policies]))
    return differs('demand', 'the statement demands another approval');
  const { session, reasonGiven } = raw;
  const detectors = detectorsOn(target, bundle);
  const request = approvalRequest({
    id: ask.id,
    digest,
    statement,
    principal,
    session,
    target,
    bundle,
    detectors,
    reasonGiven,
    nowMs: parts.nowMs,
  });
  return { kind: 'asks', request };
}
