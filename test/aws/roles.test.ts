/** What roles are refused, asked with the AWS clients under the policies of the synthesized templates. `iam-guard.ts` stands for IAM. */
import { DynamoDBClient, GetItemCommand, PutItemCommand, UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import { KMSClient, SignCommand } from '@aws-sdk/client-kms';
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { AssumeRoleCommand, STSClient } from '@aws-sdk/client-sts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startIamGuard, type IamGuard } from './support/iam-guard.ts';
import { deployInstance, type Instance } from './support/instance.ts';
import { awsEnvironment, resetMoto, useMoto } from './support/moto.ts';

const PREFIX = 'sallyport-prod';
let instance: Instance;
let guard: IamGuard;
beforeAll(async () => {
  useMoto();
  await resetMoto();
  instance = await deployInstance();
  const emulator = awsEnvironment()['AWS_ENDPOINT_URL'] ?? '';
  guard = await startIamGuard({ templates: instance.templates, emulator, services: emulator });
});
afterAll(async () => guard.stop());

/** How a client of a role is made. */
function as(role: string): { endpoint: string; credentials: { accessKeyId: string; secretAccessKey: string }; maxAttempts: number } {
  const environment = guard.environment(`${PREFIX}-${role}`);
  return {
    endpoint: environment['AWS_ENDPOINT_URL'] ?? '',
    credentials: { accessKeyId: environment['AWS_ACCESS_KEY_ID'] ?? '', secretAccessKey: 'test' },
    maxAttempts: 1,
  };
}

const put = (role: string, table: string, id: string): Promise<unknown> =>
  new DynamoDBClient(as(role)).send(new PutItemCommand({ TableName: `${PREFIX}-${table}`, Item: { id: { S: id }, v: { N: '1' } } }));
const bucket = (name: 'EVIDENCE' | 'CONFIG' | 'STAGING'): string => instance.all[`SALLYPORT_${name}_BUCKET`] ?? '';
const s3 = (role: string): S3Client => new S3Client({ ...as(role), forcePathStyle: true });

describe('tables', () => {
  test.each([
    ['decide-approval', 'decisions', 'ap_1'],
    ['activate-bundle', 'control', 'bundle'],
    ['console', 'control', 'locks'],
    ['console', 'control', 'mail#task-1'],
    ['request-approval', 'requests', 'ap_1'],
    ['proxy', 'claims', 'ap_1'],
  ])('%s writes %s %s', async (role, table, id) => {
    await expect(put(role, table, id)).resolves.toBeDefined();
  });

  test.each([
    ['proxy', 'decisions', 'ap_1'],
    ['proxy', 'control', 'bundle'],
    ['proxy', 'control', 'locks'],
    ['proxy', 'requests', 'ap_1'],
    ['proxy', 'seal', 'tree'],
    ['console', 'decisions', 'ap_1'],
    ['console', 'control', 'bundle'],
    ['console', 'control', 'locksmith'],
    ['activate-bundle', 'control', 'locks'],
    ['publish-bundle', 'control', 'bundle'],
    ['request-approval', 'decisions', 'ap_1'],
    ['request-approval', 'notices', 'ap_1'],
    ['notify-approvers', 'decisions', 'ap_1'],
    ['close-approval', 'decisions', 'ap_1'],
    ['sweep', 'decisions', 'ap_1'],
    ['issue-credential', 'control', 'bundle'],
  ])('%s may not write %s %s', async (role, table, id) => {
    await expect(put(role, table, id)).rejects.toMatchObject({ name: 'AccessDeniedException' });
  });

  test('request-approval notes what is due, and no task token', async () => {
    const update = (id: string): Promise<unknown> =>
      new DynamoDBClient(as('request-approval')).send(
        new UpdateItemCommand({
          TableName: `${PREFIX}-notices`,
          Key: { id: { S: id } },
          UpdateExpression: 'ADD ids :ids',
          ExpressionAttributeValues: { ':ids': { SS: ['ap_1'] } },
        }),
      );
    await expect(update('due#1')).resolves.toBeDefined();
    await expect(update('ap_1')).rejects.toMatchObject({ name: 'AccessDeniedException' });
  });

  test('the tasks cannot read the tokens of workflows, nor sign-ins', async () => {
    for (const table of ['notices', 'signin']) {
      const read = new DynamoDBClient(as('proxy')).send(new GetItemCommand({ TableName: `${PREFIX}-${table}`, Key: { id: { S: 'x' } } }));
      await expect(read).rejects.toMatchObject({ name: 'AccessDeniedException' });
    }
  });
});

describe('buckets and keys', () => {
  test('tasks write segments, and neither spines nor checkpoints nor bundles', async () => {
    const write = (name: 'EVIDENCE' | 'CONFIG', Key: string): Promise<unknown> =>
      s3('proxy').send(new PutObjectCommand({ Bucket: bucket(name), Key, Body: 'x' }));
    await expect(write('EVIDENCE', 'sessions/2026-11-20/s1/000000.seg')).resolves.toBeDefined();
    for (const [name, key] of [
      ['EVIDENCE', 'checkpoints/2026-11-20/000000000001.ckpt'],
      ['EVIDENCE', 'writers/w/000000000000.log'],
      ['EVIDENCE', 'keys/0.pem'],
      ['EVIDENCE', 'format.json'],
      ['CONFIG', 'bundles/0.json'],
    ] as const) {
      await expect(write(name, key), key).rejects.toMatchObject({ name: 'AccessDenied' });
    }
  });

  test('the sealer signs over sessions and cannot write one', async () => {
    const write = s3('seal').send(
      new PutObjectCommand({ Bucket: bucket('EVIDENCE'), Key: 'sessions/2026-11-20/s1/000001.seg', Body: 'x' }),
    );
    await expect(write).rejects.toMatchObject({ name: 'AccessDenied' });
  });

  test('a missing object is missing to whoever may list, and denied to others, as S3 says it', async () => {
    const read = (role: string, name: 'EVIDENCE' | 'CONFIG', Key: string): Promise<unknown> =>
      s3(role).send(new GetObjectCommand({ Bucket: bucket(name), Key }));
    await expect(read('seal', 'EVIDENCE', 'checkpoints/none')).rejects.toMatchObject({ name: 'NoSuchKey' });
    await expect(read('publish-bundle', 'CONFIG', 'bundles/none.json')).rejects.toMatchObject({ name: 'NoSuchKey' });
    await expect(read('console', 'CONFIG', 'bundles/none.json')).rejects.toMatchObject({ name: 'AccessDenied' });
  });

  test.each([
    ['proxy', 'SALLYPORT_EVIDENCE_KEY_ARN'],
    ['proxy', 'SALLYPORT_BUNDLE_KEY_ARN'],
    ['sweep', 'SALLYPORT_EVIDENCE_KEY_ARN'],
    ['seal', 'SALLYPORT_BUNDLE_KEY_ARN'],
    ['publish-bundle', 'SALLYPORT_EVIDENCE_KEY_ARN'],
    ['decide-approval', 'SALLYPORT_BUNDLE_KEY_ARN'],
    ['issue-credential', 'SALLYPORT_BUNDLE_KEY_ARN'],
    ['issue-credential', 'SALLYPORT_EVIDENCE_KEY_ARN'],
    ['proxy', 'SALLYPORT_SSH_CA_KEY_ARN'],
    ['publish-bundle', 'SALLYPORT_SSH_CA_KEY_ARN'],
  ])('%s may not sign with %s', async (role, variable) => {
    const sign = new KMSClient(as(role)).send(
      new SignCommand({ KeyId: instance.all[variable], Message: Buffer.from('x'), MessageType: 'RAW', SigningAlgorithm: 'ECDSA_SHA_256' }),
    );
    await expect(sign).rejects.toMatchObject({ name: 'AccessDeniedException' });
  });
});

test('only issue-credential signs certificates for hosts', async () => {
  const sign = new KMSClient(as('issue-credential')).send(
    new SignCommand({
      KeyId: instance.all['SALLYPORT_SSH_CA_KEY_ARN'],
      Message: Buffer.from('x'),
      MessageType: 'RAW',
      SigningAlgorithm: 'ECDSA_SHA_256',
    }),
  );
  await expect(sign).resolves.toHaveProperty('Signature');
});

test('only issue-credential assumes roles, and only those of targets', async () => {
  const assume = (role: string, name: string): Promise<unknown> =>
    new STSClient(as(role)).send(
      new AssumeRoleCommand({ RoleArn: `arn:aws:iam::123456789012:role/${name}`, RoleSessionName: 'test', SourceIdentity: 'agent-7' }),
    );
  await expect(assume('issue-credential', 'sallyport/sallyport-prod-target-db')).resolves.toBeDefined();
  await expect(assume('issue-credential', 'Administrator')).rejects.toMatchObject({ name: 'AccessDenied' });
  for (const role of ['proxy', 'evaluate-policy', 'console']) {
    await expect(assume(role, 'sallyport/sallyport-prod-target-db'), role).rejects.toMatchObject({ name: 'AccessDenied' });
  }
});
