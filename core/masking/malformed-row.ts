import { SallyportError } from '../errors.ts';

/**
 * The target sent rows that do not follow their own framing, or not the shape that was planned: nothing of them can be
 * released, and the session ends. The message never holds row data.
 */
export class MalformedRow extends SallyportError {
  readonly code = 'malformed-row';
}
