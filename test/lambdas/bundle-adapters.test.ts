/** Faults that are hard to cause, in what functions ask of AWS for bundles and credentials. */
import { ConditionalCheckFailedException, DynamoDBClient, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { KMSClient, SignCommand } from '@aws-sdk/client-kms';
import { PutObjectCommand, S3Client, S3ServiceException } from '@aws-sdk/client-s3';
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { AssumeRoleCommand, STSClient } from '@aws-sdk/client-sts';
import { mockClient } from 'aws-sdk-client-mock';
import { beforeEach, describe, expect, test } from 'vitest';
import { roleSession } from '../../core/credential/role-session.ts';
import { parseSecretKeys } from '../../core/state/secret-keys.ts';
import { encodeStored } from '../../core/state/stored-item.ts';
import { dynamoBundlePointer } from '../../lambdas/adapters/dynamo-bundle-pointer.ts';
import { kmsBundleSigner } from '../../lambdas/adapters/kms-bundle-signer.ts';
import { s3BundleWriter } from '../../lambdas/adapters/s3-bundle-writer.ts';
import { secretsTargetSecret } from '../../lambdas/adapters/secrets-target-secret.ts';
import { stsRoleKeys } from '../../lambdas/adapters/sts-role-keys.ts';
import { awsTarget, principal } from '../support/aws-target.ts';

Object.assign(process.env, { AWS_REGION: 'us-east-1', AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' });

const [dynamo, s3, kms, sts, secrets] = [
  mockClient(DynamoDBClient),
  mockClient(S3Client),
  mockClient(KMSClient),
  mockClient(STSClient),
  mockClient(SecretsManagerClient),
];
beforeEach(() => [dynamo, s3, kms, sts, secrets].forEach((client) => void client.reset()));

const named = (name: string, message = ''): Error => Object.assign(new Error(message), { name });

describe('the pointer', () => {
  const pointer = { version: 'b-0000000000000001', digest: 'd', activatedBy: 'ada', activatedAtMs: 2, signature: 's' };
  const failed = (item?: object) =>
    new ConditionalCheckFailedException({ message: '', $metadata: {}, ...(item === undefined ? {} : { Item: { ...item } }) });

  test('is written only over the version that was read', async () => {
    dynamo.on(PutItemCommand).resolves({});
    expect(await dynamoBundlePointer('control')(pointer, 0)).toBe('written');
    expect(await dynamoBundlePointer('control')(pointer, 7)).toBe('written');
    const [first, second] = dynamo.commandCalls(PutItemCommand).map(({ args }) => args[0].input);
    expect(first).toMatchObject({ ConditionExpression: 'attribute_not_exists(id)', Item: { v: { N: '1' } } });
    expect(second).toMatchObject({
      ConditionExpression: 'v = :v',
      ExpressionAttributeValues: { ':v': { N: '7' } },
      Item: { v: { N: '8' } },
    });
  });

  test('of our own, whose answer was lost, is written', async () => {
    dynamo.on(PutItemCommand).rejects(failed(encodeStored('bundle', 8, pointer)));
    expect(await dynamoBundlePointer('control')(pointer, 7)).toBe('written');
  });

  test.each([
    ['another one', encodeStored('bundle', 8, { ...pointer, signature: 'other' })],
    ['none', undefined],
  ])('that meets %s is a conflict', async (_, item) => {
    dynamo.on(PutItemCommand).rejects(failed(item));
    expect(await dynamoBundlePointer('control')(pointer, 7)).toBe('conflict');
  });

  test('that is throttled is no success', async () => {
    dynamo.on(PutItemCommand).rejects(named('ProvisionedThroughputExceededException'));
    await expect(dynamoBundlePointer('control')(pointer, 7)).rejects.toThrow();
  });
});

describe('the object of a bundle', () => {
  test('never replaces one', async () => {
    s3.on(PutObjectCommand).resolves({});
    expect(await s3BundleWriter('config')('b-0000000000000001', '{}')).toBe('stored');
    expect(s3.commandCalls(PutObjectCommand)[0]?.args[0].input).toMatchObject({
      Key: 'bundles/b-0000000000000001.json',
      IfNoneMatch: '*',
      ChecksumAlgorithm: 'SHA256',
    });
    const exists = new S3ServiceException({ name: 'PreconditionFailed', $fault: 'client', $metadata: { httpStatusCode: 412 } });
    s3.on(PutObjectCommand).rejects(exists);
    expect(await s3BundleWriter('config')('b-0000000000000001', '{}')).toBe('exists');
  });

  test('that the bucket denies is no success', async () => {
    s3.on(PutObjectCommand).rejects(new S3ServiceException({ name: 'AccessDenied', $fault: 'client', $metadata: { httpStatusCode: 403 } }));
    await expect(s3BundleWriter('config')('b-0000000000000001', '{}')).rejects.toThrow();
  });
});

describe('the key for bundles', () => {
  test('signs messages, not digests that somebody made up', async () => {
    kms.on(SignCommand).resolves({ Signature: Buffer.from('s') });
    await kmsBundleSigner('key')('text');
    expect(kms.commandCalls(SignCommand)[0]?.args[0].input).toMatchObject({ MessageType: 'RAW', SigningAlgorithm: 'ECDSA_SHA_256' });
  });

  test('is not asked for more than KMS takes', async () => {
    await expect(kmsBundleSigner('key')('x'.repeat(4_097))).rejects.toMatchObject({ code: 'bundle-refused' });
    expect(kms.calls()).toHaveLength(0);
  });

  test('that is unavailable signs nothing', async () => {
    kms.on(SignCommand).rejects(named('KMSInternalException'));
    await expect(kmsBundleSigner('key')('text')).rejects.toThrow();
  });
});

describe('the role of a target', () => {
  const session = roleSession(awsTarget(), { kind: 'session', session: 's_1', principal: principal() });

  test('is asked for with everything that names who it is for', async () => {
    sts.on(AssumeRoleCommand).resolves({
      Credentials: { AccessKeyId: 'a', SecretAccessKey: 'b', SessionToken: 'c', Expiration: new Date(0) },
    });
    expect(await stsRoleKeys()(session)).toEqual({ accessKeyId: 'a', secretAccessKey: 'b', sessionToken: 'c' });
    expect(sts.commandCalls(AssumeRoleCommand)[0]?.args[0].input).toEqual({
      RoleArn: session.roleArn,
      RoleSessionName: 's_1',
      SourceIdentity: session.sourceIdentity,
      ExternalId: 'x-17',
      Tags: session.tags.map(({ key, value }) => ({ Key: key, Value: value })),
      TransitiveTagKeys: session.transitiveTagKeys,
      Policy: session.policy,
      DurationSeconds: 900,
    });
  });

  test.each(['AccessDenied', 'PackedPolicyTooLarge', 'ThrottlingException', 'TimeoutError', 'RegionDisabledException'])(
    'that STS answers with %s is unavailable, in words that name the role only',
    async (name) => {
      sts.on(AssumeRoleCommand).rejects(named(name, 'User: arn:aws:sts::1:assumed-role/x is not authorized, policy {"secret":1}'));
      await expect(stsRoleKeys()(session)).rejects.toMatchObject({
        code: 'credential-unavailable',
        message: `role ${session.roleArn} cannot be assumed (${name})`,
      });
    },
  );

  test('is not asked for beyond the limits of AWS', async () => {
    await expect(stsRoleKeys()({ ...session, policy: 'x'.repeat(2_049) })).rejects.toMatchObject({ code: 'credential-unavailable' });
    expect(sts.calls()).toHaveLength(0);
  });

  test('without keys in the answer is unavailable', async () => {
    sts.on(AssumeRoleCommand).resolves({});
    await expect(stsRoleKeys()(session)).rejects.toMatchObject({ code: 'credential-unavailable' });
  });
});

describe('the secret of a target', () => {
  const keys = { accessKeyId: 'a', secretAccessKey: 'b', sessionToken: 'c' };
  test.each(['AccessDeniedException', 'ResourceNotFoundException', 'ThrottlingException', 'DecryptionFailure'])(
    'that Secrets Manager answers with %s is unavailable',
    async (name) => {
      secrets.on(GetSecretValueCommand).rejects(named(name, 'words of AWS'));
      await expect(secretsTargetSecret()('arn:x', 'eu-central-1', keys)).rejects.toMatchObject({
        code: 'credential-unavailable',
        message: expect.stringContaining(name),
      });
    },
  );

  test('that is binary is unavailable', async () => {
    secrets.on(GetSecretValueCommand).resolves({ VersionId: 'v', SecretBinary: Buffer.from('x') });
    await expect(secretsTargetSecret()('arn:x', 'eu-central-1', keys)).rejects.toMatchObject({ code: 'credential-unavailable' });
  });
});

describe('the keys of an instance', () => {
  const key = (fill: number): string => Buffer.alloc(32, fill).toString('base64');
  test.each([
    ['no JSON', 'x'],
    ['one missing', JSON.stringify({ digest: key(1), maskHash: key(2) })],
    ['one too short', JSON.stringify({ digest: key(1), maskHash: key(2), maskTokenize: 'AAAA' })],
    ['two alike', JSON.stringify({ digest: key(1), maskHash: key(2), maskTokenize: key(1) })],
  ])('with %s are refused, and not repeated', (_, secret) => {
    expect(() => parseSecretKeys(secret)).toThrow(expect.objectContaining({ code: 'secret-keys-unusable' }));
    expect(() => parseSecretKeys(secret)).not.toThrow(key(1));
  });
});
