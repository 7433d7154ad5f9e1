/** The console's listener on one machine: loopback, or behind TLS that somebody else ends. */
import { createServer } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import { createConsole } from '../console/app.ts';
import type { ConsolePorts } from '../console/ports.ts';

export type ConsoleServer = { readonly url: string; stop(): Promise<void> };

/**
 * Listens first, so that port 0 works, and asks for the ports with the address that came of it. The console answers
 * to that address by number and as `localhost`, and to `publicUrl`.
 */
export async function serveConsole(
  listen: { readonly host: string; readonly port: number },
  portsAt: (url: string) => Omit<ConsolePorts, 'alsoHosts'>,
): Promise<ConsoleServer> {
  const server = createServer();
  // A client that sends its request byte by byte holds only its own connection, and not for ever.
  server.headersTimeout = 10_000;
  server.requestTimeout = 30_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(listen.port, listen.host, resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the console has no port');
  const host = listen.host.includes(':') ? `[${listen.host}]` : listen.host;
  const url = `http://${host}:${address.port}`;
  const app = createConsole({ ...portsAt(url), alsoHosts: [`${host}:${address.port}`, `localhost:${address.port}`] });
  const answer = getRequestListener(app.fetch);
  server.on('request', (request, response) => void answer(request, response));
  return {
    url,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
