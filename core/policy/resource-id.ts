/** Names of resources in policies, taken apart and put in their hierarchy. */
import { resourceName, type Resource, type ResourceType } from '../statement/effect.ts';

export type EntityId = { readonly type: string; readonly id: string };

/** Parts that a resource of a database has. */
const PATH_PARTS = { Target: 0, Schema: 1, Table: 2, Function: 2, Column: 3 } as const;
const ANCESTOR_TYPES = ['Target', 'Schema', 'Table'] as const;

/** Whether the path can be one of its type; a resource whose path cannot be is not to be placed, so nothing may permit it. */
export function isWellFormed({ type, path }: Resource): boolean {
  switch (type) {
    case 'Target':
    case 'Schema':
    case 'Table':
    case 'Function':
    case 'Column':
      return path.length === PATH_PARTS[type];
    case 'File':
      return path.every(isPathPart);
    case 'Repository':
      return path.length > 0 && path.every((part) => isPathPart(part) && !part.includes('#'));
    case 'Ref': {
      const ref = path.at(-1) ?? '';
      return isWellFormed({ type: 'Repository', path: path.slice(0, -1) }) && ref !== '' && !ref.includes('\0');
    }
    case 'Program':
    case 'Endpoint':
      return path.length === 1 && path[0] !== '' && path[0]?.includes('\0') === false;
  }
}

/** A part of an absolute path without links: no other spelling of the same file is ever compared. */
function isPathPart(part: string): boolean {
  return part !== '' && part !== '.' && part !== '..' && !part.includes('/') && !part.includes('\0');
}

/** The Cedar entity of a resource. */
export function resourceEntity(target: string, resource: Resource): EntityId {
  return { type: resource.type, id: resourceName(target, resource) };
}

/** All that a resource is `in`, from the target inwards: a column is in its table, its schema and its target. */
export function resourceAncestors(target: string, { type, path }: Resource): readonly EntityId[] {
  const host: EntityId = { type: 'Target', id: resourceName(target, { type: 'Target', path: [] }) };
  switch (type) {
    case 'Target':
    case 'Schema':
    case 'Table':
    case 'Function':
    case 'Column':
      return path.map((_, depth) => resourceEntity(target, { type: ANCESTOR_TYPES[depth] ?? 'Table', path: path.slice(0, depth) }));
    case 'File':
      return path.length === 0 ? [host] : [host, ...folders(target, path.slice(0, -1))];
    case 'Repository':
      return [host, ...folders(target, path)];
    case 'Ref': {
      const repository = path.slice(0, -1);
      return [host, ...folders(target, repository), resourceEntity(target, { type: 'Repository', path: repository })];
    }
    case 'Program':
    case 'Endpoint':
      return [host];
  }
}

/** A folder and all that it is in, the root first. */
function folders(target: string, path: readonly string[]): EntityId[] {
  return [[], ...path].map((_, depth) => resourceEntity(target, { type: 'File', path: path.slice(0, depth) }));
}

/** A resource as policies name it, with its target; undefined where nothing is ever named so. */
export function parseResourceName(type: ResourceType, name: string): { readonly target: string; readonly resource: Resource } | undefined {
  const found = type in PATH_PARTS ? databaseResource(type, name) : hostResource(type, name);
  // Only one spelling is ever compared: any other would be a rule that matches nothing.
  return found !== undefined && isWellFormed(found.resource) && resourceName(found.target, found.resource) === name ? found : undefined;
}

function databaseResource(type: ResourceType, name: string): { readonly target: string; readonly resource: Resource } | undefined {
  const [target, ...path] = splitResourceName(name) ?? [];
  return target === undefined ? undefined : { target, resource: { type, path } };
}

function hostResource(type: ResourceType, name: string): { readonly target: string; readonly resource: Resource } | undefined {
  const match = /^(?:([\w$-]+)|"((?:[^"]|"")+)"):(.+)$/su.exec(name);
  if (match === null) return undefined;
  const [, plain, quoted = '', rest = ''] = match;
  const target = plain ?? quoted.replaceAll('""', '"');
  if (type === 'Program' || type === 'Endpoint') return { target, resource: { type, path: [rest] } };
  if (!rest.startsWith('/')) return undefined;
  const [place = '', ...ref] = type === 'Ref' ? rest.split(/#(.*)/su, 2) : [rest];
  const path = place === '/' ? [] : place.slice(1).split('/');
  return { target, resource: { type, path: [...path, ...ref] } };
}

/** Parts of `bank.public."Odd.Name"`, unquoted; undefined when it is not written as `resourceName` writes it. */
export function splitResourceName(name: string): readonly string[] | undefined {
  const parts: string[] = [];
  const part = /([\w$-]+)|"((?:[^"]|"")+)"/uy;
  for (;;) {
    const match = part.exec(name);
    if (match === null) return undefined;
    parts.push(match[1] ?? (match[2] ?? '').replaceAll('""', '"'));
    if (part.lastIndex === name.length) break;
    if (name[part.lastIndex] !== '.') return undefined;
    part.lastIndex += 1;
  }
  const [target, ...path] = parts;
  // Only one spelling is ever compared: a quoted part that needs no quotes would be a rule that matches nothing.
  return resourceName(target ?? '', { type: 'Table', path }) === name ? parts : undefined;
}
