/** A YAML file of the configuration: parsed without its dangerous parts, checked against its schema, with positions kept. */
import { isMap, isNode, isScalar, LineCounter, parseDocument, visit, type Document, type Node } from 'yaml';
import { positionAt, type ConfigError } from './config-error.ts';
import type { SchemaFinding, SchemaCheck } from './schema-check.ts';

export type YamlPath = readonly (string | number)[];

/** Adds a finding at the value (or, with `key`, at the key) that a path leads to. */
export type Refuse = (path: YamlPath, message: string, fix: string) => void;

export type YamlFile = {
  /** The plain value; it has the schema's shape exactly when there are no errors. */
  readonly value: unknown;
  readonly errors: ConfigError[];
  readonly refuse: Refuse;
  /** `masking.yaml:12` */
  readonly source: (path: YamlPath) => string;
};

/** What `${NAME}` and `${NAME:-default}` stand for; undefined: no substitution in this file, and `${` is ordinary text. */
export type Environment = Readonly<Record<string, string | undefined>> | undefined;

/** Reads one file. Aliases, tags and duplicate keys are refused: what a reviewer reads must be what counts. */
export function readYaml(file: string, text: string, check: SchemaCheck, environment?: Environment): YamlFile {
  const errors: ConfigError[] = [];
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, version: '1.2', schema: 'core', uniqueKeys: true, prettyErrors: false });
  for (const problem of [...document.errors, ...document.warnings]) {
    errors.push({ file, ...positionAt(text, problem.pos[0]), message: problem.message, fix: 'correct the YAML' });
  }
  refuseIndirection(document, (node, message, fix) => errors.push({ file, ...place(text, node), message, fix }));
  const refuse: Refuse = (path, message, fix) => {
    errors.push({ file, ...place(text, nodeAt(document, path)), message, fix });
  };
  const source = (path: YamlPath): string => `${file}:${place(text, nodeAt(document, path)).line}`;
  if (errors.length > 0) return { value: undefined, errors, refuse, source };

  if (environment !== undefined) {
    substitute(document, environment, (node, message, fix) => errors.push({ file, ...place(text, node), message, fix }));
    if (errors.length > 0) return { value: undefined, errors, refuse, source };
  }
  const value: unknown = document.toJS() ?? {};
  for (const finding of check(value)) {
    errors.push({ file, ...placeOfFinding(document, text, finding), message: finding.message, fix: finding.fix });
  }
  return { value, errors, refuse, source };
}

type RefuseNode = (node: unknown, message: string, fix: string) => void;

function refuseIndirection(document: Document.Parsed, refuse: RefuseNode): void {
  visit(document, {
    Alias: (_, node) => refuse(node, 'aliases are not allowed', 'write the value out'),
    Node: (_, node) => {
      if ('anchor' in node && node.anchor !== undefined) refuse(node, 'anchors are not allowed', 'write the value out where it is used');
      if (node.tag !== undefined) refuse(node, `the tag ${node.tag} is not allowed`, 'remove it');
    },
    Pair: (_, pair) => {
      if (!isScalar(pair.key) || typeof pair.key.value !== 'string') refuse(pair.key, 'keys must be text', 'quote the key');
    },
  });
}

const REFERENCE = /\$\{([A-Za-z_]\w*)(?::-([^}]*))?\}|\$\{/g;

/**
 * `${NAME}` and `${NAME:-default}`, as shells write them. A plain scalar that is nothing but one of them and becomes
 * digits is a number, as if it stood there.
 */
function substitute(document: Document.Parsed, environment: NonNullable<Environment>, refuse: RefuseNode): void {
  visit(document, {
    Scalar: (position, node) => {
      if (position === 'key' || typeof node.value !== 'string') return;
      const whole = node.value;
      const replaced = whole.replaceAll(REFERENCE, (reference, name?: string, fallback?: string) => {
        if (name === undefined) {
          refuse(node, 'a reference to the environment is not written as one', 'write ${NAME} or ${NAME:-default}');
          return '';
        }
        const value = (Object.hasOwn(environment, name) ? environment[name] : undefined) ?? fallback;
        if (value === undefined) refuse(node, `the environment variable \`${reference}\` is not set`, `set ${name} or write the value out`);
        return value ?? '';
      });
      if (replaced === whole) return;
      const isWhole = /^\$\{[^}]*\}$/.test(whole);
      node.value = node.type === 'PLAIN' && isWhole && /^\d{1,15}$/.test(replaced) ? Number(replaced) : replaced;
    },
  });
}

function placeOfFinding(document: Document.Parsed, text: string, finding: SchemaFinding): { line: number; column: number } {
  const node = nodeAt(document, finding.path);
  if (finding.key !== undefined && isMap(node)) {
    const pair = node.items.find((item) => isScalar(item.key) && item.key.value === finding.key);
    if (pair !== undefined) return place(text, pair.key);
  }
  return place(text, node);
}

/** The deepest node on the path that is there: what is missing is reported where it should be. */
function nodeAt(document: Document.Parsed, path: YamlPath): Node | null {
  for (let length = path.length; length > 0; length--) {
    const node: unknown = document.getIn(path.slice(0, length), true);
    if (isNode(node)) return node;
  }
  return document.contents;
}

function place(text: string, node: unknown): { line: number; column: number } {
  return positionAt(text, isNode(node) ? (node.range?.[0] ?? 0) : 0);
}
