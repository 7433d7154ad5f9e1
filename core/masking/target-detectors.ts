import type { Bundle } from '../policy/bundle.ts';
import type { PostgresTarget } from '../target.ts';
import { compileDetectors, type DetectorSet } from './detectors.ts';

/** The detectors that a bundle sets on a target. Throws BadDetector, which a checked configuration never does. */
export function detectorsOn(target: Pick<PostgresTarget, 'name' | 'detectors'>, bundle: Bundle): DetectorSet {
  const rules = bundle.patterns.filter((rule) => rule.target === target.name);
  const names = [...new Set([...target.detectors, ...rules.flatMap((rule) => rule.detectors)])];
  return compileDetectors(
    names,
    rules.flatMap((rule) => rule.expressions),
  );
}
