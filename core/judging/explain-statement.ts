/** Explains statements without running them, by the same reading and the same judge as the wire. */
import type { ApprovalDemand } from '../decision.ts';
import type { Bundle } from '../policy/bundle.ts';
import { explainPermit } from '../policy/explain.ts';
import type { Principal } from '../principal.ts';
import { effectKey, resourceName, type Action, type Effect, type Resource } from '../statement/effect.ts';
import type { ColumnKey } from '../statement/sql/catalog.ts';
import { loadParser } from '../statement/sql/parse.ts';
import { materializedLineage } from '../statement/sql/materialized-lineage.ts';
import { readSql } from '../statement/sql/read-sql.ts';
import { safeFunctionsOf } from '../statement/sql/safe-functions.ts';
import { StatementJudge, type JudgedStatement, type NameLookup, type TextJudgement } from './authorize.ts';
import { FULL_EXPORT_ROWS, masksOf, viewOf } from './view.ts';
import type { CatalogAndState } from '../statement/sql/catalog-dump.ts';

/** One answer of `policy explain`, without its id. */
export type Explanation = {
  readonly decision: 'permit' | 'approve' | 'block';
  /** The SQLSTATE that the client would get; absent for a permit. */
  readonly code?: 'ZG001' | 'ZG010' | 'ZG013' | 'ZG014';
  readonly effects: readonly {
    readonly action: Action;
    readonly type: Resource['type'];
    readonly resource: string;
    readonly via?: string;
  }[];
  readonly facts: {
    readonly unbounded: boolean;
    readonly fullExport: boolean;
    readonly rows: number;
    readonly maskedColumns: readonly string[];
    readonly opaque: boolean;
    readonly inTransaction: boolean;
  };
  /** Columns whose values would come back masked. */
  readonly masked: readonly string[];
  readonly policies: readonly string[];
  readonly reason: string;
  /** What an approval would need. */
  readonly demand?: ApprovalDemand;
  /** Of a host, which was not asked: a link there could lead elsewhere than its name says. */
  readonly paths?: 'as-written';
};

export type Explainer = (principal: Principal, sql: string, inTransaction?: boolean) => Explanation;

/** Every statement is explained as the first of its session: nothing is prepared or declared yet. */
const NO_NAMES: NameLookup = { prepared: () => ({ kind: 'unknown' }), cursor: () => undefined };

/** Prepares explanations on one target. Throws TargetClosed. */
export async function createExplainer(bundle: Bundle, target: string, { major, catalog, state }: CatalogAndState): Promise<Explainer> {
  const isSafe = safeFunctionsOf(catalog);
  const parser = await loadParser(major);
  const masks = masksOf(bundle, catalog, target, materializedLineage(parser, catalog, isSafe));
  return (principal, sql, inTransaction = false) => {
    const view = viewOf({ principal, target, bundle, catalog, state, masks, isSafe });
    const { revealed } = view;
    const judge = new StatementJudge({ parser, readSql, fullExportRows: FULL_EXPORT_ROWS }, view);
    const judgement = judge.judge(sql, inTransaction, false, NO_NAMES);
    const columnName = (key: ColumnKey): string | undefined => (revealed.has(key) ? undefined : masks.get(key)?.columnName);
    return explanation(target, judgement, inTransaction, columnName);
  };
}

function explanation(
  target: string,
  judgement: TextJudgement,
  inTransaction: boolean,
  columnName: (key: ColumnKey) => string | undefined,
): Explanation {
  const statements = judgement.kind === 'judged' ? judgement.statements : [];
  const effects = new Map(statements.flatMap((one) => one.effects).map((effect) => [effectKey(effect), effect]));
  const outputs = statements.flatMap((one) => one.output ?? []).flatMap((column) => column.sensitive);
  const about = {
    effects: [...effects.values()].map((effect) => named(target, effect)),
    facts: joinFacts(statements, inTransaction),
    masked: [...new Set(outputs.flatMap((key) => columnName(key) ?? []))].sort(),
  };
  if (judgement.kind === 'unconfirmed') throw new Error('a name without a session cannot wait for its confirmation');
  const verdict = judgement.kind === 'judged' ? judgement.verdict : judgement;
  switch (verdict.kind) {
    case 'permit': {
      // The whole text's verdict names no policies when every statement has its own.
      const policies = [...new Set(statements.flatMap((one) => ('policies' in one.verdict ? one.verdict.policies : [])))].sort();
      return { decision: 'permit', ...about, policies, reason: explainPermit(policies) };
    }
    case 'approve':
      return { decision: 'approve', code: 'ZG001', ...about, policies: verdict.policies, reason: verdict.reason, demand: verdict.demand };
    case 'block':
      return { decision: 'block', code: 'ZG010', ...about, policies: verdict.policies, reason: verdict.reason };
    case 'misuse':
      return { decision: 'block', code: 'ZG013', ...about, policies: [], reason: verdict.reason };
    case 'unjudgeable':
      return { decision: 'block', code: 'ZG014', ...about, policies: [], reason: verdict.reason };
  }
}

function named(target: string, { action, resource, via }: Effect): Explanation['effects'][number] {
  return { action, type: resource.type, resource: resourceName(target, resource), ...(via === undefined ? {} : { via }) };
}

function joinFacts(statements: readonly JudgedStatement[], inTransaction: boolean): Explanation['facts'] {
  const facts = statements.map((one) => one.facts);
  return {
    unbounded: facts.some((one) => one.unbounded),
    fullExport: facts.some((one) => one.fullExport),
    rows: Math.max(-1, ...facts.map((one) => one.rows)),
    maskedColumns: [...new Set(facts.flatMap((one) => one.maskedColumns))].sort(),
    opaque: facts.some((one) => one.opaque),
    inTransaction,
  };
}
