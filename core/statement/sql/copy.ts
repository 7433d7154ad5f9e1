/** COPY: rows out and in by the thousand, through the connection, a server file or a program. */
import { as, bodyOf, child, constantOf, flag, integer, isTree, items, nameParts, stringNode, text, type Tree } from './ast.ts';
import type { Context } from './context.ts';
import { columnNamed, missing, writeTarget } from './dml.ts';
import { readExpression } from './expressions.ts';
import type { SessionControl } from './reading.ts';
import { inherits, readColumn, readRelation, relationOf, relationPath } from './relations.ts';
import { emptyScope, type Scope, type ScopeColumn, type Shape } from './scope.ts';
import { noteWrite, writeRelation } from './writes.ts';

type CopyControl = NonNullable<SessionControl['copy']>;

/** Reads COPY; the shape of what comes out. */
export function readCopy(context: Context, node: Tree): Shape | undefined {
  context.writing = true;
  const incoming = flag(node, 'is_from');
  const filename = text(node, 'filename');
  const format = readOptions(context, items(node, 'options'));
  if (flag(node, 'is_program')) context.effect('copyProgram', 'Target', []);
  else if (filename !== undefined) context.effect('unknown', 'Target', [], 'server file');
  const overWire = !flag(node, 'is_program') && filename === undefined;
  if (overWire && format !== undefined) context.control.copy = { direction: incoming ? 'in' : 'out', ...format };
  if (incoming) {
    readIn(context, node);
    return undefined;
  }
  const shape = readOut(context, node);
  if (!overWire) context.useAll(shape.columns, 'written outside the connection');
  return overWire ? shape : undefined;
}

function readOut(context: Context, node: Tree): Shape {
  const query = node['query'];
  if (isTree(query)) {
    context.effect('copyOut', 'Target', []);
    return as(query, 'SelectStmt') === undefined
      ? context.walkers.nested(context, query, emptyScope())
      : context.walkers.query(context, query, emptyScope());
  }
  const rangeVar = child(node, 'relation') ?? {};
  const relation = relationOf(context, rangeVar);
  if (relation === undefined) return { columns: [], open: true, rows: -1, unfiltered: true };
  context.effect('copyOut', 'Table', relationPath(relation));
  const shape = readRelation(context, relation, inherits(rangeVar));
  readExpression(context, { parts: [shape], items: [] }, node['whereClause'], 'WHERE');
  const columns = chosen(context, shape.columns, items(node, 'attlist'));
  for (const column of columns) readColumn(context, column);
  return { ...shape, columns };
}

/** The listed columns in order; without a list all but generated ones, as `CopyGetAttnums` takes them. */
function chosen(context: Context, columns: readonly ScopeColumn[], list: readonly unknown[]): readonly ScopeColumn[] {
  if (list.length === 0) return columns.filter((column) => column.origin?.column.generatedFrom === undefined);
  return list.flatMap((entry) => {
    const name = stringNode(entry) ?? '';
    const column = columns.find((one) => one.name === name);
    return column === undefined ? (missing(context, name) ?? []) : [column];
  });
}

function readIn(context: Context, node: Tree): void {
  const target = writeTarget(context, child(node, 'relation') ?? {});
  const list = items(node, 'attlist').map(
    (entry) => columnNamed(target, stringNode(entry) ?? '') ?? missing(context, stringNode(entry) ?? ''),
  );
  const columns = list.length > 0 ? list : chosen(context, target.shape.columns, []);
  const scope: Scope = { ...emptyScope(), parts: [target.shape], items: [target.item] };
  readExpression(context, scope, node['whereClause'], 'WHERE');
  for (const column of columns) noteWrite(context, column, undefined);
  if (target.relation === undefined) return;
  context.effect('copyIn', 'Table', relationPath(target.relation));
  writeRelation(
    context,
    target.relation,
    'insert',
    columns.map((column) => column?.name ?? ''),
    false,
  );
}

/** Options that change neither the bytes of a row nor what is copied. */
const PLAIN: ReadonlySet<string> = new Set([
  'default',
  'force_not_null',
  'force_null',
  'force_quote',
  'freeze',
  'log_verbosity',
  'on_error',
  'reject_limit',
]);

/** The wire format; undefined (and `unknown`) when an option is not understood. */
function readOptions(context: Context, options: readonly unknown[]): Omit<CopyControl, 'direction'> | undefined {
  const texts = new Map<string, string>();
  let header: boolean | undefined;
  for (const entry of options) {
    const option = bodyOf(entry, 'DefElem');
    const name = text(option, 'defname') ?? '';
    const value = optionText(option['arg']);
    if (name === 'header') header = isOn(value);
    else if (TEXTS.has(name) && value !== undefined) texts.set(name, value);
    else if (name === 'encoding' && isUtf8(value)) continue;
    else if (!PLAIN.has(name)) {
      context.unknown(`COPY option ${name}`);
      return undefined;
    }
  }
  const format = texts.get('format') ?? 'text';
  if (format !== 'text' && format !== 'csv' && format !== 'binary') {
    context.unknown(`COPY format ${format}`);
    return undefined;
  }
  return {
    format,
    ...optional('delimiter', texts.get('delimiter')),
    ...optional('nullText', texts.get('null')),
    ...optional('quote', texts.get('quote')),
    ...optional('escape', texts.get('escape')),
    ...(header === undefined ? {} : { header }),
  };
}

const TEXTS: ReadonlySet<string> = new Set(['format', 'delimiter', 'null', 'quote', 'escape']);

function optional<K extends string>(key: K, value: string | undefined): { readonly [P in K]?: string } {
  // The computed key has exactly this type; the compiler widens it to string.
  return value === undefined ? {} : ({ [key]: value } as { readonly [P in K]?: string });
}

function optionText(value: unknown): string | undefined {
  const boolean = as(value, 'Boolean');
  if (boolean !== undefined) return flag(boolean, 'boolval') ? 'true' : 'false';
  const number = as(value, 'Integer');
  if (number !== undefined) return String(integer(number, 'ival') ?? 0);
  const constant = constantOf(value);
  if (typeof constant === 'string') return constant;
  const list = as(value, 'List');
  return stringNode(value) ?? (list === undefined ? undefined : nameParts(items(list, 'items'))?.join('.'));
}

/** HEADER alone, or any spelling of true, or MATCH: all put (or take) one line before the rows. */
function isOn(value: string | undefined): boolean {
  return value === undefined || !['false', 'off', 'no', '0', 'f', 'n'].includes(value.toLowerCase());
}

function isUtf8(value: string | undefined): boolean {
  return value !== undefined && ['utf8', 'utf-8', 'unicode'].includes(value.toLowerCase());
}
