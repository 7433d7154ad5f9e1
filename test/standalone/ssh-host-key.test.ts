import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { utils } from 'ssh2';
import { knownHostsLine, makeHostKey, readHostKey } from '../../proxy-task/ssh/host-key.ts';
import { sshHostKey } from '../../standalone/ssh-host-key.ts';

let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'sallyport-host-key-'));
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

test('the key is made once, and is for the gateway’s account only', () => {
  const made = sshHostKey(dataDir);
  expect(sshHostKey(dataDir)).toEqual(made);
  expect(statSync(join(dataDir, 'keys', 'ssh-host.pem')).mode & 0o777).toBe(0o600);
  expect(made.publicKey).toMatch(/^ssh-ed25519 AAAA/);
  expect(made.fingerprint).toMatch(/^SHA256:[A-Za-z0-9+/]{43}$/);
});

test.each(['', 'x', '-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n'])(
  'a damaged key %.20j is not replaced',
  (text) => {
    sshHostKey(dataDir);
    writeFileSync(join(dataDir, 'keys', 'ssh-host.pem'), text);
    expect(() => sshHostKey(dataDir)).toThrow(/ssh-host\.pem/);
  },
);

test('neither a public key nor one of another kind is a host key', () => {
  expect(() => readHostKey(makeHostKey().publicKey, 'it')).toThrow(/no private/);
  expect(() => readHostKey(utils.generateKeyPairSync('ecdsa', { bits: 256 }).private, 'it')).toThrow(/no private/);
});

test('a thousand keys are all read again', () => {
  const fingerprints = new Set(Array.from({ length: 1_000 }, () => makeHostKey().fingerprint));
  expect(fingerprints.size).toBe(1_000);
});

test('the line for known_hosts names the port where it is another', () => {
  expect(knownHostsLine('gw', 2_222, 'ssh-ed25519 AAAA')).toBe('[gw]:2222 ssh-ed25519 AAAA');
  expect(knownHostsLine('gw', 22, 'ssh-ed25519 AAAA')).toBe('gw ssh-ed25519 AAAA');
});
