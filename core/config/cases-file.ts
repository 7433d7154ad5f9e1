/** `tests/*.yaml`: policy and masking cases. */
import { ACTIONS, HOST_RESOURCE_TYPES, RESOURCE_TYPES, type Action, type Effect } from '../statement/effect.ts';
import type { KnownNames } from '../policy/check-policy.ts';
import { isWellFormed, parseResourceName, splitResourceName } from '../policy/resource-id.ts';
import type { ConfigError } from './config-error.ts';
import { readMethod, type MethodFile } from './masking-file.ts';
import type { DecisionCase, MaskCase, PolicyCase } from './policy-case.ts';
import { compileSchema } from './schema-check.ts';
import testsSchema from './tests.schema.json' with { type: 'json' };
import { readYaml, type Refuse, type YamlPath } from './yaml-file.ts';

type CaseFile = {
  readonly name: string;
  readonly principal?: string;
  readonly groups?: readonly string[];
  readonly human?: string;
  readonly target?: string;
  readonly sql?: string;
  readonly command?: string;
  readonly account?: string;
  readonly params?: readonly (string | number | boolean | null)[];
  readonly effects?: readonly string[];
  readonly facts?: DecisionCase['facts'];
  readonly decision?: 'permit' | 'approve' | 'block';
  readonly policies?: readonly string[];
  readonly approvers?: readonly string[];
  readonly masked?: readonly string[] | string;
  readonly mask?: MethodFile;
  readonly value?: string;
};

const check = compileSchema(testsSchema);

/** Reads one file of cases. A case that tests nothing is an error. */
export function readCasesFile(
  file: string,
  text: string,
  known: KnownNames,
): { readonly cases: readonly PolicyCase[]; readonly content?: unknown; readonly errors: readonly ConfigError[] } {
  const yaml = readYaml(file, text, check);
  if (yaml.errors.length > 0) return { cases: [], errors: yaml.errors };
  // The schema has just accepted the value, and `CaseFile` is the schema in TypeScript's words.
  const raw = yaml.value as { readonly cases: readonly CaseFile[] };
  const cases = raw.cases.map((one, i) => {
    const path = ['cases', i];
    const source = yaml.source(path);
    return one.mask === undefined
      ? decisionCase(one, source, known, path, yaml.refuse)
      : maskCase(one, one.mask, source, path, yaml.refuse);
  });
  return yaml.errors.length > 0 ? { cases: [], errors: yaml.errors } : { cases, content: yaml.value, errors: [] };
}

/** `update Table public.accounts`, `connect Target`, `writeFile File /srv/app/config`: an effect on one target, or undefined. */
export function parseEffect(text: string): Effect | undefined {
  const [actionName, typeName, name, ...more] = text.trim().split(/ +/);
  const action = ACTIONS.find((one): one is Action => one === actionName);
  const type = RESOURCE_TYPES.find((one) => one === typeName);
  if (action === undefined || type === undefined) return undefined;
  if (HOST_RESOURCE_TYPES.has(type)) {
    // Names of files may have spaces; those of the target's own name stand before a colon.
    const found = parseResourceName(type, `target:${[name ?? '', ...more].join(' ')}`);
    return found === undefined ? undefined : { action, resource: found.resource };
  }
  if (more.length > 0) return undefined;
  const path = name === undefined ? [] : splitResourceName(name);
  const resource = path === undefined ? undefined : { type, path };
  return resource !== undefined && isWellFormed(resource) ? { action, resource } : undefined;
}

function decisionCase(raw: CaseFile, source: string, known: KnownNames, path: YamlPath, refuse: Refuse): DecisionCase {
  const { principal = '', target = '', decision = 'block' } = raw;
  const { targets, issuers } = known;
  for (const name of [raw.principal ?? [], raw.groups ?? []].flat()) {
    if (!issuers.has(name.slice(0, name.indexOf('/')))) {
      refuse(path, `\`${name}\` is of no configured issuer`, `start it with one of ${[...issuers].map((one) => `${one}/`).join(', ')}`);
    }
  }
  for (const key of ['principal', 'target', 'decision'] as const) {
    if (raw[key] === undefined) refuse(path, `the case has no \`${key}\``, `add \`${key}\`, or \`mask\` for a masking case`);
  }
  if (raw.target !== undefined && !targets.has(target))
    refuse([...path, 'target'], `there is no target \`${target}\``, `use one of ${[...targets].join(', ')}`);
  const given = [raw.sql, raw.command, raw.effects].filter((each) => each !== undefined);
  if (given.length !== 1) refuse(path, 'the case needs one of `sql`, `command` and `effects`', 'give one of them');
  const isHost = known.hosts?.has(target) === true;
  if (isHost ? raw.sql !== undefined : raw.command !== undefined) {
    const [key, kind] = isHost ? ['sql', 'a host'] : ['command', 'a database'];
    refuse([...path, key], `\`${target}\` is ${kind}`, isHost ? 'write `command`' : 'write `sql`');
  }
  if (raw.account !== undefined && raw.command === undefined)
    refuse([...path, 'account'], '`account` says who runs a `command`', 'remove it, or write it among the `facts`');
  if (raw.value !== undefined) refuse([...path, 'value'], '`value` belongs to a masking case', 'remove it, or add `mask`');
  if (raw.masked !== undefined && raw.sql === undefined)
    refuse([...path, 'masked'], '`masked` needs `sql`: effects alone return no columns', 'remove it');
  if (typeof raw.masked === 'string') refuse([...path, 'masked'], '`masked` lists the masked columns of the output', 'write a list');
  const effects = raw.effects?.flatMap((text, k) => {
    const effect = parseEffect(text);
    if (effect === undefined)
      refuse([...path, 'effects', k], `\`${text}\` is no effect`, 'write action, type and name: `update Table public.accounts`');
    return effect ?? [];
  });
  return {
    kind: 'decision',
    name: raw.name,
    source,
    principal,
    groups: raw.groups ?? [],
    ...(raw.human === undefined ? {} : { human: raw.human }),
    target,
    ...(raw.sql === undefined ? {} : { sql: raw.sql }),
    ...(raw.command === undefined ? {} : { command: raw.command }),
    ...(raw.account === undefined ? {} : { account: raw.account }),
    params: (raw.params ?? []).map((param) => (param === null ? null : String(param))),
    ...(effects === undefined ? {} : { effects }),
    facts: raw.facts ?? {},
    expected: {
      decision,
      ...(raw.policies === undefined ? {} : { policies: raw.policies }),
      ...(raw.approvers === undefined ? {} : { approvers: raw.approvers }),
      ...(Array.isArray(raw.masked) ? { masked: raw.masked } : {}),
    },
  };
}

function maskCase(raw: CaseFile, method: MethodFile, source: string, path: YamlPath, refuse: Refuse): MaskCase {
  if (raw.value === undefined || typeof raw.masked !== 'string')
    refuse(path, 'a masking case needs `value` and `masked`', 'add what goes in and what comes out');
  for (const key of ['principal', 'target', 'sql', 'command', 'account', 'effects', 'decision'] as const) {
    if (raw[key] !== undefined) refuse([...path, key], `\`${key}\` belongs to a policy case`, 'remove it, or remove `mask`');
  }
  const masked = typeof raw.masked === 'string' ? raw.masked : '';
  return { kind: 'mask', name: raw.name, source, method: readMethod(method, [...path, 'mask'], refuse), value: raw.value ?? '', masked };
}
