import { MalformedMessage } from './malformed-message.ts';
import { MessageReader } from './message-reader.ts';
import { MessageWriter } from './message-writer.ts';

/** Idle, in a transaction, in a failed transaction. */
export type TransactionStatus = 'I' | 'T' | 'E';

/** `Z` from the target. Throws MalformedMessage. */
export function decodeReadyForQuery(buffer: Buffer, start: number, end: number): TransactionStatus {
  const reader = new MessageReader('ReadyForQuery', buffer, start, end);
  const status = String.fromCharCode(reader.byte());
  reader.finish();
  if (status === 'I' || status === 'T' || status === 'E') return status;
  throw new MalformedMessage('malformed ReadyForQuery message: unknown transaction status');
}

/** `Z` to the client. */
export function encodeReadyForQuery(status: TransactionStatus): Buffer {
  return new MessageWriter().begin('Z').byte(status.charCodeAt(0)).end().finish();
}
