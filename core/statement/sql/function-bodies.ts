/** Bodies of SQL-language functions: what they do is read, not guessed. */
import { tagOf } from './ast.ts';
import type { SqlFunction } from './catalog.ts';
import type { Context } from './context.ts';
import type { ParsedStatement } from './parse.ts';
import { emptyScope } from './scope.ts';

const RETURN = 'RETURN ';
const ATOMIC = 'BEGIN ATOMIC';

/** Reads the body's effects into the context; false when it cannot be read as a whole. */
export function readBody(context: Context, func: SqlFunction): boolean {
  const path = searchPathOf(context, func);
  if (path === undefined || func.body === undefined) return false;
  const parsed = context.environment.parser.parse(plainText(func.body));
  if (parsed.kind !== 'parsed') return false;
  const before = { path: context.path, tempVisible: context.tempVisible, inBody: context.inBody };
  context.path = path;
  context.tempVisible = true;
  context.inBody = true;
  try {
    return parsed.statements.every((statement) => readOne(context, statement, func));
  } finally {
    context.path = before.path;
    context.tempVisible = before.tempVisible;
    context.inBody = before.inBody;
  }
}

function readOne(context: Context, statement: ParsedStatement, func: SqlFunction): boolean {
  const result = `result of ${func.schema}.${func.name}()`;
  switch (tagOf(statement.node) ?? '') {
    case 'SelectStmt':
      context.useAll(context.walkers.query(context, statement.node, emptyScope()).columns, result);
      return true;
    case 'InsertStmt':
    case 'UpdateStmt':
    case 'DeleteStmt':
    case 'MergeStmt':
      context.useAll(context.walkers.nested(context, statement.node, emptyScope()).columns, result);
      return true;
    default:
      return false;
  }
}

/** `pg_get_function_sqlbody` prints RETURN and BEGIN ATOMIC … END around the statements. */
function plainText(body: string): string {
  const text = body.trim();
  if (text.startsWith(RETURN)) return `SELECT ${text.slice(RETURN.length)}`;
  if (text.startsWith(ATOMIC) && text.endsWith('END')) return text.slice(ATOMIC.length, -'END'.length);
  return text;
}

/** The path that the body runs with; undefined when the function's settings make it something that is not known here. */
function searchPathOf(context: Context, func: SqlFunction): readonly string[] | undefined {
  let path: readonly string[] = context.environment.state.searchPath;
  for (const setting of func.settings) {
    const equals = setting.indexOf('=');
    const name = setting.slice(0, equals).trim().toLowerCase();
    if (equals < 0 || name === 'role' || name === 'session_authorization') return undefined;
    if (name !== 'search_path') continue;
    const own: string[] = [];
    for (const part of setting.slice(equals + 1).split(',')) {
      const schema = part.trim().replace(/^"(.*)"$/u, '$1');
      if (schema.includes('"') || schema === '$user') return undefined;
      if (schema !== '') own.push(schema);
    }
    path = own;
  }
  return path;
}
