import { createHash, randomBytes, X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { certificateHash } from '../../../proxy-task/postgres/certificate-hash.ts';
import { saslprep } from '../../../proxy-task/postgres/saslprep.ts';
import { type ChannelBinding, ScramExchange, ScramKeyCache } from '../../../proxy-task/postgres/scram.ts';
import { makeAuthority, type TestAuthority } from '../../support/tls-files.ts';

const SERVER_NONCE = 'rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0';
const SALT = 'W22ZaJ0SNY7soEsUEjb6gQ==';

const exchange = (binding: ChannelBinding = { kind: 'none' }): ScramExchange =>
  new ScramExchange({
    password: 'pencil',
    clientNonce: 'rOprNGfwEbeRWgbNEkqO',
    binding,
    keys: new ScramKeyCache({ hashKey: randomBytes(32) }),
  });
const serverFirst = (changes: { nonce?: string; salt?: string; iterations?: string; after?: string } = {}): Buffer =>
  Buffer.from(`r=${changes.nonce ?? SERVER_NONCE},s=${changes.salt ?? SALT},i=${changes.iterations ?? '4096'}${changes.after ?? ''}`);

describe('a server that may be false is not answered', () => {
  test.each([
    ['a foreign nonce', { nonce: 'somethingElse' }],
    ['its own nonce left empty', { nonce: 'rOprNGfwEbeRWgbNEkqO' }],
    ['no salt', { salt: '' }],
    ['a salt that is no base 64', { salt: 'W22Z*' }],
    ['too few iterations', { iterations: '4095' }],
    ['too many iterations', { iterations: '1000001' }],
    ['iterations that are no number', { iterations: '4096e9' }],
    ['an extension', { after: ',m=1' }],
  ])('%s', async (_name, changes) => {
    await expect(exchange().final(serverFirst(changes))).rejects.toMatchObject({ code: 'scram-failed' });
  });

  test('a mandatory extension in front', async () => {
    await expect(exchange().final(Buffer.concat([Buffer.from('m=1,'), serverFirst()]))).rejects.toMatchObject({ code: 'scram-failed' });
  });

  test.each(['', 'v=', `v=${'A'.repeat(43)}=`, 'e=other-error', `v=${'A'.repeat(44)}`])('the signature %j', async (final) => {
    const client = exchange();
    await client.final(serverFirst());
    expect(() => client.verify(Buffer.from(final))).toThrow(expect.objectContaining({ code: 'scram-failed' }));
  });

  test('a signature before the exchange', () => {
    expect(() => exchange().verify(Buffer.from(`v=${'A'.repeat(43)}=`))).toThrow(expect.objectContaining({ code: 'scram-failed' }));
  });
});

describe('channel binding', () => {
  test.each([
    [{ kind: 'none' }, 'n,,', 'SCRAM-SHA-256'],
    [{ kind: 'unoffered' }, 'y,,', 'SCRAM-SHA-256'],
    [{ kind: 'bound', data: Buffer.from('hash') }, 'p=tls-server-end-point,,', 'SCRAM-SHA-256-PLUS'],
  ] as const)('%j', async (binding, header, mechanism) => {
    const client = exchange(binding);
    expect(client.mechanism).toBe(mechanism);
    expect(client.first().toString()).toBe(`${header}n=,r=rOprNGfwEbeRWgbNEkqO`);
    const bound = binding.kind === 'bound' ? `${header}hash` : header;
    expect((await client.final(serverFirst())).toString()).toContain(`c=${Buffer.from(bound).toString('base64')},r=${SERVER_NONCE},p=`);
  });
});

describe('the hash of a certificate', () => {
  let authority: TestAuthority;
  beforeAll(() => {
    authority = makeAuthority();
  });
  afterAll(() => authority.remove());

  test('is the one of its signature: SHA-384 here', () => {
    const der = new X509Certificate(authority.issue('DNS:localhost').cert).raw;
    expect(certificateHash(der)).toEqual(createHash('sha384').update(der).digest());
  });

  test('is SHA-256 for the authority itself', () => {
    const der = new X509Certificate(authority.ca).raw;
    expect(certificateHash(der)).toEqual(createHash('sha256').update(der).digest());
  });

  test('does not exist for bytes that are cut or no certificate', () => {
    const der = new X509Certificate(authority.ca).raw;
    for (let length = 0; length < 400 && length < der.length; length++) expect(certificateHash(der.subarray(0, length))).toBeUndefined();
    expect(certificateHash(Buffer.from([0x30, 0x85, 1, 1, 1, 1, 1]))).toBeUndefined();
  });
});

test.each([
  ['I\u00adX', 'IX'],
  ['user', 'user'],
  ['USER', 'USER'],
  ['\u00aa', 'a'],
  ['\u2168', 'IX'],
  ['a\u00a0b', 'a b'],
  ['\u00bd', '1\u20442'],
  // Prohibited: taken as it is.
  ['a\u0007\u2168', 'a\u0007\u2168'],
  ['\u00ad', '\u00ad'],
])('saslprep(%j) is %j', (password, prepared) => {
  expect(saslprep(password)).toBe(prepared);
});
