// What one source file imports and which names it uses, read from its syntax tree: text matches would miss a re-export and fire on comments.
import { parseAst } from 'vitest/node';

export type Import = {
  readonly specifier: string;
  /** The names taken from the module; empty for a namespace, a default, a side effect, `export *` and `import()`. */
  readonly names: readonly string[];
  readonly line: number;
};

export type Use = { readonly what: string; readonly line: number };

export type SourceFile = {
  /** Static imports, re-exports, `import()` of a constant, `import type`, `require` of a constant: all alike. */
  readonly imports: readonly Import[];
  /** `import()` and `require()` of something that is only known when it runs. */
  readonly computedImports: readonly Use[];
  /** Free-standing names and what hangs on a few of them: `process`, `Date.now`, `new Date()`, `import.meta`. */
  readonly uses: readonly Use[];
  /** `async`, `await` and the name `Promise`. */
  readonly promises: readonly Use[];
  /** `as` (but `as const`) without a comment on its line or shortly above it. */
  readonly bareAssertions: readonly Use[];
};

type Node = { readonly type: string; readonly start: number; readonly [key: string]: unknown };

const REASON_LINES = 6;

/** Reads one TypeScript file. Throws where it does not parse. */
export function readSource(text: string): SourceFile {
  const lines = text.split('\n');
  const lineOf = lineFinder(text);
  const found: { [Part in keyof SourceFile]: SourceFile[Part][number][] } = {
    imports: [],
    computedImports: [],
    uses: [],
    promises: [],
    bareAssertions: [],
  };

  const importOf = (source: unknown, names: readonly string[], node: Node, called: string): void => {
    const line = lineOf(node.start);
    const constant = isNode(source) ? constantText(source) : undefined;
    if (constant === undefined) found.computedImports.push({ what: called, line });
    else found.imports.push({ specifier: constant, names, line });
  };

  const visit = (node: Node, parent: Node | undefined, key: string): void => {
    const line = lineOf(node.start);
    switch (node.type) {
      case 'ImportDeclaration':
      case 'ExportNamedDeclaration':
      case 'ExportAllDeclaration':
        if (isNode(node['source'])) importOf(node['source'], takenNames(node), node, node.type);
        break;
      case 'ImportExpression':
      case 'TSImportType':
        importOf(node['source'] ?? node['argument'], [], node, 'import()');
        break;
      case 'TSExternalModuleReference':
        importOf(node['expression'], [], node, 'import =');
        break;
      case 'CallExpression':
        if (nameOf(node['callee']) === 'require') importOf(list(node['arguments'])[0], [], node, 'require()');
        break;
      case 'MetaProperty':
        if (nameOf(node['meta']) === 'import') found.uses.push({ what: 'import.meta', line });
        break;
      case 'AwaitExpression':
        found.promises.push({ what: 'await', line });
        break;
      case 'TSAsExpression':
      case 'TSTypeAssertion':
        if (!isConst(node) && !hasReason(lines, lineOf(node.start), lineOf(endOf(node)))) found.bareAssertions.push({ what: 'as', line });
        break;
      case 'Identifier':
        if (isFreeName(parent, key)) found.uses.push({ what: usedAs(node, parent, key), line });
        if (isFreeName(parent, key) && node['name'] === 'Promise') found.promises.push({ what: 'Promise', line });
        break;
      default:
    }
    if (node['async'] === true || (node.type === 'ForOfStatement' && node['await'] === true)) found.promises.push({ what: 'async', line });
    for (const [childKey, child] of Object.entries(node)) {
      for (const each of Array.isArray(child) ? child : [child]) if (isNode(each)) visit(each, node, childKey);
    }
  };
  const program: unknown = parseAst(text, { lang: 'ts' });
  if (!isNode(program)) throw new Error('the parser gave no tree');
  visit(program, undefined, '');
  return found;
}

function takenNames(node: Node): string[] {
  return list(node['specifiers']).flatMap((specifier) => {
    const name = nameOf(specifier['imported'] ?? specifier['local']);
    return specifier.type === 'ImportSpecifier' || specifier.type === 'ExportSpecifier' ? [name ?? ''] : [];
  });
}

function constantText(node: Node): string | undefined {
  if (node.type === 'TSLiteralType' && isNode(node['literal'])) return constantText(node['literal']);
  if (node.type === 'Literal' && typeof node['value'] === 'string') return node['value'];
  const quasis = node.type === 'TemplateLiteral' ? list(node['quasis']) : [];
  const cooked = quasis.length === 1 ? quasis[0]?.['value'] : undefined;
  return typeof cooked === 'object' && cooked !== null && 'cooked' in cooked && typeof cooked.cooked === 'string'
    ? cooked.cooked
    : undefined;
}

// A property's name is not a use of the global with that name, and neither is the name that an import brings in.
function isFreeName(parent: Node | undefined, key: string): boolean {
  if (parent === undefined) return false;
  const named = key === 'property' || key === 'key' || key === 'label' || key === 'imported' || key === 'exported';
  if (named) return parent['computed'] === true;
  if (key === 'local' && parent.type.startsWith('Import')) return false;
  return !(key === 'right' && parent.type === 'TSQualifiedName');
}

function usedAs(node: Node, parent: Node | undefined, key: string): string {
  const name = nameOf(node) ?? '';
  if (parent?.type === 'MemberExpression' && key === 'object') {
    const property = parent['computed'] === true ? undefined : nameOf(parent['property']);
    return `${name}.${property ?? '[]'}`;
  }
  if (parent?.type === 'NewExpression' && key === 'callee') return `new ${name}(${list(parent['arguments']).length === 0 ? '' : '…'})`;
  if (parent?.type === 'TSTypeReference' || parent?.type === 'TSQualifiedName' || parent?.type === 'TSTypeQuery') return `type ${name}`;
  if (parent?.type === 'BinaryExpression' && parent['operator'] === 'instanceof') return `instanceof ${name}`;
  return name;
}

function isConst(node: Node): boolean {
  const type = node['typeAnnotation'];
  return isNode(type) && type.type === 'TSTypeReference' && nameOf(type['typeName']) === 'const';
}

// A reason may stand once for a few lines that need it together: it is looked for in the block above, not past an empty line.
function hasReason(lines: readonly string[], first: number, last: number): boolean {
  if (lines.slice(first - 1, last).some((line) => /\/\/ |\/\* /u.test(line))) return true;
  for (let line = first - 1; line > Math.max(0, first - 1 - REASON_LINES); line -= 1) {
    const above = (lines[line - 1] ?? '').trim();
    if (above === '') return false;
    if (/^\/\/|\*\/$/u.test(above)) return true;
  }
  return false;
}

function lineFinder(text: string): (offset: number) => number {
  const starts = [0];
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return (offset) => {
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((starts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return low + 1;
  };
}

function endOf(node: Node): number {
  return typeof node['end'] === 'number' ? node['end'] : node.start;
}

function nameOf(value: unknown): string | undefined {
  if (!isNode(value)) return undefined;
  if (value.type === 'Literal' && typeof value['value'] === 'string') return value['value'];
  return typeof value['name'] === 'string' ? value['name'] : undefined;
}

function list(value: unknown): Node[] {
  return Array.isArray(value) ? value.filter(isNode) : [];
}

function isNode(value: unknown): value is Node {
  return (
    typeof value === 'object' &&
    value !== null &&
    'type' in value &&
    typeof value.type === 'string' &&
    'start' in value &&
    typeof value.start === 'number'
  );
}
