/** Names of resources in policies, taken apart and put in their hierarchy. */
import { resourceName, type Resource } from '../statement/effect.ts';

export type EntityId = { readonly type: string; readonly id: string };

const PATH_PARTS: Readonly<Record<Resource['type'], number>> = { Target: 0, Schema: 1, Table: 2, Function: 2, Column: 3 };
const ANCESTOR_TYPES = ['Target', 'Schema', 'Table'] as const;

/** Whether the path has as many parts as its type needs; a resource that has not cannot be placed, so nothing may permit it. */
export function isWellFormed(resource: Resource): boolean {
  return resource.path.length === PATH_PARTS[resource.type];
}

/** The Cedar entity of a resource. */
export function resourceEntity(target: string, resource: Resource): EntityId {
  return { type: resource.type, id: resourceName(target, resource) };
}

/** All that a resource is `in`, from the target inwards: a column is in its table, its schema and its target. */
export function resourceAncestors(target: string, resource: Resource): readonly EntityId[] {
  return resource.path.map((_, depth) => {
    const type = ANCESTOR_TYPES[depth] ?? 'Table';
    return { type, id: resourceName(target, { type, path: resource.path.slice(0, depth) }) };
  });
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
