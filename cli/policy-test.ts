/** `sallyport policy test`: the cases of `tests/*.yaml` against the configuration beside them. */
import { jsonLine } from './json-line.ts';
import { ByteSink } from '../core/masking/byte-sink.ts';
import { cellMask } from '../core/masking/methods.ts';
import type { Config } from '../core/config/config.ts';
import type { DecisionCase, MaskCase } from '../core/config/policy-case.ts';
import type { Decision } from '../core/decision.ts';
import type { Bundle } from '../core/policy/bundle.ts';
import { principalFor } from './principal-argument.ts';
import type { Explainer } from './statement-explainer.ts';
import { EXIT, type VerbIo } from './verb.ts';

type Outcome = { readonly name: string; readonly source: string; readonly problems: readonly string[] };
type Answer = Pick<Decision, 'kind' | 'policies' | 'reason'> & {
  readonly approvers: readonly string[];
  readonly masked?: readonly string[];
};

/** `text` of pg_catalog: masking cases are about text values. */
const TEXT_OID = 25;
/** Stable masks depend on a key: cases see those of this one, which no gateway uses. */
const CASE_KEYS = { hash: Buffer.alloc(32), tokenize: Buffer.alloc(32) };

/** Runs every case. A case that cannot be run has failed: 1. */
export async function runCases(
  config: Config,
  bundle: Bundle,
  explainerOf: (target: string) => Promise<Explainer | undefined>,
  json: boolean,
  io: VerbIo,
): Promise<number> {
  const explainers = new Map<string, Promise<Explainer | undefined>>();
  const explainer = (target: string): Promise<Explainer | undefined> => {
    const known = explainers.get(target) ?? explainerOf(target);
    explainers.set(target, known);
    return known;
  };
  let failed = 0;
  for (const one of config.cases) {
    const problems = one.kind === 'mask' ? maskProblems(one) : await decisionProblems(one, config, bundle, explainer);
    if (problems.length > 0) failed += 1;
    report({ name: one.name, source: one.source, problems }, json, io);
  }
  const count = config.cases.length;
  const summary = { event: 'tested', ok: failed === 0 && count > 0, cases: count, failed, version: bundle.version };
  io.stdout.write(json ? jsonLine(summary) : `${count - failed} of ${count} cases pass under ${bundle.version}\n`);
  if (count === 0) io.stderr.write('there are no cases: write some in tests/NAME.yaml\n');
  return summary.ok ? EXIT.fine : EXIT.findings;
}

async function decisionProblems(
  one: DecisionCase,
  config: Config,
  bundle: Bundle,
  explainerOf: (target: string) => Promise<Explainer | undefined>,
): Promise<readonly string[]> {
  const principal = principalFor(config, one.principal, one.groups, one.human);
  if (one.sql === undefined) {
    const facts = { unbounded: false, fullExport: false, rows: -1, maskedColumns: [], opaque: false, inTransaction: false, ...one.facts };
    const decision = bundle.policies.decide({ principal, target: one.target, effects: one.effects ?? [], facts });
    const demand = decision.kind === 'approve' ? decision.demand : undefined;
    return compare(one, { ...decision, approvers: demand?.quorums.map(({ group }) => group) ?? [] });
  }
  const explain = await explainerOf(one.target);
  if (explain === undefined) return ['a case with SQL needs a catalog: use --live or --catalog FILE'];
  const explained = explain(principal, one.sql, one.facts.inTransaction);
  const approvers = explained.demand?.quorums.map(({ group }) => group) ?? [];
  return compare(one, {
    kind: explained.decision,
    policies: explained.policies,
    reason: explained.reason,
    approvers,
    masked: explained.masked,
  });
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

function report(outcome: Outcome, json: boolean, io: VerbIo): void {
  const { name, source, problems } = outcome;
  if (json) io.stdout.write(jsonLine({ event: 'case', name, source, ok: problems.length === 0, problems }));
  else if (problems.length > 0) io.stdout.write(`FAIL ${source} ${name}\n${problems.map((problem) => `     ${problem}\n`).join('')}`);
}
