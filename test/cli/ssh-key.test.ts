import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getRequestListener } from '@hono/node-server';
import { Hono } from 'hono';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { verb } from '../../cli/ssh-key.ts';
import { proveKey, readKeyFile } from '../../cli/ssh-proof.ts';
import { sshKeyRoutes } from '../../console/ssh-key-routes.ts';
import { ed25519Blob, openSshPrivateKey } from '../../core/credential/openssh-private-key.ts';
import { TokenRefused } from '../../core/identity/token-refused.ts';
import { loginId, PROOF_NAMESPACE, type StoredLogin } from '../../core/ssh/login.ts';
import { sshsigSigner } from '../../core/ssh/sshsig.ts';
import { writeRunning } from '../../standalone/running.ts';
import { keptIo } from '../support/verb-io.ts';

const NO_PROGRAM = '/no/such/ssh-keygen';
let server: Server;
let api: string;
let directory: string;
let keyFile: string;
let blob: Buffer;
const stored = new Map<string, StoredLogin>();

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sallyport-ssh-key-'));
  keyFile = join(directory, 'agent key');
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  blob = ed25519Blob(publicKey);
  writeFileSync(keyFile, openSshPrivateKey(privateKey), { mode: 0o600 });
  writeFileSync(`${keyFile}.pub`, `ssh-ed25519 ${blob.toString('base64')} agent\n`);
  server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  api = `http://127.0.0.1:${address.port}`;
  const app = new Hono().route(
    '/v1',
    sshKeyRoutes({
      ssh: {
        logins: { keep: async (id, login) => stored.set(id, login).size > 0 },
        verifyToken: async (token) => {
          if (token !== 'a.b.c') throw new TokenRefused('signature');
          return { issuer: 'corp', agent: 'agent-7', groups: [], expiresAtMs: 2_000_000_000_000 };
        },
        address: () => ({ host: '0.0.0.0', port: 2_222, hostKey: 'ssh-ed25519 AAAAhost' }),
      },
      clock: { now: () => Date.UTC(2030, 0, 1) },
      randomToken: () => 'c'.repeat(43),
      publicUrl: api,
    }),
  );
  const answer = getRequestListener(app.fetch);
  server.on('request', (request, response) => void answer(request, response));
  writeRunning(directory, { pid: process.pid, api, postgres: { host: '127.0.0.1', port: 1 } });
});
afterAll(() => {
  server.close();
  rmSync(directory, { recursive: true, force: true });
});
beforeEach(() => stored.clear());

async function run(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const io = keptIo({ env: { SALLYPORT_DATA: directory, SALLYPORT_TOKEN: 'a.b.c', ...env } });
  return { status: await verb.run(args, io), text: io.written.stdout };
}

describe('sallyport ssh-key', () => {
  test('registers the key and prints how to use it', async () => {
    const { status, text } = await run([keyFile, '--target', 'deploy+web1']);
    expect(status).toBe(0);
    expect(text).toContain('logs in as corp/agent-7 until 2030-01-01T00:15:00.000Z');
    expect(text).toContain(`ssh -i '${keyFile}' -o IdentitiesOnly=yes -p 2222 deploy+web1@127.0.0.1\n`);
    expect(text).toContain('[127.0.0.1]:2222 ssh-ed25519 AAAAhost\n');
    expect([...stored.keys()]).toEqual([loginId('key', blob)]);
    expect(text).not.toContain('a.b.c');
  });

  test('takes the name of the public half as well, and answers as JSON', async () => {
    const { text } = await run([`${keyFile}.pub`, '--json', '--api', api]);
    expect(JSON.parse(text)).toMatchObject({ principal: 'corp/agent-7', port: 2_222, knownHosts: '[127.0.0.1]:2222 ssh-ed25519 AAAAhost' });
  });

  test('gets a code', async () => {
    const { text } = await run(['--code', '--target', 'web1']);
    expect(text).toMatch(/^c{43}\n/);
    expect(text).toContain('web1@127.0.0.1');
    expect([...stored.keys()]).toEqual([loginId('code', 'c'.repeat(43))]);
  });

  test.each([
    [['x', 'y'], 'usage'],
    [[], 'usage'],
    [['--code', 'x'], 'usage'],
    [['/no/such/key'], 'key-unusable'],
    [['--api', 'http://gateway.example', '--code'], 'usage'],
  ])('%j is refused as %s', async (args, code) => {
    await expect(run(args)).rejects.toMatchObject({ code });
  });

  test('without a token, or with a wrong one, nothing is registered', async () => {
    await expect(run([keyFile], { SALLYPORT_TOKEN: '' })).rejects.toMatchObject({ code: 'usage' });
    await expect(run([keyFile], { SALLYPORT_TOKEN: 'x.y.z' })).rejects.toMatchObject({ code: 'gateway-refused' });
    expect(stored.size).toBe(0);
  });

  test('a gateway elsewhere gets no proof that is good at another address', async () => {
    const elsewhere = api.replace('127.0.0.1', 'localhost');
    await expect(run([keyFile, '--api', elsewhere])).rejects.toThrow(`known as ${api}`);
  });
});

describe('a proof without ssh-keygen', () => {
  test('is made by an ed25519 key', async () => {
    const armored = await proveKey(await readKeyFile(keyFile), 'm', NO_PROGRAM);
    expect(sshsigSigner(armored, 'm', PROOF_NAMESPACE)?.blob).toEqual(blob);
  });

  test('is not made with the public half of another key', async () => {
    const other = ed25519Blob(generateKeyPairSync('ed25519').publicKey).toString('base64');
    await expect(proveKey({ path: keyFile, publicKey: `ssh-ed25519 ${other}` }, 'm', NO_PROGRAM)).rejects.toThrow('belong together');
  });
});
