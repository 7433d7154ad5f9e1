/** Statements that are neither queries nor DDL: transactions, settings, cursors, maintenance, messages, code blocks. */
import { bodyOf, child, constantOf, flag, isTree, items, text, type Tree } from './ast.ts';
import type { Context } from './context.ts';
import { markLiterals, readExpression } from './expressions.ts';
import { callByName, callFunctions, callName } from './functions.ts';
import { OPAQUE_VALUE } from './opaque-value.ts';
import { changeParameter } from './parameters.ts';
import type { SessionControl } from './reading.ts';
import { baseColumns, relationLabel, relationOf, relationPath, withDescendants } from './relations.ts';
import { emptyScope, type Shape } from './scope.ts';
import { dirtyState } from './session-effects.ts';
import type { StatementRule } from './statement-rule.ts';
import { readCreateTableAs, readCreateView, readDeclareCursor, readRefresh } from './stored-queries.ts';
import { readTypeName } from './type-names.ts';
import { runWriteCode } from './writes.ts';

type Transaction = NonNullable<SessionControl['transaction']>;

const TRANSACTIONS: ReadonlyMap<string, Transaction> = new Map([
  ['TRANS_STMT_BEGIN', 'begin'],
  ['TRANS_STMT_START', 'begin'],
  ['TRANS_STMT_COMMIT', 'commit'],
  ['TRANS_STMT_ROLLBACK', 'rollback'],
  ['TRANS_STMT_SAVEPOINT', 'savepoint'],
  ['TRANS_STMT_RELEASE', 'release'],
  ['TRANS_STMT_ROLLBACK_TO', 'rollbackTo'],
  ['TRANS_STMT_PREPARE', 'prepareTransaction'],
  ['TRANS_STMT_COMMIT_PREPARED', 'commitPrepared'],
  ['TRANS_STMT_ROLLBACK_PREPARED', 'rollbackPrepared'],
]);

function transactionOf(node: Tree): Transaction | undefined {
  return TRANSACTIONS.get(text(node, 'kind') ?? '');
}

function readTransaction(context: Context, node: Tree): undefined {
  const transaction = transactionOf(node);
  if (transaction === undefined) {
    context.unknown('a transaction statement');
    return;
  }
  context.control.transaction = transaction;
  if (flag(node, 'chain')) context.control.chain = true;
  // What SET and DDL changed is undone: names may mean what they meant before.
  if (transaction === 'rollback' || transaction === 'rollbackTo') {
    context.control.dirtiesState = true;
    context.changesNames = true;
  }
  // Work handed to whoever finishes it, or another session's: what is undone or kept is not known here.
  if (transaction === 'prepareTransaction' || transaction === 'commitPrepared' || transaction === 'rollbackPrepared') {
    context.unknown('a prepared transaction');
  }
}

const GATEWAY_SETTINGS = ['sallyport.reason', 'sallyport.approval', 'sallyport.approval_id'] as const;

function readSet(context: Context, node: Tree): undefined {
  const kind = text(node, 'kind') ?? '';
  const name = text(node, 'name') ?? '';
  const args = items(node, 'args');
  switch (kind) {
    case 'VAR_SET_VALUE':
    case 'VAR_SET_DEFAULT':
    case 'VAR_RESET': {
      const gateway = GATEWAY_SETTINGS.find((setting) => setting === name.toLowerCase());
      if (gateway !== undefined) {
        context.control.gatewaySetting = { name: gateway, value: args.map((arg) => constantOf(arg) ?? '').join(', ') };
        return;
      }
      changeParameter(context, name, kind === 'VAR_SET_VALUE' ? args.map((arg) => constantOf(arg) ?? '').join(', ') : undefined);
      return;
    }
    case 'VAR_RESET_ALL':
      dirtyState(context);
      return;
    case 'VAR_SET_MULTI':
      readSetMulti(context, name, args);
      return;
    default:
      dirtyState(context);
      context.effect('setParameter', 'Target', []);
      context.unknown(`SET of the kind ${kind}`);
  }
}

/** SET TRANSACTION and SET SESSION CHARACTERISTICS. */
function readSetMulti(context: Context, name: string, args: readonly unknown[]): void {
  context.writing = true;
  if (name !== 'TRANSACTION' && name !== 'SESSION CHARACTERISTICS') {
    dirtyState(context);
    context.effect('setParameter', 'Target', []);
    return;
  }
  for (const arg of args) changeParameter(context, text(bodyOf(arg, 'DefElem'), 'defname') ?? '', undefined);
}

function readDiscard(context: Context, node: Tree): undefined {
  const target = text(node, 'target');
  dirtyState(context);
  if (target === 'DISCARD_ALL') {
    context.control.deallocate = { name: 'all' };
    context.control.closeCursor = { name: 'all' };
  }
  if (target === 'DISCARD_TEMP' || target === 'DISCARD_ALL') context.control.dirtiesCatalog = true;
}

/** PREPARE is judged as what it prepares; so is each EXECUTE, by its caller. */
function readPrepare(context: Context, node: Tree): undefined {
  context.writing = true;
  for (const type of items(node, 'argtypes')) readTypeName(context, bodyOf(type, 'TypeName'));
  const query = node['query'];
  if (!isTree(query)) {
    context.unknown('PREPARE of nothing');
    return;
  }
  const { startByte, endByte } = context.range;
  const body = context.walkers.statement(context.environment, { node: query, startByte, endByte });
  context.merge(body);
  const bytes = Buffer.from(context.environment.text, 'utf8');
  context.control.prepare = { name: text(node, 'name') ?? '', body, bodyText: bytes.toString('utf8', startByte, endByte) };
}

function readExecute(context: Context, node: Tree): undefined {
  context.writing = true;
  const params = items(node, 'params');
  readExpression(context, undefined, params, 'argument of EXECUTE');
  // Where these values go is known to the body's reader only.
  if (context.environment.sensitive.size > 0) markLiterals(context, params);
  context.control.execute = { name: text(node, 'name') ?? '' };
}

function readExplain(context: Context, node: Tree): Shape {
  context.effect('explain', 'Target', []);
  const analyze = items(node, 'options').some((option) => text(bodyOf(option, 'DefElem'), 'defname') === 'analyze');
  if (analyze) context.writing = true;
  const query = node['query'];
  if (isTree(query)) {
    const inner = context.walkers.statement(context.environment, { node: query, ...context.range });
    context.merge(inner);
    if (inner.control.execute !== undefined) context.control.execute = inner.control.execute;
    if (inner.kind !== 'declare' && !inner.plainRead) context.writing = true;
  }
  const column = { name: 'QUERY PLAN', carries: [], reads: [] };
  return { columns: [column], open: false, rows: -1, unfiltered: false };
}

function readFetch(context: Context, node: Tree): undefined {
  if (!flag(node, 'ismove')) context.rowsFrom = { kind: 'cursor', name: text(node, 'portalname') ?? '' };
}

function readLock(context: Context, node: Tree): undefined {
  context.writing = true;
  for (const entry of items(node, 'relations')) {
    const rangeVar = bodyOf(entry, 'RangeVar');
    const relation = relationOf(context, rangeVar);
    if (relation === undefined) continue;
    for (const member of withDescendants(context, relation)) context.effect('lock', 'Table', relationPath(member));
    // Locking a view locks what it reads.
    if (relation.kind === 'view') context.effect('lock', 'Target', []);
  }
}

/** VACUUM, ANALYZE, CLUSTER and REINDEX run index expressions and may run them as the caller. */
function maintain(context: Context, rangeVars: readonly Tree[]): undefined {
  context.writing = true;
  if (rangeVars.length === 0) context.effect('maintain', 'Target', []);
  for (const rangeVar of rangeVars) {
    const relation = relationOf(context, rangeVar);
    if (relation === undefined) continue;
    for (const member of withDescendants(context, relation)) {
      context.effect('maintain', 'Table', relationPath(member));
      callFunctions(context, member.writeFunctions, `index of ${relationLabel(member)}`);
    }
  }
}

function relationsOf(node: Tree): readonly Tree[] {
  const rangeVar = child(node, 'relation');
  return rangeVar === undefined ? [] : [rangeVar];
}

function readVacuum(context: Context, node: Tree): undefined {
  return maintain(
    context,
    items(node, 'rels').flatMap((entry) => relationsOf(bodyOf(entry, 'VacuumRelation'))),
  );
}

/** Afterwards rows stand in the order of the index. */
function readCluster(context: Context, node: Tree): undefined {
  for (const rangeVar of relationsOf(node)) {
    const relation = relationOf(context, rangeVar);
    if (relation !== undefined) context.useAll(baseColumns(context, relation), 'CLUSTER');
  }
  return maintain(context, relationsOf(node));
}

function readReindex(context: Context, node: Tree): undefined {
  const rangeVar = child(node, 'relation');
  if (rangeVar !== undefined && text(node, 'kind') === 'REINDEX_OBJECT_TABLE') return maintain(context, [rangeVar]);
  return maintain(context, []);
}

function readTruncate(context: Context, node: Tree): undefined {
  context.writing = true;
  context.unbounded = true;
  for (const entry of items(node, 'relations')) {
    const rangeVar = bodyOf(entry, 'RangeVar');
    const relation = relationOf(context, rangeVar);
    if (relation === undefined) continue;
    for (const member of flag(rangeVar, 'inh') ? withDescendants(context, relation) : [relation]) {
      context.effect('truncate', 'Table', relationPath(member), member === relation ? undefined : `parent ${relationLabel(relation)}`);
      context.reach(member.oid, member.definitionHash);
      runWriteCode(context, member, 'truncate');
    }
  }
  // What references the tables is not in the snapshot.
  if (text(node, 'behavior') === 'DROP_CASCADE') context.effect('truncate', 'Target', []);
}

function readCall(context: Context, node: Tree): undefined {
  context.writing = true;
  const call = child(node, 'funccall') ?? {};
  const names = callName(call);
  const called = callByName(context, names, call);
  if (called === undefined) context.unknown(`procedure ${names.join('.')}`);
  if (called === 'dynamic') context.use(OPAQUE_VALUE, `call of ${names.join('.')}()`);
  for (const key in call) if (key !== 'funcname') readExpression(context, emptyScope(), call[key], 'argument of CALL');
}

function readDo(context: Context): undefined {
  context.effect('doBlock', 'Target', []);
  context.control.plantsCode = 'a DO block';
  context.control.callsOpaque = true;
  context.reachOpaque();
}

/** SET CONSTRAINTS … IMMEDIATE runs what was deferred; each was judged with the statement that deferred it. */
function checkConstraints(context: Context): undefined {
  context.writing = true;
}

function effectOnTarget(action: 'notify' | 'listen' | 'maintain'): (context: Context) => undefined {
  return (context) => {
    context.writing = true;
    context.effect(action, 'Target', []);
  };
}

function stored(kind: string, read: StatementRule['read']): StatementRule {
  return { kind, read };
}

export const UTILITY: readonly (readonly [tag: string, rule: StatementRule])[] = [
  ['TransactionStmt', { kind: (node) => transactionOf(node) ?? 'transaction', read: readTransaction }],
  ['VariableSetStmt', { kind: (node) => (text(node, 'kind')?.startsWith('VAR_RESET') === true ? 'reset' : 'set'), read: readSet }],
  ['VariableShowStmt', stored('show', () => undefined)],
  ['DiscardStmt', stored('discard', readDiscard)],
  ['ConstraintsSetStmt', stored('setConstraints', checkConstraints)],
  ['PrepareStmt', stored('prepare', readPrepare)],
  ['ExecuteStmt', stored('execute', readExecute)],
  [
    'DeallocateStmt',
    stored('deallocate', (context, node) => {
      context.control.deallocate = { name: text(node, 'name') ?? 'all' };
      return undefined;
    }),
  ],
  ['DeclareCursorStmt', stored('declare', readDeclareCursor)],
  ['FetchStmt', { kind: (node) => (flag(node, 'ismove') ? 'move' : 'fetch'), read: readFetch }],
  [
    'ClosePortalStmt',
    stored('close', (context, node) => {
      context.control.closeCursor = { name: text(node, 'portalname') ?? 'all' };
      return undefined;
    }),
  ],
  ['ExplainStmt', stored('explain', readExplain)],
  [
    'CreateTableAsStmt',
    { kind: (node) => (text(node, 'objtype') === 'OBJECT_MATVIEW' ? 'createMaterializedView' : 'createTableAs'), read: readCreateTableAs },
  ],
  ['ViewStmt', stored('createView', readCreateView)],
  ['RefreshMatViewStmt', stored('refresh', readRefresh)],
  ['LockStmt', stored('lock', readLock)],
  ['VacuumStmt', { kind: (node) => (flag(node, 'is_vacuumcmd') ? 'vacuum' : 'analyze'), read: readVacuum }],
  ['ClusterStmt', stored('cluster', readCluster)],
  ['ReindexStmt', stored('reindex', readReindex)],
  ['CheckPointStmt', stored('checkpoint', effectOnTarget('maintain'))],
  ['TruncateStmt', stored('truncate', readTruncate)],
  ['NotifyStmt', stored('notify', effectOnTarget('notify'))],
  ['ListenStmt', stored('listen', effectOnTarget('listen'))],
  ['UnlistenStmt', stored('unlisten', () => undefined)],
  ['CallStmt', stored('call', readCall)],
  ['DoStmt', stored('do', readDo)],
  [
    'LoadStmt',
    stored('load', (context) => {
      context.unknown('a shared library');
      context.reachOpaque();
      return undefined;
    }),
  ],
];
