/** KMS and EC2 Instance Connect when they are slow, say no, or say something else; what they answer well is in `test/aws/ssh-hosts.test.ts`. */
import { createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { EC2InstanceConnectClient, SendSSHPublicKeyCommand } from '@aws-sdk/client-ec2-instance-connect';
import { GetPublicKeyCommand, KMSClient, SignCommand } from '@aws-sdk/client-kms';
import { mockClient } from 'aws-sdk-client-mock';
import { beforeEach, describe, expect, test } from 'vitest';
import { readPublicKey } from '../../core/ssh/public-key.ts';
import { verifySignature } from '../../core/ssh/signature.ts';
import { instanceConnect } from '../../lambdas/adapters/instance-connect.ts';
import { kmsSshAuthority } from '../../lambdas/adapters/kms-ssh-authority.ts';

Object.assign(process.env, { AWS_REGION: 'us-east-1', AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' });

const kms = mockClient(KMSClient);
const ec2 = mockClient(EC2InstanceConnectClient);
beforeEach(() => {
  kms.reset();
  ec2.reset();
});

const refused = Object.assign(new Error('arn:aws:iam::1:role/x is not authorized'), { name: 'AccessDeniedException' });
const slow = Object.assign(new Error('socket hang up'), { name: 'TimeoutError' });
const UNAVAILABLE = { code: 'credential-unavailable', message: expect.not.stringContaining('authorized') };

describe('the authority in KMS', () => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const shows = (key: KeyObject): unknown =>
    kms.on(GetPublicKeyCommand).resolves({ PublicKey: new Uint8Array(key.export({ format: 'der', type: 'spki' })) });
  const authority = kmsSshAuthority('arn:key');

  test('signs what it is given with its own key, whose public half is asked for once', async () => {
    shows(publicKey);
    kms.on(SignCommand).callsFake(({ Message }: { Message: Uint8Array }) => ({ Signature: sign('sha256', Message, privateKey) }));
    const own = kmsSshAuthority('arn:key');
    const data = Buffer.from('a certificate');
    for (let i = 0; i < 2; i += 1) {
      const { publicKey: blob, sign: signs } = await own();
      expect(verifySignature(readPublicKey(blob), await signs(data), data)).toBe(true);
    }
    expect(kms.commandCalls(GetPublicKeyCommand)).toHaveLength(1);
    expect(kms.commandCalls(SignCommand)[0]?.args[0].input).toMatchObject({
      MessageType: 'RAW',
      SigningAlgorithm: 'ECDSA_SHA_256',
      KeyId: 'arn:key',
    });
  });

  test.each<[string, () => unknown]>([
    ['is denied', () => kms.on(GetPublicKeyCommand).rejects(refused)],
    ['is too slow', () => kms.on(GetPublicKeyCommand).rejects(slow)],
    ['shows no key', () => kms.on(GetPublicKeyCommand).resolves({})],
    ['shows a key on another curve', () => shows(generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey)],
    ['shows a key of RSA', () => shows(createPublicKey(generateKeyPairSync('rsa', { modulusLength: 2_048 }).privateKey))],
  ])('that %s is none', async (_, prepare) => {
    prepare();
    await expect(authority()).rejects.toMatchObject(UNAVAILABLE);
  });

  test.each<[string, () => unknown]>([
    ['denied', () => kms.on(SignCommand).rejects(refused)],
    ['too slow', () => kms.on(SignCommand).rejects(slow)],
    ['missing', () => kms.on(SignCommand).resolves({})],
    ['none', () => kms.on(SignCommand).resolves({ Signature: new Uint8Array([1, 2, 3]) })],
  ])('whose signature is %s gives none', async (_, prepare) => {
    shows(publicKey);
    prepare();
    const { sign: signs } = await kmsSshAuthority('arn:key')();
    await expect(signs(Buffer.from('x'))).rejects.toMatchObject(UNAVAILABLE);
  });

  test('is not sent more than it signs', async () => {
    shows(publicKey);
    const { sign: signs } = await kmsSshAuthority('arn:key')();
    await expect(signs(Buffer.alloc(4_097))).rejects.toMatchObject(UNAVAILABLE);
    expect(kms.commandCalls(SignCommand)).toEqual([]);
  });

  test('is said to be missing in a stage without SSH', async () => {
    await expect(kmsSshAuthority(undefined)()).rejects.toMatchObject({ message: 'this deployment has no authority for certificates' });
  });
});

describe('a key for an instance', () => {
  const KEYS = { accessKeyId: 'ASIA', secretAccessKey: 's', sessionToken: 't' };
  const push = () =>
    instanceConnect()(
      { instanceId: 'i-0123456789abcdef0', account: 'deploy', publicKey: 'ssh-ed25519 AAAA', region: 'eu-central-1' },
      KEYS,
    );

  test('is pushed with the keys of the role, in the region of the instance', async () => {
    ec2.on(SendSSHPublicKeyCommand).resolves({ RequestId: 'req-1', Success: true });
    expect(await push()).toBe('req-1');
    const [call] = ec2.commandCalls(SendSSHPublicKeyCommand);
    expect(call?.args[0].input).toEqual({ InstanceId: 'i-0123456789abcdef0', InstanceOSUser: 'deploy', SSHPublicKey: 'ssh-ed25519 AAAA' });
    // What sent it.
    const sender = call?.thisValue as EC2InstanceConnectClient | undefined;
    if (sender === undefined) throw new Error('nothing was sent');
    const { region, credentials } = sender.config;
    expect([await region(), await credentials()]).toEqual(['eu-central-1', expect.objectContaining(KEYS)]);
  });

  test.each<[string, () => unknown]>([
    ['denied', () => ec2.on(SendSSHPublicKeyCommand).rejects(refused)],
    ['too slow', () => ec2.on(SendSSHPublicKeyCommand).rejects(slow)],
    ['not taken', () => ec2.on(SendSSHPublicKeyCommand).resolves({ RequestId: 'req-1', Success: false })],
    ['not answered', () => ec2.on(SendSSHPublicKeyCommand).resolves({})],
  ])('is none where it is %s', async (_, prepare) => {
    prepare();
    await expect(push()).rejects.toMatchObject({ ...UNAVAILABLE, message: expect.stringContaining('i-0123456789abcdef0') });
  });
});
