/** What a statement changes for those after it. */
import type { Context } from './context.ts';

/** DDL: names, types, functions and temporary objects may all mean something else afterwards. */
export function dirtyAll(context: Context): void {
  context.writing = true;
  context.changesNames = true;
  context.control.dirtiesState = true;
  context.control.dirtiesCatalog = true;
}

/** SET, RESET, DISCARD: settings, path and temporary objects are read again. */
export function dirtyState(context: Context): void {
  context.writing = true;
  context.changesNames = true;
  context.control.dirtiesState = true;
}
