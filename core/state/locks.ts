/** Whether a principal may have no session: reads the item that the console writes, wherever it is obeyed. */
import { SallyportError } from '../errors.ts';
import { principalName, type Principal } from '../principal.ts';
import { readLockList } from './control-items.ts';
import type { LockList } from './control.ts';

/** The list has not its shape: nobody can say who is locked, so nobody is let in. */
export class LocksUnreadable extends SallyportError {
  readonly code = 'locks-unreadable';
}

/** Names under which a principal can be locked: its own, and those of the people behind it. */
export function lockSubjects(principal: Principal): readonly string[] {
  return [principalName(principal), principal.human, principal.owner].filter((subject) => subject !== undefined);
}

/** Why this principal is locked, or undefined. */
export function lockOf({ locks }: LockList, principal: Principal): string | undefined {
  const subjects = lockSubjects(principal);
  const lock = locks.find(({ subject }) => subjects.includes(subject));
  return lock === undefined ? undefined : `locked by ${lock.by}: ${lock.reason}`;
}

/** The value of item `locks`; no item is no lock. Throws LocksUnreadable. */
export function locksIn(value: unknown): LockList {
  const list = value === undefined ? { locks: [] } : readLockList(value);
  if (list === undefined) throw new LocksUnreadable('the list of locks has not its shape');
  return list;
}
