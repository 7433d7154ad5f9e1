/** What the process that stores requests answers to an ask. */
import type { ApprovalRequest } from './approval.ts';
import { Fields } from './fields.ts';
import { parseRequest } from './stored-approval.ts';

export type AskAnswer =
  | { readonly kind: 'stored'; readonly request: ApprovalRequest }
  /** Nobody could ever approve it; the reason is for the agent. */
  | { readonly kind: 'unapprovable'; readonly reason: string }
  /** Not now; the reason is for operators. */
  | { readonly kind: 'unavailable'; readonly reason: string };

/** Throws FieldMalformed. */
export function parseAskAnswer(value: unknown): AskAnswer {
  const fields = new Fields(value, 'the answer');
  const kind = fields.oneOf('kind', ['stored', 'unapprovable', 'unavailable']);
  return kind === 'stored' ? { kind, request: parseRequest(fields.record('request')) } : { kind, reason: fields.text('reason') };
}
