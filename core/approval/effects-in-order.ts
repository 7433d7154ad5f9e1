import type { Effect } from '../statement/effect.ts';

const READS = new Set<Effect['action']>(['select', 'lookup', 'explain', 'readFile', 'listFiles', 'gitFetch']);

/**
 * The effects as a person should read them: what changes something before what only reads, the whole before its columns, and the
 * program that does it in between.
 */
export function effectsInOrder(effects: readonly Effect[]): readonly Effect[] {
  return effects.toSorted((a, b) => rank(a) - rank(b));
}

function rank({ action, resource }: Effect): number {
  return (READS.has(action) ? 2 : action === 'runProgram' ? 1 : 0) + (resource.type === 'Column' ? 1 : 0);
}
