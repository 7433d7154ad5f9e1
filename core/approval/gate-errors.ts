import { SallyportError } from '../errors.ts';

/** The gate cannot keep the request, or cannot say what holds: the statement is refused. */
export class GateUnavailable extends SallyportError {
  readonly code = 'gate-unavailable';
}

/** Nobody could ever approve this request; the message says why, and what to change. */
export class RequestUnapprovable extends SallyportError {
  readonly code = 'request-unapprovable';
}
