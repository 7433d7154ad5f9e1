// One machine from its configuration: what it listens with, what keeps it from starting, what it leaves behind.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { dispatch } from '../../cli/dispatch.ts';
import { ListenerCertificate } from '../../standalone/listener-certificate.ts';
import { startMachine, type Machine } from '../../standalone/machine.ts';
import { readOperatorToken } from '../../standalone/operator-token.ts';
import { readRunning } from '../../standalone/running.ts';
import { startSigningIssuer, type SigningIssuer } from '../support/signing-issuer.ts';
import { keptIo } from '../support/verb-io.ts';
import { makeAuthority, type TestAuthority } from '../support/tls-files.ts';

let root: string;
let dataDir: string;
let configDir: string;
let log: string[];
const machines: Machine[] = [];
let issuer: SigningIssuer;
let authority: TestAuthority;

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'sallyport-machine-'));
  dataDir = join(root, 'data');
  configDir = join(root, 'config');
  mkdirSync(join(configDir, 'policies'), { recursive: true });
  writeFileSync(join(configDir, 'policies', 'a.cedar'), '@id("connect") permit (principal, action == Action::"connect", resource);');
  log = [];
  issuer = await startSigningIssuer();
  authority = makeAuthority();
});
afterEach(async () => {
  for (const machine of machines.splice(0)) await machine.stop();
  await issuer.stop();
  authority.remove();
  rmSync(root, { recursive: true, force: true });
});

function configure(listeners: string): void {
  writeFileSync(
    join(configDir, 'sallyport.yaml'),
    `listeners:\n${listeners}
issuers:
  - { name: corp, issuer: "${issuer.url}", audience: sallyport, approverClientIds: [console] }
targets:
  - { name: db, host: 127.0.0.1, port: 1, user: u, credential: env:PASSWORD, tls: { mode: disable } }
`,
  );
}

const PLAIN = '  postgres: { host: 127.0.0.1, port: 0 }\n  api: { host: 127.0.0.1, port: 0 }';

async function start(): Promise<Machine> {
  const machine = await startMachine({ configDir, dataDir, env: { PASSWORD: 'a-secret-of-the-target' }, log: (line) => log.push(line) });
  machines.push(machine);
  return machine;
}

function over(url: string, ca: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request(`${url}/healthz`, { ca }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on('error', reject)
      .end();
  });
}

describe('with a certificate for the API', () => {
  test('it answers over TLS alone, and the links it gives are https', async () => {
    const pem = authority.issue('IP:127.0.0.1');
    writeFileSync(join(root, 'api.crt'), pem.cert);
    writeFileSync(join(root, 'api.key'), pem.key);
    configure(
      '  postgres: { host: 127.0.0.1, port: 0 }\n  api: { host: 127.0.0.1, port: 0, tls: { certFile: ../api.crt, keyFile: ../api.key } }',
    );
    const machine = await start();
    expect(machine.api).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
    expect(await over(machine.api, authority.ca)).toBe(200);
    await expect(fetch(machine.api.replace('https', 'http'))).rejects.toThrow('fetch failed');
    expect(readRunning(dataDir)?.api).toBe(machine.api);
    // The command line does not know this authority, and says so instead of sending the operator token.
    const command = keptIo({ env: { SALLYPORT_DATA: dataDir } });
    expect(await dispatch(['approvals'], command)).toBe(1);
    expect(command.written.stderr).toMatch(/is not trusted here \([A-Z_]+\): name its authority's file/);
  });

  test('a key that is not the certificate’s keeps it from starting, and frees the data directory', async () => {
    writeFileSync(join(root, 'api.crt'), authority.issue('IP:127.0.0.1').cert);
    writeFileSync(join(root, 'api.key'), authority.issue('IP:127.0.0.1').key);
    configure(
      '  postgres: { host: 127.0.0.1, port: 0 }\n  api: { host: 127.0.0.1, port: 0, tls: { certFile: ../api.crt, keyFile: ../api.key } }',
    );
    await expect(start()).rejects.toMatchObject({ code: 'certificate-unusable', message: expect.stringContaining('api.crt') });
    configure(PLAIN);
    await start();
  });
});

describe('the certificate of a listener', () => {
  const files = (pem: { readonly cert: string; readonly key: string }): void => {
    writeFileSync(join(root, 'x.crt'), pem.cert);
    writeFileSync(join(root, 'x.key'), pem.key);
  };

  test('is taken up when it is renewed; one that cannot be used is reported once, and the old one stays', () => {
    const reported: unknown[] = [];
    const first = authority.issue('IP:127.0.0.1');
    files(first);
    const certificate = new ListenerCertificate({ certFile: 'x.crt', keyFile: 'x.key' }, root, (error) => reported.push(error));
    expect(certificate.look()).toBe(false);
    const context = certificate.context();
    for (const damage of ['', 'no certificate at all, and of another length', first.cert.slice(0, 200)]) {
      writeFileSync(join(root, 'x.crt'), damage);
      expect(certificate.look()).toBe(false);
    }
    rmSync(join(root, 'x.crt'));
    expect(certificate.context()).toBe(context);
    expect(certificate.pem.cert.toString()).toBe(first.cert);
    expect(reported).toHaveLength(1);
    const renewed = authority.issue('DNS:gateway.example');
    rmSync(join(root, 'x.key'));
    files(renewed);
    expect(certificate.look()).toBe(true);
    expect(certificate.pem.cert.toString()).toBe(renewed.cert);
    expect(certificate.context()).not.toBe(context);
  });
});

describe('what keeps it from starting', () => {
  test('another gateway on the same data directory, which goes on', async () => {
    configure(PLAIN);
    const first = await start();
    await expect(start()).rejects.toMatchObject({ code: 'data-directory-in-use', message: expect.stringContaining(String(process.pid)) });
    expect((await fetch(`${first.api}/healthz`)).status).toBe(200);
    expect(readRunning(dataDir)?.api).toBe(first.api);
  });

  test('a data directory that is a file, or below one', async () => {
    configure(PLAIN);
    writeFileSync(join(root, 'file'), '');
    for (dataDir of [join(root, 'file'), join(root, 'file', 'data')]) {
      await expect(start()).rejects.toMatchObject({ code: 'data-directory-unusable', message: expect.stringContaining(dataDir) });
    }
    expect(readFileSync(join(root, 'file'), 'utf8')).toBe('');
  });

  test('a port that is taken, after which everything is let go', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const address = taken.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    for (const listeners of [
      PLAIN.replace('postgres: { host: 127.0.0.1, port: 0', `postgres: { host: 127.0.0.1, port: ${port}`),
      PLAIN.replace('api: { host: 127.0.0.1, port: 0', `api: { host: 127.0.0.1, port: ${port}`),
    ]) {
      configure(listeners);
      await expect(start()).rejects.toMatchObject({ code: 'EADDRINUSE', port });
      expect(readRunning(dataDir)).toBeUndefined();
    }
    taken.close();
    configure(PLAIN);
    await start();
  });

  test('a configuration with findings, which are named', async () => {
    configure(PLAIN);
    writeFileSync(join(configDir, 'policies', 'a.cedar'), 'permit (principal, action, resource');
    await expect(start()).rejects.toMatchObject({ code: 'config-invalid', message: expect.stringContaining('policies/a.cedar:1') });
    expect(existsSync(dataDir)).toBe(false);
  });

  test.each(['request-digest.key', 'mask-hash.key', 'evidence-signing.pem'])('a damaged %s, which is not replaced', async (name) => {
    configure(PLAIN);
    await (await start()).stop();
    machines.length = 0;
    const path = join(dataDir, 'keys', name);
    writeFileSync(path, 'damaged', { mode: 0o600 });
    await expect(start()).rejects.toThrow(name);
    expect(readFileSync(path, 'utf8')).toBe('damaged');
  });
});

describe('what it leaves on the disk', () => {
  test('secrets are for this account only, and none is in the log, the evidence or running.json', async () => {
    configure(PLAIN);
    const machine = await start();
    const operator = readOperatorToken(dataDir) ?? 'none';
    await fetch(`${machine.api}/v1/approvals`, { headers: { authorization: `Bearer ${operator}` } });
    const presented = await issuer.sign({ sub: 'agent-7', aud: 'another', exp: 4_000_000_000 });
    await fetch(`${machine.api}/v1/sessions/s-1/renew`, { method: 'POST', headers: { authorization: `Bearer ${presented}` } });
    for (const name of ['running.json', 'operator-token', 'lock.db', 'state.db', 'keys/request-digest.key', 'keys/evidence-signing.pem']) {
      expect([name, statSync(join(dataDir, name)).mode & 0o077]).toEqual([name, 0]);
    }
    expect(statSync(dataDir).mode & 0o077).toBe(0);
    await machine.stop();
    machines.length = 0;
    const evidence = readdirSync(join(dataDir, 'evidence'), { recursive: true, encoding: 'utf8' })
      .map((name) => join(dataDir, 'evidence', name))
      .filter((path) => statSync(path).isFile())
      .map((path) => readFileSync(path, 'utf8'));
    const told = [...log, ...evidence].join('\n');
    for (const secret of [
      operator,
      presented,
      'a-secret-of-the-target',
      readFileSync(join(dataDir, 'keys', 'evidence-signing.pem'), 'utf8'),
    ])
      expect(told).not.toContain(secret);
  });

  test('a stop removes running.json, and the next start verifies what is there', async () => {
    configure(PLAIN);
    await (await start()).stop();
    machines.length = 0;
    expect(readRunning(dataDir)).toBeUndefined();
    await start();
    expect(readRunning(dataDir)?.pid).toBe(process.pid);
  });
});
