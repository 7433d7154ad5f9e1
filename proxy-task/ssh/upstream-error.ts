import { SallyportError } from '../../core/errors.ts';
import { type HostRefusal, targetUnavailable } from './refusal.ts';

/** Why there is no connection to the host. All but the first three need the operator. */
export type HostFault = 'unreachable' | 'timedOut' | 'canceled' | 'hostKey' | 'credential' | 'protocol';

/** No connection to the host. The message is for the operator's log and never holds the secret; clients get `upstreamRefusal`. */
export class HostUnavailable extends SallyportError {
  readonly code = 'host-unavailable';
  readonly fault: HostFault;

  constructor(fault: HostFault, message: string, options?: ErrorOptions) {
    super(message, options);
    this.fault = fault;
  }
}

/** What a client is told: whose turn it is, and nothing about the gateway's own account. */
export function upstreamRefusal(target: string, error: HostUnavailable): HostRefusal {
  switch (error.fault) {
    case 'unreachable':
    case 'timedOut':
    case 'canceled':
      return targetUnavailable(target, 'unreachable');
    case 'hostKey':
    case 'credential':
    case 'protocol':
      return targetUnavailable(target, 'misconfigured');
  }
}
