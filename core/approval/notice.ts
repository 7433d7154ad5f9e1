/** Where the workflow of an approval waits, and whether people were told: an item of the notices table. */
import { Fields } from './fields.ts';

export type Notice = {
  /** Completes the workflow's present step. */
  readonly taskToken?: string;
  /** When people were told; absent until then. */
  readonly toldAtMs?: number;
};

/** Throws FieldMalformed. */
export function parseNotice(body: unknown): Notice {
  const fields = new Fields(body, 'the notice');
  return {
    ...(fields.has('taskToken') ? { taskToken: fields.text('taskToken') } : {}),
    ...(fields.has('toldAtMs') ? { toldAtMs: fields.number('toldAtMs') } : {}),
  };
}
