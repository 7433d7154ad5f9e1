import { describe, expect, test } from 'vitest';
import { readShown, shownFields } from '../../../core/identity/shown.ts';
import { decodeProof, encodeProof, judgeProof, type CertificateProof, type ProofContext } from '../../../core/ssh/certificate-proof.ts';
import { certificateLogin, signedRequest, type LoginFields } from '../../support/certificate-logins.ts';
import { ed25519Pair, sshCertificate } from '../../support/ssh-fixtures.ts';

const authority = ed25519Pair();
const key = ed25519Pair();
const context: ProofContext = {
  authorities: [{ issuer: 'corp', publicKey: { type: 'ssh-ed25519', blob: authority.blob }, agentFrom: 'keyId' }],
  agents: [{ name: 'corp/agent-7', owner: 'owen@bank.example', groups: ['corp/ops'] }],
  defaultAccount: (target) => (target === 'web1' ? 'deploy' : undefined),
  nowMs: Date.UTC(2030, 0, 1),
};
const login = (fields: Partial<LoginFields> = {}): CertificateProof => certificateLogin({ authority, key, ...fields });

describe('a login by certificate, read by whoever was not there', () => {
  test('names its agent with what is configured of it, its target and its account', () => {
    expect(judgeProof(login(), context)).toMatchObject({
      kind: 'proven',
      principal: { issuer: 'corp', agent: 'agent-7', owner: 'owen@bank.example', groups: ['corp/ops'] },
      targetName: 'web1',
      account: 'deploy',
    });
    expect(judgeProof(login({ user: 'root+web1' }), context)).toMatchObject({ targetName: 'web1', account: 'root' });
  });

  const blob = sshCertificate({ key, authority });
  test.each<[string, CertificateProof]>([
    ['that another key has signed', login({ signer: ed25519Pair() })],
    ['that its authority has signed', login({ signer: authority })],
    ['of an authority that nobody configured', certificateLogin({ authority: ed25519Pair(), key })],
    ['that has expired', login({ validBeforeS: 1n })],
    ['that begins later', login({ validAfterS: 3_900_000_000n })],
    ['that never ends', login({ validBeforeS: 2n ** 64n - 1n })],
    ['of a host', login({ kind: 2 })],
    ['with a critical option that is not known', login({ critical: [['no-touch', '']] })],
    ['from another address', login({ critical: [['source-address', '10.9.0.0/16']] })],
    ['for another target than its principals', login({ principals: ['db1'] })],
    ['for another target than it is good for', login({ user: 'db1' })],
    ['whose user is no name', login({ user: 'a+b+web1' })],
    ['over something else', login({ signed: Buffer.from('SSHSIG and more') })],
    ['over nothing', login({ signed: Buffer.alloc(0) })],
    ['over a request of another service', { ...login({ signed: signedRequest('web1', blob, { service: 'ssh-userauth' }) }), blob }],
    ['over another message', login({ signed: signedRequest('web1', blob, { message: 51 }) })],
    ['over a request with another certificate', login({ signed: signedRequest('web1', blob) })],
    ['over a request that goes on', { ...login(), signed: Buffer.concat([login().signed, Buffer.from([0])]) }],
    ['whose request was changed afterwards', { ...login(), signed: login().signed }],
    ['by another algorithm', { ...login(), algorithm: 'rsa-sha2-256-cert-v01@openssh.com' }],
    ['by the algorithm of a plain key', { ...login(), algorithm: 'ssh-ed25519' }],
    ['without a certificate', { ...login(), blob: key.blob }],
  ])('one %s proves nothing', (_, proof) => {
    expect(judgeProof(proof, context).kind).toBe('refused');
  });

  test('survives the way as JSON', () => {
    const proof = login();
    expect(decodeProof(JSON.parse(JSON.stringify(encodeProof(proof))))).toEqual(proof);
    expect(readShown(JSON.parse(JSON.stringify(shownFields({ kind: 'certificate', proof }))))).toEqual({ kind: 'certificate', proof });
  });

  const encoded = encodeProof(login());
  test.each<[string, unknown]>([
    ['null', null],
    ['nothing of it', {}],
    ['no signature', { ...encoded, signature: undefined }],
    ['bytes that are not in base64', { ...encoded, blob: 'ü' }],
    ['bytes in another spelling', { ...encoded, signature: 'AB==' }],
    ['too many bytes', { ...encoded, signed: 'A'.repeat(40_000) }],
    ['a long address', { ...encoded, remoteAddress: '1'.repeat(1_000) }],
    ['a long name', { ...encoded, algorithm: 'a'.repeat(1_000) }],
  ])('%s is none', (_, value) => {
    expect(decodeProof(value)).toBeUndefined();
  });

  test.each<[string, Readonly<Record<string, unknown>>]>([
    ['nothing', {}],
    ['an empty token', { token: '' }],
    ['a token that is none', { token: 7 }],
    ['a token that is too long', { token: 'x'.repeat(16_385) }],
    ['both', { token: 'x', certificate: encoded }],
    ['a certificate that cannot be read', { certificate: {} }],
  ])('%s is nothing that an agent has shown', (_, fields) => {
    expect(readShown(fields)).toBeUndefined();
  });
});
