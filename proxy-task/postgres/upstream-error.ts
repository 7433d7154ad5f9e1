import { SallyportError } from '../../core/errors.ts';
import type { ErrorField } from './messages/error-response.ts';
import { errorField } from './messages/error-response.ts';
import { type Refusal, targetUnavailable } from './refusal.ts';

/**
 * Why there is no session on the target. `credential` to `version` need the operator: the agent can do nothing about
 * them. `canceled`: the caller's own signal.
 */
export type UpstreamFault =
  | 'unreachable'
  | 'timedOut'
  | 'tooManyConnections'
  | 'startingUp'
  | 'credential'
  | 'refused'
  | 'tls'
  | 'protocol'
  | 'version'
  | 'canceled';

/** No session on the target. The message is for the operator's log and never holds the secret; clients get `upstreamRefusal`. */
export class UpstreamUnavailable extends SallyportError {
  readonly code = 'upstream-unavailable';
  readonly fault: UpstreamFault;
  /** The target's own SQLSTATE, where it sent one. */
  readonly sqlstate: string | undefined;

  constructor(fault: UpstreamFault, message: string, options?: ErrorOptions & { readonly sqlstate?: string }) {
    super(message, options);
    this.fault = fault;
    this.sqlstate = options?.sqlstate;
  }
}

/** What the target said to the login. */
export function loginRefused(fields: readonly ErrorField[]): UpstreamUnavailable {
  const sqlstate = errorField(fields, 'C') ?? '';
  const text = errorField(fields, 'M') ?? 'no message';
  return new UpstreamUnavailable(faultOf(sqlstate), `the target refused the login: ${sqlstate} ${text}`, { sqlstate });
}

/** What a client is told: whose turn it is, and nothing about the gateway's own account. */
export function upstreamRefusal(target: string, error: UpstreamUnavailable): Refusal {
  switch (error.fault) {
    case 'unreachable':
    case 'timedOut':
    case 'canceled':
      return targetUnavailable(target, 'unreachable');
    case 'tooManyConnections':
    case 'startingUp':
      return targetUnavailable(target, error.fault);
    case 'credential':
    case 'refused':
    case 'tls':
    case 'protocol':
    case 'version':
      return targetUnavailable(target, 'misconfigured');
  }
}

function faultOf(sqlstate: string): UpstreamFault {
  if (sqlstate === '53300') return 'tooManyConnections';
  if (sqlstate.startsWith('57P')) return 'startingUp';
  if (sqlstate.startsWith('28')) return 'credential';
  return 'refused';
}
