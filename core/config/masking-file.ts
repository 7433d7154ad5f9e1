/** `masking.yaml`: which columns and which patterns, and how each is masked. */
import { RE2JS } from 're2js';
import type { MaskMethod, MaskMethodName, MaskRule, PatternRule } from '../masking/rules.ts';
import type { ConfigError } from './config-error.ts';
import maskingSchema from './masking.schema.json' with { type: 'json' };
import { compileSchema } from './schema-check.ts';
import { readYaml, type Refuse, type YamlPath } from './yaml-file.ts';
import { splitResourceName } from '../policy/resource-id.ts';

/** How a method is written: `keepFirst` and `keepLast` go with `partial`. */
export type MethodFile = { readonly method: MaskMethodName; readonly keepFirst?: number; readonly keepLast?: number };

type MaskingFile = {
  readonly columns?: readonly (MethodFile & { readonly target: string; readonly column: string })[];
  readonly patterns?: readonly {
    readonly target: string;
    readonly detectors?: readonly string[];
    readonly expressions?: readonly { readonly name: string; readonly pattern: string }[];
  }[];
};

const check = compileSchema(maskingSchema);

/** Reads the file. Whether the columns exist is known only to a target; a rule that does not resolve there closes it. */
export function readMaskingFile(
  file: string,
  text: string,
  targets: ReadonlySet<string>,
  hosts: ReadonlySet<string> = new Set(),
): {
  readonly masks: readonly MaskRule[];
  readonly patterns: readonly PatternRule[];
  readonly content?: unknown;
  readonly errors: readonly ConfigError[];
} {
  const yaml = readYaml(file, text, check);
  if (yaml.errors.length > 0) return { masks: [], patterns: [], errors: yaml.errors };
  // The schema has just accepted the value, and `MaskingFile` is the schema in TypeScript's words.
  const raw = yaml.value as MaskingFile;
  const { refuse } = yaml;
  const known = (target: string, path: YamlPath): void => {
    if (!targets.has(target)) refuse([...path, 'target'], `there is no target \`${target}\``, `use one of ${[...targets].join(', ')}`);
  };

  const taken = new Set<string>();
  const masks: MaskRule[] = [];
  (raw.columns ?? []).forEach((rule, i) => {
    const path = ['columns', i];
    known(rule.target, path);
    if (hosts.has(rule.target))
      refuse([...path, 'target'], `\`${rule.target}\` is a host, which has no columns`, 'use `patterns`, or name a database');
    const [schema, table, column, ...more] = splitResourceName(rule.column) ?? [];
    if (schema === undefined || table === undefined || column === undefined || more.length > 0) {
      refuse([...path, 'column'], `\`${rule.column}\` is no column`, 'write schema.table.column, quoted as in SQL where needed');
      return;
    }
    const key = `${rule.target} ${rule.column}`;
    if (taken.has(key)) refuse([...path, 'column'], `\`${rule.column}\` has a rule already`, 'keep one of them');
    taken.add(key);
    masks.push({ target: rule.target, schema, table, column, method: readMethod(rule, path, refuse), source: yaml.source(path) });
  });

  const patterns = (raw.patterns ?? []).map((rule, i): PatternRule => {
    const path = ['patterns', i];
    known(rule.target, path);
    const { detectors = [], expressions = [], target } = rule;
    expressions.forEach((expression, k) => checkExpression(expression.pattern, [...path, 'expressions', k, 'pattern'], refuse));
    if (detectors.length + expressions.length === 0)
      refuse(path, 'the rule looks for nothing', 'add detectors or expressions, or remove it');
    return { target, detectors, expressions, source: yaml.source(path) };
  });
  return yaml.errors.length > 0 ? { masks: [], patterns: [], errors: yaml.errors } : { masks, patterns, content: yaml.value, errors: [] };
}

/** A method as written in masking.yaml and in mask cases. */
export function readMethod(raw: MethodFile, path: YamlPath, refuse: Refuse): MaskMethod {
  const { method, keepFirst = 0, keepLast = 0 } = raw;
  if (method !== 'partial') {
    if (raw.keepFirst !== undefined || raw.keepLast !== undefined)
      refuse(path, `keepFirst and keepLast mean nothing with ${method}`, 'remove them, or use partial');
    return { kind: method };
  }
  if (keepFirst + keepLast === 0) refuse(path, 'partial keeps nothing', 'add keepFirst or keepLast, or use redact');
  return { kind: method, keepFirst, keepLast };
}

function checkExpression(pattern: string, path: YamlPath, refuse: Refuse): void {
  try {
    // An expression that matches nothing at all would match between any two characters.
    if (RE2JS.compile(pattern).matcher('').find())
      refuse(path, 'the expression matches empty text', 'make it ask for at least one character');
  } catch {
    // Whatever the compiler threw, the rule is refused.
    refuse(path, 'the expression is not in RE2 syntax', 'remove look-around and back-references; see the RE2 syntax');
  }
}
