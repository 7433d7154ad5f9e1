/**
 * An effect on a folder with all below it is an effect on each file there. Policies can tell those files apart only by the files
 * that they spell out, so that a few of them stand for all: a forbid on a folder further down holds for the tree above it too.
 */
import type { Effect, Resource } from '../statement/effect.ts';
import type { EntityName } from './policy-shape.ts';
import { parseResourceName } from './resource-id.ts';

/** Files and folders that policies spell out, by target. */
export type NamedFiles = ReadonlyMap<string, readonly (readonly string[])[]>;

/** A name in a folder that no policy spells out. */
const ANY = '*';

export function namedFiles(entities: readonly EntityName[]): NamedFiles {
  const named = new Map<string, (readonly string[])[]>();
  for (const { type, id } of entities) {
    const found = type === 'File' ? parseResourceName('File', id) : undefined;
    if (found !== undefined) named.set(found.target, [...(named.get(found.target) ?? []), found.resource.path]);
  }
  return named;
}

/**
 * The effects, and those on what is below their folders, where they reach below: `unbounded` says it of the statement; what is
 * renamed takes along what it holds, whether or not it is a folder.
 */
export function withAllBelow(target: string, effects: readonly Effect[], unbounded: boolean, named: NamedFiles): readonly Effect[] {
  const known = named.get(target) ?? [];
  // Where no policy names a file of this target, all of them are alike.
  if (known.length === 0) return effects;
  return effects.flatMap((effect) => {
    const { type, path } = effect.resource;
    if (type !== 'File' || !(unbounded || effect.action === 'renameFile')) return [effect];
    const folders = [path, ...known.filter((one) => one.length > path.length && path.every((part, depth) => part === one[depth]))];
    return [effect, ...folders.flatMap((folder) => stands(folder, known)).map((resource) => ({ ...effect, resource }))];
  });
}

/** Files of a target of which one stands for each that these policies can tell apart. */
export function filesToldApart(target: string, named: NamedFiles): readonly Resource[] {
  const known = named.get(target) ?? [];
  return [[], ...known].flatMap((folder) => stands(folder, known));
}

/** A file itself, and any other that may be in it. */
function stands(folder: readonly string[], known: readonly (readonly string[])[]): readonly Resource[] {
  let any = ANY;
  while (known.some((one) => one.at(folder.length) === any)) any += ANY;
  return [
    { type: 'File', path: folder },
    { type: 'File', path: [...folder, any] },
  ];
}
