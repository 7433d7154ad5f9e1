/** Calls: which functions a name can mean, and what calling them causes. */
import { as, constantOf, flag, items, nameParts, type Tree } from './ast.ts';
import type { Oid, SqlFunction } from './catalog.ts';
import type { Context } from './context.ts';
import { OPAQUE_VALUE } from './opaque-value.ts';
import { changeParameter } from './parameters.ts';

/**
 * pg_catalog functions outside the safe list which write but run no SQL of anyone's: reaching them is an effect and not a plain
 * read, but names, settings and definitions mean the same afterwards.
 */
const KEEPS_NAMES: ReadonlySet<string> = new Set([
  'nextval',
  'setval',
  'pg_sleep',
  'pg_notify',
  'pg_advisory_lock',
  'pg_advisory_lock_shared',
  'pg_advisory_unlock',
  'pg_advisory_unlock_all',
  'pg_advisory_unlock_shared',
  'pg_advisory_xact_lock',
  'pg_advisory_xact_lock_shared',
  'pg_try_advisory_lock',
  'pg_try_advisory_lock_shared',
  'pg_try_advisory_xact_lock',
  'pg_try_advisory_xact_lock_shared',
  'pg_cancel_backend',
  'pg_terminate_backend',
]);

/** All functions that a name can mean with this many arguments, in every schema that is searched: types are not compared. */
export function candidates(context: Context, names: readonly string[], argumentCount: number): readonly SqlFunction[] {
  const name = names[names.length - 1] ?? '';
  const schema = names.length > 1 ? names[names.length - 2] : undefined;
  const found: SqlFunction[] = [];
  for (const func of context.environment.catalog.functionsByName.get(name) ?? []) {
    const visible = schema === undefined ? func.schema === 'pg_catalog' || context.path.includes(func.schema) : func.schema === schema;
    if (visible && takes(func, argumentCount)) found.push(func);
  }
  return found;
}

function takes(func: SqlFunction, count: number): boolean {
  const least = func.argumentCount - func.defaultCount - (func.variadic ? 1 : 0);
  return count >= least && (func.variadic || count <= func.argumentCount);
}

/**
 * What is known of a call's value: made of its arguments, or whatever code that cannot be read makes it. `dynamic`: that code
 * may besides do what the caller's own arguments ask for (`query_to_xml`, `dblink_exec`).
 */
export type CallValue = 'known' | 'opaque' | 'dynamic';

function worse(left: CallValue, right: CallValue): CallValue {
  return left === 'dynamic' || right === 'known' ? left : right;
}

/** What one function causes when it is called. */
export function callFunction(context: Context, func: SqlFunction): CallValue {
  if (func.schema === 'pg_catalog' && context.environment.isSafe(func.oid)) return 'known';
  reportCall(context, func);
  if (!context.opaqueFunctions.has(func.oid)) return 'known';
  return func.schema === 'pg_catalog' || func.language === 'c' ? 'dynamic' : 'opaque';
}

function reportCall(context: Context, func: SqlFunction): void {
  if (!isOfStandardViews(func)) {
    if (!isReset(func)) context.effect('execute', 'Function', [func.schema, func.name]);
    context.reach(func.oid, func.definitionHash);
    context.writing = true;
  }
  if (context.calledFunctions.has(func.oid)) return;
  context.calledFunctions.add(func.oid);
  // Its arguments and its value may be cast from and to what no name in the text tells.
  for (const type of [...func.argumentTypes, func.returnType]) context.walkers.type(context, type);
  // Argument defaults run where the call leaves arguments out; named here whether it does or not.
  if (func.dependsOn !== undefined) callFunctions(context, func.dependsOn, `function ${func.schema}.${func.name}`);
  if (func.schema === 'pg_catalog') {
    if (func.name === 'pg_notify') context.effect('notify', 'Target', []);
    if (KEEPS_NAMES.has(func.name)) context.opaque = true;
    else reachOpaqueFunction(context, func);
    return;
  }
  if (func.language !== 'sql' || func.body === undefined) {
    reachOpaqueFunction(context, func);
    return;
  }
  context.expandedFunctions.add(func.oid);
  const understood = context.through(`function ${func.schema}.${func.name}`, () => context.walkers.body(context, func));
  if (understood) return;
  reachOpaqueFunction(context, func);
  // Whoever may create it chose what it does, wherever it runs: as a default, in a check, in an index.
  context.use(OPAQUE_VALUE, `body of ${func.schema}.${func.name}()`);
}

function reachOpaqueFunction(context: Context, func: SqlFunction): void {
  context.opaqueFunctions.add(func.oid);
  context.reachOpaque();
}

/** A part of DISCARD ALL, which is no effect either: pools give connections back with it (asyncpg's reset). */
function isReset(func: SqlFunction): boolean {
  return func.schema === 'pg_catalog' && func.name === 'pg_advisory_unlock_all' && func.language === 'internal';
}

/** SQL functions that come with the server for its own information_schema: what they do is read, that they run is no effect. */
function isOfStandardViews(func: SqlFunction): boolean {
  return func.schema === 'information_schema' && func.language === 'sql' && func.oid < FIRST_USER_OID;
}

/** FirstNormalObjectId (`access/transam.h`). */
const FIRST_USER_OID = 16_384;

/** Calls by OID, from catalog entries: triggers, casts, defaults, row security. One that is not in the catalog is unknown. */
export function callFunctions(context: Context, oids: readonly Oid[], via: string): CallValue {
  let value: CallValue = 'known';
  for (const oid of oids) {
    context.through(via, () => {
      const func = context.environment.catalog.functions.get(oid);
      if (func === undefined) {
        context.reachOpaque();
        context.unknown(`function ${oid}`);
        value = 'dynamic';
      } else {
        value = worse(value, callFunction(context, func));
      }
    });
  }
  return value;
}

/**
 * Resolves a called name and reports what it can cause. Undefined when nothing has that name: the caller decides what else it
 * can mean (a column of a composite value, a cast).
 */
export function callByName(context: Context, names: readonly string[], call: Tree): CallValue | undefined {
  const args = items(call, 'args');
  const qualifier = names.length > 1 ? names[names.length - 2] : undefined;
  const { tempSchema } = context.environment.state;
  if (qualifier !== undefined && (qualifier === 'pg_temp' || qualifier === tempSchema)) {
    context.unknown(`function ${names.join('.')}`);
    context.reachOpaque();
    return 'dynamic';
  }
  const found = candidates(context, names, flag(call, 'agg_within_group') ? args.length + items(call, 'agg_order').length : args.length);
  let value: CallValue | undefined;
  for (const func of found) {
    if (func.schema === 'pg_catalog' && func.name === 'set_config') setConfig(context, args);
    else value = worse(value ?? 'known', callFunction(context, func));
    value ??= 'known';
  }
  if (value !== undefined && value !== 'known') context.control.callsOpaque = true;
  return value;
}

/** set_config(name, value, is_local) is SET in another dress. */
function setConfig(context: Context, args: readonly unknown[]): void {
  context.writing = true;
  context.setsWhileRunning = true;
  const name = constantOf(args[0]);
  if (typeof name !== 'string' || args.some((arg) => as(arg, 'NamedArgExpr') !== undefined)) {
    context.control.dirtiesState = true;
    context.changesNames = true;
    context.unknown('set_config() with a name that is not constant');
    return;
  }
  changeParameter(context, name, constantOf(args[1]) ?? undefined);
}

/** Effects of an operator: the functions of all operators of that name outside pg_catalog that can be meant. */
export function callOperator(context: Context, names: readonly string[]): void {
  const { environment, index } = context;
  const schema = names.length > 1 ? names[names.length - 2] : undefined;
  if (schema !== undefined && (schema === 'pg_temp' || schema === environment.state.tempSchema)) {
    context.unknown(`operator ${names.join('.')}`);
    return;
  }
  if (schema !== undefined && schema !== 'pg_catalog' && !environment.catalog.schemas.has(schema))
    context.unknown(`operator ${names.join('.')}`);
  if (!index.hasUserOperators) return;
  for (const operator of environment.catalog.userOperatorsByName.get(names[names.length - 1] ?? '') ?? []) {
    if (schema === undefined ? context.path.includes(operator.schema) : operator.schema === schema) {
      const value = callFunctions(context, [operator.functionOid], `operator ${operator.schema}.${operator.name}`);
      if (value !== 'known') context.use(OPAQUE_VALUE, `operator ${operator.schema}.${operator.name}`);
    }
  }
}

/** The called name in words, for messages. */
export function callName(call: Tree): readonly string[] {
  return nameParts(items(call, 'funcname')) ?? [];
}
