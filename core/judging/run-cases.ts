/** Runs the cases of `tests/*.yaml` against the configuration beside them: on a laptop, in CI, and before a bundle comes into force. */
import type { Config } from '../config/config.ts';
import type { DecisionCase, MaskCase, PolicyCase } from '../config/policy-case.ts';
import type { Decision } from '../decision.ts';
import { personKey } from '../identity/person-key.ts';
import { ByteSink } from '../masking/byte-sink.ts';
import { cellMask } from '../masking/methods.ts';
import type { Bundle } from '../policy/bundle.ts';
import type { Principal } from '../principal.ts';
import type { HostExplainer } from './explain-operation.ts';
import type { Explainer, Explanation } from './explain-statement.ts';

export type CaseOutcome = { readonly name: string; readonly source: string; readonly problems: readonly string[] };

type Answer = Pick<Decision, 'kind' | 'policies' | 'reason'> & {
  readonly approvers: readonly string[];
  readonly masked?: readonly string[];
};

/** `text` of pg_catalog: masking cases are about text values. */
const TEXT_OID = 25;
/** Stable masks depend on a key: cases see those of this one, which no gateway uses. */
const CASE_KEYS = { hash: Buffer.alloc(32), tokenize: Buffer.alloc(32) };

/** Whether a case has SQL, whose names mean something only in a catalog. */
export function needsCatalog(one: PolicyCase): boolean {
  return one.kind === 'decision' && one.sql !== undefined;
}

export type CaseExplainers = {
  /** Undefined where there is no catalog of the target. */
  readonly database: (target: string) => Promise<Explainer | undefined>;
  readonly host: (target: string) => Promise<HostExplainer | undefined>;
};

/** One case; a case that cannot be run has a problem. */
export async function runCase(
  one: PolicyCase,
  config: Pick<Config, 'agents'>,
  bundle: Bundle,
  explainers: CaseExplainers,
): Promise<CaseOutcome> {
  const problems = one.kind === 'mask' ? maskProblems(one) : await decisionProblems(one, config, bundle, explainers);
  return { name: one.name, source: one.source, problems };
}

async function decisionProblems(
  one: DecisionCase,
  config: Pick<Config, 'agents'>,
  bundle: Bundle,
  explainers: CaseExplainers,
): Promise<readonly string[]> {
  const principal = namedPrincipal(config, one);
  if (one.command !== undefined) {
    const explain = await explainers.host(one.target);
    if (explain === undefined) return ['a case with a command needs what reads commands'];
    return compareExplained(
      one,
      explain(principal, { command: one.command, ...(one.account === undefined ? {} : { account: one.account }) }),
    );
  }
  if (one.sql === undefined) {
    const facts = { unbounded: false, fullExport: false, rows: -1, maskedColumns: [], opaque: false, inTransaction: false, ...one.facts };
    const decision = bundle.policies.decide({ principal, target: one.target, effects: one.effects ?? [], facts });
    const demand = decision.kind === 'approve' ? decision.demand : undefined;
    return compare(one, { ...decision, approvers: demand?.quorums.map(({ group }) => group) ?? [] });
  }
  const explain = await explainers.database(one.target);
  if (explain === undefined) return ['a case with SQL needs a catalog: use --live or --catalog FILE'];
  return compareExplained(one, explain(principal, one.sql, one.facts.inTransaction));
}

function compareExplained(one: DecisionCase, explained: Explanation): readonly string[] {
  const approvers = explained.demand?.quorums.map(({ group }) => group) ?? [];
  return compare(one, {
    kind: explained.decision,
    policies: explained.policies,
    reason: explained.reason,
    approvers,
    masked: explained.masked,
  });
}

/** Who a principal is by its names alone, as a verified token of it would make it. `principal` is `issuer/agent`. */
export function namedPrincipal(
  config: Pick<Config, 'agents'>,
  named: { readonly principal: string; readonly groups?: readonly string[]; readonly human?: string },
): Principal {
  const { principal: name, groups, human } = named;
  const slash = name.indexOf('/');
  const agent = config.agents.find((one) => one.name === name);
  const bound = agent?.groups ?? (human === undefined ? undefined : []);
  const held =
    groups === undefined ? (agent?.groups ?? []) : bound === undefined ? groups : groups.filter((group) => bound.includes(group));
  return {
    issuer: name.slice(0, slash),
    agent: name.slice(slash + 1),
    ...(human === undefined ? {} : { human: personKey(human) }),
    ...(agent?.owner === undefined ? {} : { owner: agent.owner }),
    groups: [...new Set(held)].sort(),
    expiresAtMs: Number.MAX_SAFE_INTEGER,
  };
}

function compare({ expected }: DecisionCase, answer: Answer): readonly string[] {
  const problems: string[] = [];
  if (answer.kind !== expected.decision) problems.push(`expected ${expected.decision}, got ${answer.kind}: ${answer.reason}`);
  const lists = [
    ['policies', expected.policies, answer.policies],
    ['approvers', expected.approvers, answer.approvers],
    ['masked', expected.masked, answer.masked ?? []],
  ] as const;
  for (const [what, wanted, got] of lists) {
    if (wanted !== undefined && wanted.toSorted().join() !== got.toSorted().join()) {
      problems.push(`expected ${what} [${wanted.join(', ')}], got [${got.join(', ')}]`);
    }
  }
  return problems;
}

function maskProblems(one: MaskCase): readonly string[] {
  const mask = cellMask({ method: one.method, notNull: false }, { typeOid: TEXT_OID, typmod: -1, format: 0 }, CASE_KEYS);
  const masked = mask.kind === 'constant' ? (mask.bytes?.toString('utf8') ?? 'NULL') : computed(mask.append, one.value);
  return masked === one.masked ? [] : [`expected ${JSON.stringify(one.masked)}, got ${JSON.stringify(masked)}`];
}

function computed(append: (source: Buffer, start: number, end: number, sink: ByteSink) => void, value: string): string {
  const source = Buffer.from(value, 'utf8');
  const sink = new ByteSink(1024);
  append(source, 0, source.length, sink);
  return sink.content().toString('utf8');
}
