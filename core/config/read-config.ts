/** The configuration directory as a whole: every file read and checked together, or every reason why not. */
import { createHash } from 'node:crypto';
import { canonicalJson } from '../evidence/canonical-json.ts';
import type { PatternRule } from '../masking/rules.ts';
import { readPolicies } from '../policy/read-policies.ts';
import { readCasesFile } from './cases-file.ts';
import type { ConfigError } from './config-error.ts';
import type { Config } from './config.ts';
import { readMaskingFile } from './masking-file.ts';
import type { PolicyCase } from './policy-case.ts';
import { readSallyportFile } from './sallyport-file.ts';

/** Either the configuration, or at least one error. Errors are sorted by file, line and column. */
export type ConfigReading = { readonly config: Config } | { readonly errors: readonly ConfigError[] };

export const MAIN_FILE = 'sallyport.yaml';
export const MASKING_FILE = 'masking.yaml';
/** Files that people keep beside a configuration and that carry no rule. */
const IGNORED = /^(?:.*\/)?(?:README\.md|\.[^/]*)$|\.(?:cedarschema|schema\.json|catalog\.json)$/;

/**
 * Reads a configuration from its files (path below the directory, with forward slashes → text). `environment` is what
 * `${NAME}` in sallyport.yaml stands for; an unknown name is an error. A file that has no place is an error too: a policy
 * that nobody reads would be a rule that nobody enforces.
 */
export function readConfig(files: ReadonlyMap<string, string>, environment: Readonly<Record<string, string | undefined>>): ConfigReading {
  const errors: ConfigError[] = [];
  const paths = [...files.keys()].sort().filter((path) => !carriesNoRule(path));
  for (const path of paths) if (!hasPlace(path)) errors.push(atStart(path, 'the file has no place in a configuration', PLACES));
  const text = (path: string): string | undefined => files.get(path)?.replaceAll('\r\n', '\n');

  const mainText = text(MAIN_FILE);
  if (mainText === undefined)
    return { errors: [atStart(MAIN_FILE, 'the file is missing', 'create it, or name the right directory with --config'), ...errors] };
  const { main, content, errors: mainErrors } = readSallyportFile(MAIN_FILE, mainText, environment);
  errors.push(...mainErrors);
  // Without targets and issuers everything else would be full of follow-up errors.
  if (main === undefined) return { errors: sorted(errors) };
  const targets = new Set(main.targets.map((target) => target.name));
  const hosts = new Set(main.targets.filter(({ kind }) => kind === 'ssh').map((target) => target.name));
  const issuers = new Set(main.issuers.map((issuer) => issuer.name));

  const policyTexts = new Map(paths.filter(isPolicy).map((path) => [path, text(path) ?? '']));
  const lookUp = (name: string): string | undefined => {
    const slash = name.indexOf('/');
    return slash > 0 && issuers.has(name.slice(0, slash)) ? name : main.approverGroups.get(name);
  };
  const { policies, errors: policyErrors } = readPolicies(policyTexts, lookUp, { targets, hosts, issuers });
  errors.push(...policyErrors);
  if (policies.length === 0 && policyErrors.length === 0) {
    errors.push(atStart('policies', 'there is no policy, so that nothing would be permitted', 'write one in policies/NAME.cedar'));
  }

  const masking = readMaskingFile(MASKING_FILE, text(MASKING_FILE) ?? '', targets, hosts);
  errors.push(...masking.errors);

  const cases: PolicyCase[] = [];
  const caseContents: [string, unknown][] = [];
  for (const path of paths.filter(isCases)) {
    const read = readCasesFile(path, text(path) ?? '', { targets, hosts, issuers });
    cases.push(...read.cases);
    caseContents.push([path, read.content]);
    errors.push(...read.errors);
  }
  if (errors.length > 0) return { errors: sorted(errors) };

  const whole = { main: content, masking: masking.content, policies: [...policyTexts], cases: caseContents };
  const version = `b-${createHash('sha256').update(canonicalJson(whole)).digest('hex').slice(0, 16)}`;
  const detecting = main.targets.map((target) => ({ ...target, detectors: detectorsOf(target.name, masking.patterns) }));
  return { config: { ...main, targets: detecting, version, policies, masks: masking.masks, patterns: masking.patterns, cases } };
}

/** Whether a file is for people or editors only; it is no part of a bundle. */
export function carriesNoRule(path: string): boolean {
  return IGNORED.test(path);
}

const PLACES = `move it to ${MAIN_FILE}, ${MASKING_FILE}, policies/NAME.cedar or tests/NAME.yaml, or out of the directory`;

function isPolicy(path: string): boolean {
  return /^policies\/[^/]+\.cedar$/.test(path);
}

function isCases(path: string): boolean {
  return /^tests\/[^/]+\.yaml$/.test(path);
}

function hasPlace(path: string): boolean {
  return path === MAIN_FILE || path === MASKING_FILE || isPolicy(path) || isCases(path);
}

function detectorsOf(target: string, patterns: readonly PatternRule[]): readonly string[] {
  return [...new Set(patterns.filter((rule) => rule.target === target).flatMap((rule) => rule.detectors))].sort();
}

function atStart(file: string, message: string, fix: string): ConfigError {
  return { file, line: 1, column: 1, message, fix };
}

function sorted(errors: readonly ConfigError[]): readonly ConfigError[] {
  return errors.toSorted((a, b) => (a.file === b.file ? a.line - b.line || a.column - b.column : a.file < b.file ? -1 : 1));
}
