/**
 * The groups that policies name actions by. What stands in no group is permitted only where a policy names it:
 *
 * - `connect`: a session on a target is its own permission, so that reading rights open no door by themselves.
 * - `lookup`: equality on a masked column answers questions about its values; it is no part of `read`.
 * - `reveal`: lifts a mask.
 * - `openShell`: what is typed into a shell is recorded, not judged.
 * - `forward`: what goes through a forwarded port is recorded, not judged.
 * - `unknown`: what the gateway could not resolve.
 *
 * `all` is every group and the single actions `execute`, `listen`, `notify` and `runProgram`, but none of the six above: a broad
 * rule must not lift masks or let the unresolved pass by accident.
 */
import { ACTIONS, type Action } from '../statement/effect.ts';

const READ = ['select', 'explain', 'copyOut', 'readFile', 'listFiles', 'gitFetch'] as const;
const WRITE = ['insert', 'update', 'delete', 'merge', 'copyIn', 'lock', 'writeFile', 'renameFile', 'gitCreate', 'gitUpdate'] as const;
/** TRUNCATE stands with the definitions: it needs no predicate, fires no row trigger and leaves nothing behind. */
const DEFINE = ['create', 'alter', 'drop', 'truncate'] as const;
/** What is gone, or was replaced without a trace, on a host. */
const REMOVE = ['removeFile', 'gitForce', 'gitDelete'] as const;
const ADMIN = [
  'grant',
  'setRole',
  'setParameter',
  'copyProgram',
  'doBlock',
  'alterMasked',
  'maintain',
  'elevate',
  'setAttributes',
  'writeLogin',
] as const;

/** Every action group and its direct or indirect members. */
export const ACTION_GROUPS: Readonly<Record<string, readonly Action[]>> = {
  read: READ,
  write: WRITE,
  define: DEFINE,
  remove: REMOVE,
  admin: ADMIN,
  all: [...READ, ...WRITE, ...DEFINE, ...REMOVE, ...ADMIN, 'execute', 'listen', 'notify', 'runProgram'],
};

/** The groups that an action belongs to, `all` included. */
export function groupsOf(action: Action): readonly string[] {
  return Object.keys(ACTION_GROUPS).filter((group) => ACTION_GROUPS[group]?.includes(action));
}

/** The actions that a name in a policy stands for: a group's members, or the action itself; empty for an unknown name. */
export function expandAction(name: string): readonly Action[] {
  const group = Object.hasOwn(ACTION_GROUPS, name) ? ACTION_GROUPS[name] : undefined;
  return group ?? ACTIONS.filter((action) => action === name);
}
