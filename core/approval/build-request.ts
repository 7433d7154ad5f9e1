/** What people are asked about one statement, and the digest that binds their answer to it: made where it is held, and made anew where it is stored. */
import { shownParameter } from '../masking/shown-parameter.ts';
import type { DetectorSet } from '../masking/detectors.ts';
import type { Bundle } from '../policy/bundle.ts';
import type { Principal } from '../principal.ts';
import { effectKey, type Effect } from '../statement/effect.ts';
import type { SessionState } from '../statement/sql/session-state.ts';
import type { PostgresTarget } from '../target.ts';
import type { ApprovalRequest } from './approval.ts';
import { executedText, type AskedStatement } from './asked-statement.ts';
import { approvalDigest } from './digest.ts';

export type RequestParts = {
  readonly id: string;
  readonly digest: string;
  readonly statement: AskedStatement;
  readonly principal: Principal;
  readonly session: string;
  readonly target: Pick<PostgresTarget, 'name' | 'database'>;
  readonly bundle: Bundle;
  /** Of the bundle, for this target. */
  readonly detectors: DetectorSet;
  readonly reasonGiven: string;
  readonly nowMs: number;
};

/** The request as people see it. */
export function approvalRequest(parts: RequestParts): ApprovalRequest {
  const { statement, nowMs } = parts;
  const { statements } = statement.judgement;
  const { demand, policies, reason } = statement.verdict;
  const effects = new Map<string, Effect>();
  for (const judged of statements) for (const effect of judged.effects) effects.set(`${effectKey(effect)} ${effect.via ?? ''}`, effect);
  const executes = executedText(statement);
  const hidden = new Set(statements.flatMap((judged) => judged.writes.map((write) => write.parameter)));
  const maskedColumns = [...new Set(statements.flatMap((judged) => judged.facts.maskedColumns))];
  const { issuer, agent, human, owner, groups } = parts.principal;
  return {
    id: parts.id,
    digest: parts.digest,
    principal: { issuer, agent, groups, ...(human === undefined ? {} : { human }), ...(owner === undefined ? {} : { owner }) },
    session: parts.session,
    target: parts.target.name,
    protocol: 'postgres',
    database: parts.target.database,
    text: statement.sql,
    ...(executes === '' ? {} : { executes }),
    parameters: statement.parameters.map((parameter, index) =>
      hidden.has(index + 1) ? '[masked]' : shownParameter(parameter, parts.detectors),
    ),
    effects: [...effects.values()],
    facts: {
      unbounded: statements.some((judged) => judged.facts.unbounded),
      fullExport: statements.some((judged) => judged.facts.fullExport),
      rows: Math.max(-1, ...statements.map((judged) => judged.facts.rows)),
      maskedColumns,
      opaque: statements.some((judged) => judged.facts.opaque),
    },
    maskedColumns,
    demand,
    policies,
    policyReason: reason,
    reasonGiven: parts.reasonGiven,
    bundle: parts.bundle.version,
    requestedAtMs: nowMs,
    expiresAtMs: nowMs + demand.expiresMs,
    ruleAuthors: parts.bundle.policies.authorsOf(policies),
  };
}

/** Binds everything that makes the statement what it is (design §8 "Bound"). */
export function statementDigest(
  key: Uint8Array,
  statement: AskedStatement,
  by: { readonly principal: Principal; readonly target: Pick<PostgresTarget, 'name' | 'database'>; readonly state: SessionState },
): string {
  const executes = executedText(statement);
  const { issuer, agent, human } = by.principal;
  return approvalDigest(key, {
    principal: { issuer, agent, ...(human === undefined ? {} : { human }) },
    target: by.target.name,
    database: by.target.database,
    statement: Buffer.from(statement.sql),
    ...(executes === '' ? {} : { executes: Buffer.from(executes) }),
    parameters: statement.parameters,
    settings: by.state.settings,
    role: by.state.currentUser,
    searchPath: by.state.searchPath,
    reached: statement.judgement.statements.flatMap((judged) => judged.reached),
  });
}
