/** Listens for PostgreSQL clients: from an accepted connection to one that has said who it is. */
import { listen, type Listener, type ListenerLimits, type PortOptions } from '../listener.ts';
import { endSocket } from '../socket-ending.ts';
import type { CancelKey } from './messages/backend-key-data.ts';
import { encodeRefusal, reconnect, tooManyConnections } from './refusal.ts';
import { acceptStartup, type ClientCandidate, type StartupPolicy } from './startup.ts';

export type PostgresListenerOptions = PortOptions & {
  readonly limits: ListenerLimits;
  readonly startup: StartupPolicy;
  /** Owns the socket of the candidate. What it throws or rejects with ends that connection. */
  readonly onClient: (candidate: ClientCandidate) => void | Promise<void>;
  readonly onCancel: (key: CancelKey, remoteAddress: string) => void | Promise<void>;
};

/** Rejects when the address cannot be bound. */
export function listenForPostgres(options: PostgresListenerOptions): Promise<Listener> {
  const { startup, clock, onClient, onCancel, onError } = options;
  return listen({
    ...options,
    startupTimeoutMs: startup.timeoutMs,
    lastWords: (why) => encodeRefusal(why === 'stopping' ? STOPPING : tooManyConnections('sorry, too many clients already')),
    onArrival: async (arrival) => {
      const candidate = await acceptStartup(arrival, startup, {
        clock,
        onCancel: (key, address) =>
          void Promise.resolve(key)
            .then((asked) => onCancel(asked, address))
            .catch(onError),
        onRefused: arrival.refused,
      });
      const isWelcome = arrival.introduced();
      if (candidate === undefined) return;
      if (isWelcome) await onClient(candidate);
      else endSocket(candidate.socket, encodeRefusal(STOPPING), clock);
    },
  });
}

const STOPPING = reconnect('the gateway is shutting down');
