/** What a statement changes for those after it. */
import type { Context } from './context.ts';
import { callFunctions } from './functions.ts';

/** DDL: names, types, functions and temporary objects may all mean something else afterwards. */
export function dirtyAll(context: Context): void {
  context.writing = true;
  context.changesNames = true;
  context.control.dirtiesState = true;
  context.control.dirtiesCatalog = true;
  // DDL runs the target's event triggers without naming them.
  for (const trigger of context.environment.catalog.eventTriggers ?? []) {
    if (trigger.event !== 'login') callFunctions(context, [trigger.functionOid], `event trigger ${trigger.name}`);
  }
}

/** SET, RESET, DISCARD: settings, path and temporary objects are read again. */
export function dirtyState(context: Context): void {
  context.writing = true;
  context.changesNames = true;
  context.control.dirtiesState = true;
}
