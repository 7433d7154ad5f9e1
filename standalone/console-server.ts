/** The console's listener on one machine: plain HTTP on loopback, TLS anywhere else. */
import { createServer, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { getRequestListener } from '@hono/node-server';
import { createConsole } from '../console/app.ts';
import type { ConsolePorts } from '../console/ports.ts';
import { isLoopback } from '../core/config/loopback.ts';
import { SallyportError } from '../core/errors.ts';

export type ConsoleServer = {
  readonly url: string;
  /** For a certificate that was renewed: new connections get it. Without TLS, nothing changes. */
  replaceCertificate(certificate: ConsoleCertificate): void;
  stop(): Promise<void>;
};

/** People and commands, not traffic: what keeps connections open in numbers is no use of it. */
const MAX_CONNECTIONS = 1_000;

/** PEM. */
export type ConsoleCertificate = { readonly cert: string | Buffer; readonly key: string | Buffer };

export type ConsoleListen = { readonly host: string; readonly port: number; readonly tls?: ConsoleCertificate };

/** Sign-ins and the operator token would cross a network in clear. */
export class ConsoleNeedsTls extends SallyportError {
  readonly code = 'console-needs-tls';
}

/**
 * Listens first, so that port 0 works, and asks for the ports with the address that came of it. The console answers
 * to that address by number and as `localhost`, and to `publicUrl`. Throws ConsoleNeedsTls off loopback without TLS.
 */
export async function serveConsole(
  listen: ConsoleListen,
  portsAt: (url: string) => Omit<ConsolePorts, 'alsoHosts'>,
): Promise<ConsoleServer> {
  const { tls } = listen;
  if (tls === undefined && !isLoopback(listen.host)) {
    throw new ConsoleNeedsTls(`the console may listen on ${listen.host} only with TLS: set listeners.api.tls in sallyport.yaml`);
  }
  // A client that sends its request byte by byte holds only its own connection, and not for ever.
  const patience = { headersTimeout: 10_000, requestTimeout: 30_000, connectionsCheckingInterval: 2_000 };
  const secure = tls === undefined ? undefined : createTlsServer({ ...tls, ...patience, minVersion: 'TLSv1.2', handshakeTimeout: 10_000 });
  const server: Server = secure ?? createServer(patience);
  server.maxConnections = MAX_CONNECTIONS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(listen.port, listen.host, resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the console has no port');
  const host = listen.host.includes(':') && !listen.host.startsWith('[') ? `[${listen.host}]` : listen.host;
  const url = `${tls === undefined ? 'http' : 'https'}://${host}:${address.port}`;
  const app = createConsole({ ...portsAt(url), alsoHosts: [`${host}:${address.port}`, `localhost:${address.port}`] });
  const answer = getRequestListener(app.fetch);
  server.on('request', (request, response) => void answer(request, response));
  return {
    url,
    replaceCertificate: (certificate) => secure?.setSecureContext({ ...certificate, minVersion: 'TLSv1.2' }),
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
