/**
 * Which approvals are not closed yet, by the hour in which they were asked: the list by which a sweep finds what a workflow did
 * not finish. An id stands on it before its request is stored, and leaves it when its outcome is in the evidence.
 */

const HOUR_MS = 3_600_000;
/** People may take seven days at most (`@expires`), and the sweep may have rested for one. */
const HOURS = 8 * 24;

/** Item of the notices table for requests of this time. */
export function dueItem(atMs: number): string {
  return `due#${Math.floor(atMs / HOUR_MS)}`;
}

/** Every such item that may still list something, the newest first. */
export function dueItems(nowMs: number): readonly string[] {
  return Array.from({ length: HOURS }, (_, hour) => dueItem(nowMs - hour * HOUR_MS));
}

export interface DueList {
  /** Of these items, those that list something. */
  read(items: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>>;
  /** Takes ids off the list. */
  remove(item: string, ids: readonly string[]): Promise<void>;
}
