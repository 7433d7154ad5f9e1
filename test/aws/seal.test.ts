// Sealer and sweeper as they are deployed, over an emulator's tables, bucket and key; what they leave is verified as anybody would.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3';
import { QueryCommand, ScanCommand } from '@aws-sdk/client-dynamodb';
import { beforeAll, describe, expect, test } from 'vitest';
import { verb as replay } from '../../cli/replay.ts';
import { verb as verify } from '../../cli/verify.ts';
import { decodeStored } from '../../core/state/stored-item.ts';
import { handler as seal } from '../../lambdas/seal/handler.ts';
import { handler as sweep } from '../../lambdas/sweep/handler.ts';
import { keptIo } from '../support/verb-io.ts';
import type { JournaledWriter } from '../support/journaled-writer.ts';
import { resetMoto, useMoto } from './support/moto.ts';
import { TaskTables } from './support/task-on-tables.ts';
import { makeInstance } from './support/tables.ts';

const ROOT = join(import.meta.dirname, '../..');

let tables: TaskTables;
let zombie: JournaledWriter;
let uri: string;

async function verdict(): Promise<{ status: number; result: Record<string, unknown> }> {
  const io = keptIo();
  const status = await verify.run([uri, '--json'], io);
  return { status, result: JSON.parse(io.written.stdout) };
}

async function keys(prefix = ''): Promise<string[]> {
  const page = await tables.s3.send(new ListObjectsV2Command({ Bucket: tables.evidence, Prefix: prefix }));
  return (page.Contents ?? []).map(({ Key: key = '' }) => key);
}

beforeAll(async () => {
  useMoto();
  await resetMoto();
  const environment = await makeInstance();
  // The sweeper's part for approvals finds nothing to start or to notify here.
  const workflow = { SALLYPORT_STATE_MACHINE_ARN: 'arn:aws:states:us-east-1:123456789012:stateMachine:test' };
  Object.assign(process.env, environment, workflow, { SALLYPORT_FN_NOTIFY_APPROVERS: 'test-notify-approvers' });
  tables = new TaskTables(environment);
  uri = `s3://${tables.evidence}`;
});

describe('two tasks, one of which dies', () => {
  beforeAll(async () => {
    // Signed while nobody has recorded anything: an empty minute.
    await seal();
    const healthy = await tables.task('task-1', Date.now() + 3_600_000);
    zombie = await tables.task('task-2', Date.now() - 3_600_000);
    for (const [task, session] of [
      [healthy, 's1'],
      [zombie, 's2'],
      [zombie, 's3'],
    ] as const) {
      if (session !== 's3') await task.start();
      await task.open(session);
      await task.statement(session);
      await task.statement(session, 20_000);
      await task.heads();
    }
    await tables.live('task-2', 's2');
    await tables.live('task-2', 's3');
    await zombie.seal('s3', 'silent');
    await seal();
    await sweep();
    await healthy.close('s1');
    await healthy.stop();
    await seal();
    await seal();
  });

  test('are sealed, swept and sealed into evidence that is intact and complete', async () => {
    const { status, result } = await verdict();
    expect(result).toMatchObject({ intact: true, complete: true, findings: [], open: [], uncovered: 0, recordings: 3 });
    expect(status).toBe(0);
    expect(result['abnormal']).toEqual([
      { session: 's2', reason: 'the writer ended without closing', lost: { batches: 1, bytes: 20_000 } },
      { session: 's3', reason: 'the writer ended without closing' },
    ]);
  });

  test('the dead one is fenced in its table, and its sessions are off the list', async () => {
    expect(await tables.writerState('task-2')).toMatchObject({ state: 'fenced' });
    expect(await tables.writerState('task-1')).toMatchObject({ state: 'live' });
    const listed = await tables.dynamo.send(
      new QueryCommand({
        TableName: tables.table('SALLYPORT_SESSIONS_TABLE'),
        KeyConditionExpression: 'writer = :w',
        ExpressionAttributeValues: { ':w': { S: 'task-2' } },
      }),
    );
    expect(listed.Count).toBe(0);
  });

  test('a zombie that comes back can commit nothing', async () => {
    expect(await zombie.statement('s2')).toBe('taken');
  });

  test('every object is locked', async () => {
    for (const key of await keys()) {
      const { ObjectLockMode: mode } = await tables.s3.send(new GetObjectCommand({ Bucket: tables.evidence, Key: key }));
      expect([key, mode]).toEqual([key, 'COMPLIANCE']);
    }
  });

  test('a second run of either changes nothing but the minute that it signs', async () => {
    const before = await keys();
    expect(await sweep()).toEqual({ ended: 0, recordings: 0 });
    await seal();
    const added = (await keys()).filter((key) => !before.includes(key));
    expect(added.map((key) => key.replace(/\/.*\./u, '/….'))).toEqual(['checkpoints/….ckpt', 'checkpoints/….leaves', 'writers/….log']);
  });

  test('the seal table holds where everything stands', async () => {
    const { Items: items = [] } = await tables.dynamo.send(new ScanCommand({ TableName: tables.table('SALLYPORT_SEAL_TABLE') }));
    const bodies = new Map(items.map((item) => [item['id']?.S, decodeStored(item)?.body]));
    expect(bodies.get('writer#task-2')).toMatchObject({ ended: 'fenced' });
    expect(bodies.get('writer#task-1')).toMatchObject({ ended: 'closed' });
    expect(bodies.get('writer#sweep-task-2')).toMatchObject({ ended: 'closed' });
  });

  test('a session that died is replayed from its torn segment', async () => {
    const io = keptIo();
    expect(await replay.run(['s2', '--evidence', uri], io)).toBe(0);
    expect(io.written.stdout).toContain('select 2');
    expect(io.written.stderr).toContain('ended abnormally');
  });

  test('the command reads the bucket as a process of its own', () => {
    const ran = spawnSync(process.execPath, [join(ROOT, 'cli/sallyport.mjs'), 'verify', uri], { encoding: 'utf8', env: process.env });
    expect(ran.stdout).toContain('intact    yes');
    expect(ran.stdout).toContain('complete  yes');
    expect(ran.status).toBe(0);
  });

  test('one byte changed in an object of each kind is found', async () => {
    const kinds = [
      'keys/',
      'writers/task-1/',
      'writers/task-2/',
      'writers/sweep-',
      'writers/sealer-',
      'sessions/2026-11-20/s1/',
      'sessions/2026-11-20/s2/',
      'sessions/2026-11-20/s3/',
    ];
    const checkpoints = await keys('checkpoints/');
    const picked = [
      ...(await Promise.all(kinds.map(async (kind) => (await keys(kind))[0] ?? ''))),
      ...checkpoints.slice(0, 2),
      'format.json',
    ];
    for (const key of picked) {
      const answer = await tables.s3.send(new GetObjectCommand({ Bucket: tables.evidence, Key: key }));
      const whole = Buffer.from((await answer.Body?.transformToByteArray()) ?? []);
      const changed = Buffer.from(whole);
      const at = Math.floor(changed.length / 2);
      changed[at] = (changed[at] ?? 0) ^ 1;
      // The lock keeps the version that was there; who may put can still stand another one before it.
      await overwrite(key, changed);
      const { status, result } = await verdict();
      expect([key, status, result['intact'] === true && result['complete'] === true]).toEqual([key, 1, false]);
      await overwrite(key, whole);
    }
    expect((await verdict()).status).toBe(0);
  });
});

describe('an address', () => {
  test('of a bucket that is not there is told as such', async () => {
    await expect(verify.run(['s3://no-such-bucket-here'], keptIo())).rejects.toMatchObject({
      code: 'bucket-unreadable',
      message: 'there is no bucket no-such-bucket-here',
    });
  });

  test('that is none is a wrong use of the command', async () => {
    await expect(verify.run(['s3://'], keptIo())).rejects.toMatchObject({ code: 'usage' });
  });

  test('below which there is nothing is no evidence that is complete', async () => {
    expect(await verify.run([`${uri}/nothing/here`], keptIo())).toBe(1);
  });

  test.each([
    ['credentials', { AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '' }, 'there are no AWS credentials'],
    ['a region', { AWS_REGION: undefined }, 'set AWS_REGION'],
  ])('without %s says what to do', (_, env, says) => {
    const ran = spawnSync(process.execPath, [join(ROOT, 'cli/sallyport.mjs'), 'verify', uri], {
      encoding: 'utf8',
      env: { ...process.env, ...env },
    });
    expect(ran.stderr).toContain(says);
    expect(ran.status).toBe(1);
  });
});

async function overwrite(key: string, bytes: Buffer): Promise<void> {
  await tables.s3.send(new PutObjectCommand({ Bucket: tables.evidence, Key: key, Body: bytes, ChecksumAlgorithm: 'SHA256' }));
}
