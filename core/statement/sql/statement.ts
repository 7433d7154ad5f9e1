/** One top-level statement: which rule reads it, and the reading that comes out. */
import { bodyOf, child, isTree, tagOf, type Tree } from './ast.ts';
import { Context, type Environment, type Walkers } from './context.ts';
import { readCopy } from './copy.ts';
import { DDL } from './ddl.ts';
import { readDelete, readInsert, readUpdate } from './dml.ts';
import { readExpression } from './expressions.ts';
import { readBody } from './function-bodies.ts';
import { readMerge } from './merge.ts';
import { OPAQUE_COLUMN } from './opaque-value.ts';
import type { ParsedStatement } from './parse.ts';
import type { OutputColumn, StatementReading } from './reading.ts';
import { emptyScope, OPEN_SHAPE, type Scope, type Shape } from './scope.ts';
import { readQuery } from './select.ts';
import type { StatementRule } from './statement-rule.ts';
import { touchType } from './type-names.ts';
import { UTILITY } from './utility.ts';
import { readView } from './views.ts';

const DML: ReadonlyMap<string, { readonly kind: string; read(context: Context, node: Tree, scope: Scope): Shape }> = new Map([
  ['InsertStmt', { kind: 'insert', read: readInsert }],
  ['UpdateStmt', { kind: 'update', read: readUpdate }],
  ['DeleteStmt', { kind: 'delete', read: readDelete }],
  ['MergeStmt', { kind: 'merge', read: readMerge }],
]);

/** Every statement node of the grammars of 15 to 18. One that is missing here is `unknown`. */
export const RULES: ReadonlyMap<string, StatementRule> = new Map<string, StatementRule>([
  [
    'SelectStmt',
    {
      kind: (node) => (child(node, 'intoClause') === undefined ? 'select' : 'selectInto'),
      read: (context, node) => readQuery(context, { SelectStmt: node }, undefined, { topLevel: true }),
    },
  ],
  ...[...DML].map(([tag, dml]): [string, StatementRule] => [
    tag,
    { kind: dml.kind, read: (context, node) => dml.read(context, node, emptyScope()) },
  ]),
  ['CopyStmt', { kind: 'copy', read: readCopy }],
  ...UTILITY,
  ...DDL,
]);

const WALKERS: Walkers = {
  query: readQuery,
  expression: readExpression,
  view: readView,
  body: readBody,
  type: touchType,
  statement: readStatement,
  element(context, node) {
    readNode(context, node);
  },
  nested(context, node, scope) {
    const tag = tagOf(node) ?? '';
    const dml = DML.get(tag);
    if (dml !== undefined) return dml.read(context, bodyOf(node, tag), scope);
    context.unknown(`a nested ${tag}`);
    readExpression(context, scope, Object.values(node), 'nested statement');
    return OPEN_SHAPE;
  },
};

function readNode(context: Context, node: Tree): { readonly kind: string; readonly shape: Shape | undefined } {
  const tag = tagOf(node) ?? '';
  const rule = RULES.get(tag);
  const body = bodyOf(node, tag);
  if (rule === undefined) {
    context.unknown(`the statement ${tag}`);
    context.reachOpaque();
    readExpression(context, undefined, isTree(node[tag]) ? Object.values(body) : undefined, 'statement');
    return { kind: 'unknown', shape: undefined };
  }
  return { kind: typeof rule.kind === 'string' ? rule.kind : rule.kind(body), shape: rule.read(context, body) };
}

/** Reads one statement. Throws TooDeep. */
export function readStatement(environment: Environment, parsed: ParsedStatement): StatementReading {
  return readWithNames(environment, parsed).reading;
}

/** The reading, and whether names may mean something else after it. */
export function readWithNames(
  environment: Environment,
  parsed: ParsedStatement,
): { readonly reading: StatementReading; readonly changesNames: boolean } {
  const context = new Context(environment, WALKERS, { startByte: parsed.startByte, endByte: parsed.endByte });
  const { kind, shape } = readNode(context, parsed.node);
  if (context.setsWhileRunning && context.changesNames && context.calledFunctions.size > 0) {
    context.unknown('functions that run under settings made by the same statement');
  }
  if (context.opaque || context.effects.has(UNKNOWN_KEY)) context.writing = true;
  return { reading: finish(context, kind, parsed, shape), changesNames: context.changesNames };
}

const UNKNOWN_KEY = 'unknown Target ';

function finish(context: Context, kind: string, parsed: ParsedStatement, shape: Shape | undefined): StatementReading {
  const returnsRows = shape !== undefined && (shape.columns.length > 0 || kind === 'select') && !INTO_KINDS.has(kind);
  const carried = (shape?.columns ?? []).flatMap((column) =>
    column.carries.flatMap(({ key, name }) => (key === OPAQUE_COLUMN ? [] : [name])),
  );
  for (const name of kind === 'explain' ? [] : carried) context.masked.add(name);
  const rows = shape?.rows ?? -1;
  const large = rows < 0 || rows >= context.environment.fullExportRows;
  const bulk = shape?.unfiltered === true;
  const rowsFrom =
    context.control.execute === undefined ? context.rowsFrom : ({ kind: 'prepared', name: context.control.execute.name } as const);
  return {
    kind,
    startByte: parsed.startByte,
    endByte: parsed.endByte,
    effects: [...context.effects.values()],
    facts: {
      unbounded: context.unbounded || bulk,
      fullExport: bulk && large,
      rows,
      maskedColumns: [...context.masked],
      opaque: context.opaque,
    },
    ...(returnsRows && !shape.open ? { output: shape.columns.map(outputOf) } : {}),
    ...(rowsFrom === undefined || kind === 'explain' || kind === 'createTableAs' ? {} : { rowsFrom }),
    uses: [...context.uses.values()],
    writes: context.writes,
    sensitiveLiterals: context.literals,
    control: context.control,
    plainRead: !context.writing && PLAIN_KINDS.has(kind),
    reached: [...context.reached].map(([oid, definitionHash]) => ({ oid, definitionHash })),
  };
}

/** Kinds whose shape is not what they return. */
const INTO_KINDS: ReadonlySet<string> = new Set(['selectInto', 'createTableAs', 'createMaterializedView', 'createView', 'refresh']);

const PLAIN_KINDS: ReadonlySet<string> = new Set([
  'select',
  'show',
  'explain',
  'declare',
  'fetch',
  'move',
  'close',
  'begin',
  'commit',
  'rollback',
  'savepoint',
  'release',
  'rollbackTo',
]);

function outputOf(column: Shape['columns'][number]): OutputColumn {
  const sensitive = column.carries.map((one) => one.key);
  const { origin } = column;
  return origin === undefined
    ? { name: column.name, sensitive }
    : { name: column.name, sensitive, origin: { relation: origin.relation.oid, attnum: origin.column.attnum } };
}
