import { connect } from 'node:tls';
import { expect, test } from 'vitest';
import type { ConsolePorts } from '../../console/ports.ts';
import { serveConsole } from '../../standalone/console-server.ts';
import { makeAuthority } from '../support/tls-files.ts';

const never = async (): Promise<never> => {
  throw new Error('not asked here');
};

function portsAt(url: string): Omit<ConsolePorts, 'alsoHosts'> {
  return {
    desk: { read: async () => undefined, list: async () => [], vote: never },
    verifyIdToken: never,
    signIn: { start: never, finish: never },
    signInStore: { putFlow: never, takeFlow: never, putSession: never, readSession: never, dropSession: never },
    sessions: { list: async () => ({ sessions: [], more: false }), end: async () => false },
    locks: { locks: async () => [], lock: async () => 0, unlock: async () => false },
    renewal: { renew: never },
    operatorOf: async () => undefined,
    operatorHelp: '',
    clock: { now: () => 0 },
    randomToken: () => '',
    publicUrl: url,
    report: () => {},
    cliSignIn: { issuer: '', clientId: '' },
  };
}

test.each(['0.0.0.0', '::', '192.0.2.1', 'gateway.example'])('the console does not listen on %s without TLS', async (host) => {
  await expect(serveConsole({ host, port: 0 }, portsAt)).rejects.toMatchObject({ code: 'console-needs-tls' });
});

test('a port that is taken is an error, not another port', async () => {
  const first = await serveConsole({ host: '127.0.0.1', port: 0 }, portsAt);
  const port = Number(new URL(first.url).port);
  await expect(serveConsole({ host: '127.0.0.1', port }, portsAt)).rejects.toMatchObject({ code: 'EADDRINUSE' });
  await first.stop();
});

test('with TLS it answers under its certificate, and under the renewed one afterwards', async () => {
  const authority = makeAuthority();
  const server = await serveConsole({ host: '127.0.0.1', port: 0, tls: authority.issue('IP:127.0.0.1') }, portsAt);
  expect(server.url).toMatch(/^https:/);
  const port = Number(new URL(server.url).port);
  expect(await subjectAt(port, authority.ca)).toBe('server-1');
  server.replaceCertificate(authority.issue('IP:127.0.0.1'));
  expect(await subjectAt(port, authority.ca)).toBe('server-2');
  await expect(fetch(`http://127.0.0.1:${port}/healthz`)).rejects.toThrow('fetch failed');
  await server.stop();
  authority.remove();
});

/** The name in the certificate, after one request was answered over the verified connection. */
function subjectAt(port: number, ca: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, ca }, () => {
      const { CN } = socket.getPeerCertificate().subject;
      socket.write(`GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\n\r\n`);
      socket.once('data', (data) => {
        socket.destroy();
        if (data.toString('latin1').startsWith('HTTP/1.1 200')) resolve(String(CN));
        else reject(new Error('not answered'));
      });
    });
    socket.once('error', reject);
  });
}
