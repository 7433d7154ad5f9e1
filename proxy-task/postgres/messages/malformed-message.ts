import { SallyportError } from '../../../core/errors.ts';

/**
 * Bytes that are no message of the PostgreSQL protocol: the peer's fault. Nothing can be trusted to follow, so it ends
 * the connection (SQLSTATE 08P01).
 */
export class MalformedMessage extends SallyportError {
  readonly code = 'malformed-message';
}

/**
 * A well-framed message whose text is no UTF-8. PostgreSQL refuses the message and goes on (22021); the gateway refuses
 * it as unjudgeable (ZG014), because two names that differ in invalid bytes would look the same to it.
 */
export class WrongEncoding extends SallyportError {
  readonly code = 'wrong-encoding';
}
