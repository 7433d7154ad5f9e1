import { SallyportError } from '../../../core/errors.ts';

/** Bytes that are no message of the protocol inside a channel: the peer's fault. Nothing after them can be trusted, so the channel ends. */
export class MalformedMessage extends SallyportError {
  readonly code = 'malformed-message';
}
