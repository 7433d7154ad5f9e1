/**
 * Reading the raw parse tree. It arrives as JSON: a node is either tagged (`{ SelectStmt: {…} }`) or, where the grammar
 * knows the type, bare (`relation: { relname: … }`). Absent means false, zero or empty.
 */
export type Tree = Readonly<Record<string, unknown>>;

const UPPER_A = 65;
const UPPER_Z = 90;

export function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The node's type when the value is tagged: exactly one field, whose name starts with a capital letter. */
export function tagOf(value: unknown): string | undefined {
  if (!isTree(value)) return undefined;
  let found: string | undefined;
  for (const key in value) {
    if (found !== undefined) return undefined;
    found = key;
  }
  if (found === undefined) return undefined;
  const first = found.charCodeAt(0);
  return first >= UPPER_A && first <= UPPER_Z ? found : undefined;
}

const NOTHING: Tree = {};

/** The body of a tagged node. */
export function bodyOf(value: unknown, tag: string): Tree {
  if (!isTree(value)) return NOTHING;
  const body = value[tag];
  return isTree(body) ? body : NOTHING;
}

/** The body when the value is tagged so, else undefined. */
export function as(value: unknown, tag: string): Tree | undefined {
  if (!isTree(value)) return undefined;
  const body = value[tag];
  return isTree(body) ? body : undefined;
}

export function child(node: Tree, field: string): Tree | undefined {
  const value = node[field];
  return isTree(value) ? value : undefined;
}

const NO_ITEMS: readonly unknown[] = [];

export function items(node: Tree, field: string): readonly unknown[] {
  const value = node[field];
  return Array.isArray(value) ? value : NO_ITEMS;
}

export function text(node: Tree, field: string): string | undefined {
  const value = node[field];
  return typeof value === 'string' ? value : undefined;
}

export function flag(node: Tree, field: string): boolean {
  return node[field] === true;
}

export function integer(node: Tree, field: string): number | undefined {
  const value = node[field];
  return typeof value === 'number' ? value : undefined;
}

/** The text of a `String` node. */
export function stringNode(value: unknown): string | undefined {
  const node = as(value, 'String');
  return node === undefined ? undefined : (text(node, 'sval') ?? '');
}

/** The parts of a dotted name; undefined when one of them is not a plain name. */
export function nameParts(parts: readonly unknown[]): readonly string[] | undefined {
  const names: string[] = [];
  for (const part of parts) {
    const name = stringNode(part);
    if (name === undefined) return undefined;
    names.push(name);
  }
  return names;
}

/** The constant of an `A_Const` node as text; null for NULL; undefined when the node is no constant. */
export function constantOf(value: unknown): string | null | undefined {
  const node = as(value, 'A_Const');
  if (node === undefined) return undefined;
  if (flag(node, 'isnull')) return null;
  const string = child(node, 'sval');
  if (string !== undefined) return text(string, 'sval') ?? '';
  const number = child(node, 'ival');
  if (number !== undefined) return String(integer(number, 'ival') ?? 0);
  const float = child(node, 'fval');
  if (float !== undefined) return text(float, 'fval') ?? '';
  const bits = child(node, 'bsval');
  if (bits !== undefined) return text(bits, 'bsval') ?? '';
  const boolean = child(node, 'boolval');
  if (boolean !== undefined) return flag(boolean, 'boolval') ? 'true' : 'false';
  return undefined;
}

/** Strips casts off a value: `'x'::text` is still the constant that the client wrote. */
export function withoutCasts(value: unknown): unknown {
  let inner = value;
  for (;;) {
    const cast = as(inner, 'TypeCast');
    if (cast === undefined) return inner;
    inner = cast['arg'];
  }
}
