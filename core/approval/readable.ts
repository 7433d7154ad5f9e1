import type { ApprovalRequest } from './approval.ts';

/** What a person reads must be readable, and it must fit an item of a state table (400 KB) with its escapes. */
export const MAX_TEXT_BYTES = 65_536;

/** Nobody can judge more than this, and an agent that asks for more is stuck in a loop. */
export const MAX_PENDING_PER_PRINCIPAL = 100;

/** Why nobody could read this request, or undefined. */
export function unreadable({ text, executes, environment, parameters, reasonGiven }: ApprovalRequest): string | undefined {
  const read = [text, executes ?? '', reasonGiven, ...(environment ?? []), ...parameters];
  const bytes = read.reduce<number>((sum, part) => sum + Buffer.byteLength(part ?? ''), 0);
  return bytes > MAX_TEXT_BYTES
    ? `the statement with its parameters has ${bytes} bytes, and nobody can judge more than ${MAX_TEXT_BYTES}: send it in parts`
    : undefined;
}
