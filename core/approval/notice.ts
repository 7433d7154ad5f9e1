/** Where the workflow of an approval waits, and whether people were told: an item of the notices table. */
import { Fields } from './fields.ts';

export type Notice = {
  /** Completes the workflow's present step. */
  readonly taskToken?: string;
  /** Channels by which people were told. */
  readonly told?: readonly string[];
  /** When people were told by all channels; absent until then. */
  readonly toldAtMs?: number;
};

/** Throws FieldMalformed. */
export function parseNotice(body: unknown): Notice {
  const fields = new Fields(body, 'the notice');
  return {
    ...(fields.has('taskToken') ? { taskToken: fields.text('taskToken') } : {}),
    ...(fields.has('told') ? { told: fields.texts('told') } : {}),
    ...(fields.has('toldAtMs') ? { toldAtMs: fields.number('toldAtMs') } : {}),
  };
}
