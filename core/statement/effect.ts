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
  'runProgram',
  'openShell',
  'elevate',
  'readFile',
  'listFiles',
  'writeFile',
  'renameFile',
  'removeFile',
  'setAttributes',
  'writeLogin',
  'gitFetch',
  'gitCreate',
  'gitUpdate',
  'gitForce',
  'gitDelete',
  'forward',
  'unknown',
] as const;
export type Action = (typeof ACTIONS)[number];

export const RESOURCE_TYPES = [
  'Target',
  'Schema',
  'Table',
  'Column',
  'Function',
  'Program',
  'File',
  'Repository',
  'Ref',
  'Endpoint',
] as const;
export type ResourceType = (typeof RESOURCE_TYPES)[number];

/** Those that only a host has; the others, but `Target`, only a database. */
export const HOST_RESOURCE_TYPES: ReadonlySet<ResourceType> = new Set(['Program', 'File', 'Repository', 'Ref', 'Endpoint']);

/**
 * What an effect touches. `path` is from the outside in, without the target, which is []. In a database a schema is [schema], a
 * table [schema, table], a column [schema, table, column], a function [schema, function]. On a host a file or folder is its
 * absolute path in parts, the root []; a repository too; a ref is its repository's parts and the ref's full name; a program is
 * [name as it is called]; an endpoint [host:port] or [path of a socket]. What could not be resolved is named on the target with
 * the action `unknown`.
 */
export type Resource = {
  readonly type: ResourceType;
  readonly path: readonly string[];
};

export type Effect = {
  readonly action: Action;
  readonly resource: Resource;
  /** What led here, where the statement's text does not show it: `view public.v`, `trigger t on public.x`. */
  readonly via?: string;
};

/**
 * How policies, people and evidence name a resource: `bank.public.customers`, with parts quoted as in SQL where they need it;
 * `web1:/srv/app/config`, `web1:/srv/git/app.git#refs/heads/main`, `web1:systemctl`, `web1:db.internal:5432`.
 */
export function resourceName(target: string, { type, path }: Resource): string {
  switch (type) {
    case 'Target':
    case 'Schema':
    case 'Table':
    case 'Column':
    case 'Function':
      return [target, ...path].map(quotePart).join('.');
    case 'File':
    case 'Repository':
      return `${quotePart(target)}:/${path.join('/')}`;
    case 'Ref':
      return `${quotePart(target)}:/${path.slice(0, -1).join('/')}#${path.at(-1) ?? ''}`;
    case 'Program':
    case 'Endpoint':
      return `${quotePart(target)}:${path.join('/')}`;
  }
}

/** A stable key for sets of effects; `via` does not count. */
export function effectKey(effect: Effect): string {
  return `${effect.action} ${effect.resource.type} ${resourceName('', effect.resource)}`;
}

function quotePart(part: string): string {
  return /^[\w$-]*$/u.test(part) ? part : `"${part.replaceAll('"', '""')}"`;
}
