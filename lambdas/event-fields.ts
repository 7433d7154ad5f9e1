/** Fields of an event, which is anything until it has been read. */
import { SallyportError } from '../core/errors.ts';
import { readShown, type Shown } from '../core/identity/shown.ts';

/** The event is not what this function takes; the message names the field. */
export class EventRefused extends SallyportError {
  readonly code = 'event-refused';
}

/** Longer texts are refused field by field; what may be longer is read by its own function. */
const MAX_CHARACTERS = 16_384;

export type EventFields = Readonly<Record<string, unknown>>;

/** Throws EventRefused where the event is no JSON object. */
export function fieldsOf(event: unknown, what = 'the event'): EventFields {
  if (typeof event !== 'object' || event === null || Array.isArray(event)) throw new EventRefused(`${what} is no JSON object`);
  return { ...event };
}

/** A text that must be there and not be empty. Throws EventRefused. */
export function textField(fields: EventFields, name: string, maxCharacters = MAX_CHARACTERS): string {
  const value = fields[name];
  if (typeof value !== 'string' || value === '') throw new EventRefused(`\`${name}\` is not a text`);
  if (value.length > maxCharacters) throw new EventRefused(`\`${name}\` has more than ${maxCharacters} characters`);
  return value;
}

/** One of a few words. Throws EventRefused. */
export function wordField<const W extends string>(fields: EventFields, name: string, words: readonly W[]): W {
  const found = words.find((word) => word === fields[name]);
  if (found === undefined) throw new EventRefused(`\`${name}\` is not one of ${words.join(', ')}`);
  return found;
}

/** What the agent has shown: `token`, or `certificate` with what its key has signed. Throws EventRefused. */
export function shownField(fields: EventFields): Shown {
  const shown = readShown(fields);
  if (shown === undefined) throw new EventRefused('there is neither one `token` nor one `certificate` that can be read');
  return shown;
}
