/** `sallyport policy test`: the cases of `tests/*.yaml` against the configuration beside them. */
import { jsonLine } from './json-line.ts';
import type { Config } from '../core/config/config.ts';
import { runCase, type CaseExplainers, type CaseOutcome } from '../core/judging/run-cases.ts';
import type { Bundle } from '../core/policy/bundle.ts';
import { EXIT, type VerbIo } from './verb.ts';

/** Runs every case. A case that cannot be run has failed: 1. */
export async function runCases(config: Config, bundle: Bundle, explainersOf: CaseExplainers, json: boolean, io: VerbIo): Promise<number> {
  const explainers: CaseExplainers = { database: once(explainersOf.database), host: once(explainersOf.host) };
  let failed = 0;
  for (const one of config.cases) {
    const outcome = await runCase(one, config, bundle, explainers);
    if (outcome.problems.length > 0) failed += 1;
    report(outcome, json, io);
  }
  const count = config.cases.length;
  const summary = { event: 'tested', ok: failed === 0 && count > 0, cases: count, failed, version: bundle.version };
  io.stdout.write(json ? jsonLine(summary) : `${count - failed} of ${count} cases pass under ${bundle.version}\n`);
  if (count === 0) io.stderr.write('there are no cases: write some in tests/NAME.yaml\n');
  return summary.ok ? EXIT.fine : EXIT.findings;
}

/** A catalog is read once for all cases of its target. */
function once<T>(make: (target: string) => Promise<T>): (target: string) => Promise<T> {
  const made = new Map<string, Promise<T>>();
  return (target) => {
    const known = made.get(target) ?? make(target);
    made.set(target, known);
    return known;
  };
}

function report(outcome: CaseOutcome, json: boolean, io: VerbIo): void {
  const { name, source, problems } = outcome;
  if (json) io.stdout.write(jsonLine({ event: 'case', name, source, ok: problems.length === 0, problems }));
  else if (problems.length > 0) io.stdout.write(`FAIL ${source} ${name}\n${problems.map((problem) => `     ${problem}\n`).join('')}`);
}
