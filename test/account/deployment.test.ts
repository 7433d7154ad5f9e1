// What only an account can show. Everything here is read, or is a request that must be refused and is harmless where it is: each is
// for a version of an object that its lock protects, whatever policies say.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { Client } from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import { isObject, jsonOf, textOf, type JsonObject } from '../support/state-machine/json-value.ts';
import { aws, listOf, refusal, setting } from './aws-command.ts';

/** Evidence may stand in another account, which another profile reads. */
const LOGS: readonly string[] =
  process.env['SALLYPORT_ACCOUNT_LOGS_PROFILE'] === undefined ? [] : ['--profile', process.env['SALLYPORT_ACCOUNT_LOGS_PROFILE']];

const ROOT = join(import.meta.dirname, '../..');
const CHECKPOINT_AGE_MS = 3 * 60_000;
const HOUR_MS = 3_600_000;
const REFUSED = /AccessDenied|InvalidRequest|object lock|WORM/i;

let name: string;
let account: string;
let bucket: string;
let checkpoint: { readonly key: string; readonly version: string; readonly atMs: number };

beforeAll(async () => {
  const instance = setting('SALLYPORT_ACCOUNT_INSTANCE', 'the instance, such as prod');
  const region = setting('AWS_REGION', 'the region of the deployment');
  name = `sallyport-${instance}`;
  account = textOf((await aws('sts', 'get-caller-identity'))['Account']);
  const evidenceAccount = textOf((await aws('sts', 'get-caller-identity', ...LOGS))['Account']);
  bucket = `${name}-evidence-${evidenceAccount}-${region}`;
  const days = [0, 1].map((ago) => new Date(Date.now() - ago * 24 * HOUR_MS).toISOString().slice(0, 10));
  const versions = (
    await Promise.all(
      days.map((day) => aws('s3api', 'list-object-versions', ...LOGS, '--bucket', bucket, '--prefix', `checkpoints/${day}`)),
    )
  ).flatMap((answer) => listOf(answer, 'Versions'));
  const [newest] = versions
    .map((each) => ({ key: textOf(each['Key']), version: textOf(each['VersionId']), atMs: Date.parse(textOf(each['LastModified'])) }))
    .filter(({ key }) => key.endsWith('.ckpt'))
    .toSorted((a, b) => b.atMs - a.atMs);
  if (newest === undefined) throw new Error(`no checkpoint of today or yesterday in ${bucket}`);
  checkpoint = newest;
});

const parsedPolicy = (answer: JsonObject): readonly JsonObject[] => {
  const policy = jsonOf(JSON.parse(textOf(answer['Policy'])));
  return isObject(policy) ? listOf(policy, 'Statement') : [];
};
const denied = (statements: readonly JsonObject[]): readonly string[] =>
  statements.filter((each) => each['Effect'] === 'Deny').flatMap((each) => [each['Action']].flat().map(textOf));

describe('the evidence', () => {
  test('is signed for each minute', () => {
    expect(Date.now() - checkpoint.atMs).toBeLessThan(CHECKPOINT_AGE_MS);
  });

  test('is locked by default', async () => {
    const { ObjectLockConfiguration } = await aws('s3api', 'get-object-lock-configuration', ...LOGS, '--bucket', bucket);
    expect(ObjectLockConfiguration).toMatchObject({
      ObjectLockEnabled: 'Enabled',
      Rule: { DefaultRetention: { Mode: expect.any(String) } },
    });
  });

  test('cannot be deleted by us, and its lock cannot be shortened', async () => {
    const object = ['--bucket', bucket, '--key', checkpoint.key, '--version-id', checkpoint.version];
    expect(await refusal('s3api', 'delete-object', ...LOGS, ...object)).toMatch(REFUSED);
    const { Retention } = await aws('s3api', 'get-object-retention', ...LOGS, ...object);
    const sooner = JSON.stringify({
      ...(isObject(Retention) ? Retention : {}),
      RetainUntilDate: new Date(Date.now() + HOUR_MS).toISOString(),
    });
    expect(await refusal('s3api', 'put-object-retention', ...LOGS, ...object, '--retention', sooner)).toMatch(REFUSED);
  });

  test('denies deletion and a second put to everybody in its policy, and is public to nobody', async () => {
    const actions = denied(parsedPolicy(await aws('s3api', 'get-bucket-policy', ...LOGS, '--bucket', bucket)));
    expect(actions).toEqual(
      expect.arrayContaining(['s3:DeleteObject', 's3:DeleteObjectVersion', 's3:PutObject', 's3:BypassGovernanceRetention']),
    );
    const { PublicAccessBlockConfiguration } = await aws('s3api', 'get-public-access-block', ...LOGS, '--bucket', bucket);
    expect(Object.values(isObject(PublicAccessBlockConfiguration) ? PublicAccessBlockConfiguration : {})).toEqual([true, true, true, true]);
  });

  test('is signed by a key that nobody may end, and with which we cannot sign', async () => {
    const key = `alias/${name}-evidence-signing`;
    const { KeyMetadata } = await aws('kms', 'describe-key', ...LOGS, '--key-id', key);
    expect(KeyMetadata).toMatchObject({ KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY', Enabled: true });
    const id = textOf(isObject(KeyMetadata) ? KeyMetadata['KeyId'] : undefined);
    const actions = denied(parsedPolicy(await aws('kms', 'get-key-policy', ...LOGS, '--key-id', id, '--policy-name', 'default')));
    expect(actions).toEqual(expect.arrayContaining(['kms:DisableKey', 'kms:ScheduleKeyDeletion']));
    const sign = ['--message', 'bm8=', '--message-type', 'RAW', '--signing-algorithm', 'ECDSA_SHA_256'];
    expect(await refusal('kms', 'sign', ...LOGS, '--key-id', id, ...sign)).toMatch(/AccessDenied/);
  });

  test('verifies as intact and complete', async () => {
    const verified = await new Promise<{ readonly status: number; readonly output: string }>((resolve) => {
      const args = [join(ROOT, 'cli/sallyport.mjs'), 'verify', `s3://${bucket}`];
      execFile(process.execPath, args, { maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) =>
        resolve({ status: error === null ? 0 : Number(error.code), output: stdout + stderr }),
      );
    });
    expect([verified.status, verified.output]).toEqual([0, expect.stringContaining('complete  yes')]);
  }, 600_000);
});

describe('the tasks', () => {
  test('run as many as wanted, from one image by its digest, without public addresses and shells', async () => {
    const [service] = listOf(
      await aws('ecs', 'describe-services', '--cluster', `${name}-proxy`, '--services', `${name}-proxy`),
      'services',
    );
    expect(service).toMatchObject({ status: 'ACTIVE', enableExecuteCommand: false });
    expect(service?.['networkConfiguration']).toMatchObject({ awsvpcConfiguration: { assignPublicIp: 'DISABLED' } });
    expect(service?.['runningCount']).toBe(service?.['desiredCount']);
    const { taskDefinition } = await aws('ecs', 'describe-task-definition', '--task-definition', textOf(service?.['taskDefinition']));
    const [container] = isObject(taskDefinition) ? listOf(taskDefinition, 'containerDefinitions') : [];
    expect(container).toMatchObject({ image: expect.stringMatching(/@sha256:[0-9a-f]{64}$/), readonlyRootFilesystem: true, user: 'node' });
  });

  test('are healthy behind the load balancer', async () => {
    const groups = listOf(await aws('elbv2', 'describe-target-groups', '--names', `${name}-postgres`), 'TargetGroups');
    const targets = listOf(
      await aws('elbv2', 'describe-target-health', '--target-group-arn', textOf(groups[0]?.['TargetGroupArn'])),
      'TargetHealthDescriptions',
    );
    expect(targets.length).toBeGreaterThan(0);
    for (const target of targets) expect(target['TargetHealth']).toMatchObject({ State: 'healthy' });
  });

  test('may neither decide, nor delete evidence, nor take a role, nor sign', async () => {
    const rolePath = setting('SALLYPORT_ACCOUNT_ROLE_PATH', 'rolePath of the stage, such as /sallyport/');
    const region = setting('AWS_REGION', 'the region of the deployment');
    const here = (service: string, resource: string): string => `arn:aws:${service}:${region}:${account}:${resource}`;
    const forbidden = [
      ['s3:DeleteObject', `arn:aws:s3:::${bucket}/${checkpoint.key}`],
      ['s3:PutObject', `arn:aws:s3:::${bucket}/${checkpoint.key}`],
      ['s3:PutObjectRetention', `arn:aws:s3:::${bucket}/${checkpoint.key}`],
      ['dynamodb:PutItem', here('dynamodb', `table/${name}-decisions`)],
      ['dynamodb:PutItem', here('dynamodb', `table/${name}-control`)],
      ['dynamodb:DeleteItem', here('dynamodb', `table/${name}-journal`)],
      ['sts:AssumeRole', `arn:aws:iam::${account}:role${rolePath}${name}-target-any`],
      ['lambda:UpdateFunctionCode', here('lambda', `function:${name}-decide-approval`)],
      ['lambda:InvokeFunction', here('lambda', `function:${name}-decide-approval`)],
      ['kms:Sign', here('kms', 'key/any')],
    ] as const;
    const source = `arn:aws:iam::${account}:role${rolePath}${name}-proxy`;
    for (const [action, resource] of forbidden) {
      const asked = ['--policy-source-arn', source, '--action-names', action, '--resource-arns', resource];
      const [result] = listOf(await aws('iam', 'simulate-principal-policy', ...asked), 'EvaluationResults');
      expect([action, resource, result?.['EvalDecision']]).toEqual([action, resource, expect.stringMatching(/Deny$/)]);
    }
  });

  test('let an agent in over TLS, and run what is permitted', async () => {
    const connectionString = setting('SALLYPORT_ACCOUNT_SESSION', 'postgresql://agent:<token>@<gateway>:5432/<target>');
    const client = new Client({ connectionString, ssl: true });
    await client.connect();
    try {
      expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
    } finally {
      await client.end();
    }
  });
});

describe('what keeps it', () => {
  test('every alarm tells somebody, and none is raised', async () => {
    const alarms = listOf(await aws('cloudwatch', 'describe-alarms', '--alarm-name-prefix', `${name}-`), 'MetricAlarms');
    expect(alarms.length).toBeGreaterThan(10);
    for (const alarm of alarms) {
      expect([alarm['AlarmName'], alarm['StateValue']]).toEqual([alarm['AlarmName'], expect.not.stringMatching('^ALARM$')]);
      expect(alarm['AlarmActions']).not.toEqual([]);
    }
  });

  test('every table can be put back and not be deleted', async () => {
    const tables = (await aws('dynamodb', 'list-tables'))['TableNames'];
    const ours = Array.isArray(tables) ? tables.map(textOf).filter((table) => table.startsWith(`${name}-`)) : [];
    expect(ours.length).toBeGreaterThanOrEqual(12);
    for (const table of ours) {
      const { ContinuousBackupsDescription } = await aws('dynamodb', 'describe-continuous-backups', '--table-name', table);
      expect(ContinuousBackupsDescription).toMatchObject({ PointInTimeRecoveryDescription: { PointInTimeRecoveryStatus: 'ENABLED' } });
      const { Table } = await aws('dynamodb', 'describe-table', '--table-name', table);
      expect([table, isObject(Table) && Table['DeletionProtectionEnabled']]).toEqual([table, true]);
    }
  });

  test('a reserved function cannot be starved', async () => {
    for (const each of ['issue-credential', 'evaluate-policy', 'decide-approval', 'seal', 'sweep']) {
      const { ReservedConcurrentExecutions } = await aws('lambda', 'get-function-concurrency', '--function-name', `${name}-${each}`);
      expect([each, ReservedConcurrentExecutions]).toEqual([each, expect.any(Number)]);
    }
  });
});
