/** Everything a statement can cause, in the words of policy (design §5). */
export const ACTIONS = [
  'connect',
  'select',
  'insert',
  'update',
  'delete',
  'merge',
  'truncate',
  'lookup',
  'copyOut',
  'copyIn',
  'copyProgram',
  'create',
  'alter',
  'drop',
  'alterMasked',
  'grant',
  'setRole',
  'setParameter',
  'execute',
  'doBlock',
  'explain',
  'lock',
  'notify',
  'listen',
  'maintain',
  'reveal',
  'unknown',
] as const;
export type Action = (typeof ACTIONS)[number];

/**
 * What an effect touches. `path` is from the outside in, without the target: a table is [schema, table], a column
 * [schema, table, column], a function [schema, function], a schema [schema], the target []. An object that could not
 * be resolved is named on the target with the action `unknown`.
 */
export type Resource = {
  readonly type: 'Table' | 'Column' | 'Function' | 'Schema' | 'Target';
  readonly path: readonly string[];
};

export type Effect = {
  readonly action: Action;
  readonly resource: Resource;
  /** What led here, where the statement's text does not show it: `view public.v`, `trigger t on public.x`. */
  readonly via?: string;
};

/** `bank.public.customers`: how policies, people and evidence name a resource; parts that need it are quoted as in SQL. */
export function resourceName(target: string, resource: Resource): string {
  return [target, ...resource.path].map(quotePart).join('.');
}

/** A stable key for sets of effects; `via` does not count. */
export function effectKey(effect: Effect): string {
  return `${effect.action} ${effect.resource.type} ${resourceName('', effect.resource)}`;
}

function quotePart(part: string): string {
  return /^[\w$-]*$/u.test(part) ? part : `"${part.replaceAll('"', '""')}"`;
}
