import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { PutObjectCommand, S3Client, S3ServiceException } from '@aws-sdk/client-s3';
import { mockClient } from 'aws-sdk-client-mock';
import { beforeEach, describe, expect, test } from 'vitest';
import type { RawOperation, RawSql } from '../../../core/approval/raw-statement.ts';
import { parseAsk } from '../../../core/approval/ask.ts';
import { LambdaApprovalAsker } from '../../../proxy-task/adapters/lambda-approval-asker.ts';
import { aRawStatement, aRequest } from '../../support/approval-requests.ts';

const request = aRequest();
const lambda = mockClient(LambdaClient);
const s3 = mockClient(S3Client);
let dumps = 0;
const raw = (changes: Partial<RawSql> = {}): RawSql =>
  aRawStatement(request, {
    catalog: {
      version: 'c'.repeat(64),
      dump: async () => {
        dumps += 1;
        return Buffer.from('{}');
      },
    },
    parameters: [
      { type: 25, format: 0, value: Buffer.from('10') },
      { type: 0, format: 0, value: null },
      { type: 17, format: 1, value: Buffer.alloc(0) },
    ],
    ...changes,
  });
let asker: LambdaApprovalAsker;

const answers = (value: unknown, functionError?: string): void => {
  lambda.on(InvokeCommand).resolves({
    // The SDK's own type has helpers that nobody uses here.
    Payload: Buffer.from(JSON.stringify(value)) as never,
    ...(functionError === undefined ? {} : { FunctionError: functionError }),
  });
};

beforeEach(() => {
  lambda.reset();
  s3.reset();
  dumps = 0;
  s3.on(PutObjectCommand).resolves({});
  answers({ kind: 'stored', request });
  asker = new LambdaApprovalAsker({
    lambda: new LambdaClient({ region: 'us-east-1' }),
    s3: new S3Client({ region: 'us-east-1' }),
    functionName: 'request-approval',
    stagingBucket: 'staging',
  });
});

describe('LambdaApprovalAsker', () => {
  test('sends everything that a verdict rests on, and gives the request back as it was stored', async () => {
    const stored = { ...request, requestedAtMs: 77 };
    answers({ kind: 'stored', request: stored });
    expect(await asker.ask(request, raw())).toEqual(stored);
    const payload = lambda.commandCalls(InvokeCommand)[0]?.args[0].input.Payload;
    const ask = parseAsk(JSON.parse(payload instanceof Uint8Array ? Buffer.from(payload).toString('utf8') : ''));
    const { catalog: _, ...rest } = raw();
    expect(ask).toMatchObject({ id: request.id, digest: request.digest, catalogVersion: 'c'.repeat(64), raw: rest });
  });

  test('stages a catalog once per version, before anything is asked', async () => {
    await Promise.all([asker.ask(request, raw()), asker.ask(request, raw())]);
    expect([dumps, s3.commandCalls(PutObjectCommand).length]).toEqual([1, 1]);
    expect(s3.commandCalls(PutObjectCommand)[0]?.args[0].input).toMatchObject({
      Bucket: 'staging',
      Key: `catalogs/bank/${'c'.repeat(64)}.json`,
      IfNoneMatch: '*',
    });
  });

  test('sends an operation on a host as it is: nothing is staged for it', async () => {
    const operation = { kind: 'shell', account: 'deploy' } as const;
    const { principal, session, target, reasonGiven } = raw();
    const ssh: RawOperation = { protocol: 'ssh', operation, environment: [['LANG', 'C']], principal, session, target, reasonGiven };
    expect(await asker.ask(request, ssh)).toEqual(request);
    const payload = lambda.commandCalls(InvokeCommand)[0]?.args[0].input.Payload;
    expect(parseAsk(JSON.parse(payload instanceof Uint8Array ? Buffer.from(payload).toString('utf8') : ''))).toMatchObject({ raw: ssh });
    expect(s3.commandCalls(PutObjectCommand)).toEqual([]);
  });

  test('takes a catalog that another task has staged', async () => {
    s3.on(PutObjectCommand).rejects(
      new S3ServiceException({ name: 'PreconditionFailed', $fault: 'client', $metadata: { httpStatusCode: 412 } }),
    );
    expect(await asker.ask(request, raw())).toEqual(request);
  });

  test.each<[string, () => void]>([
    ['the bucket is denied', () => s3.on(PutObjectCommand).rejects(new Error('AccessDenied'))],
    ['the function cannot be reached', () => lambda.on(InvokeCommand).rejects(new Error('TimeoutError'))],
    ['the function is throttled', () => lambda.on(InvokeCommand).rejects(new Error('TooManyRequestsException'))],
    ['the function has failed', () => answers({ errorMessage: 'with a secret in it' }, 'Unhandled')],
    ['the function answers something else', () => answers({ kind: 'fine' })],
    ['the function answers for another statement', () => answers({ kind: 'stored', request: { ...request, digest: 'e'.repeat(64) } })],
    ['the function says that it cannot', () => answers({ kind: 'unavailable', reason: 'not now' })],
  ])('is unavailable when %s', async (_, fault) => {
    fault();
    await expect(asker.ask(request, raw())).rejects.toMatchObject({ code: 'gate-unavailable' });
  });

  test('is unavailable when the catalog has changed meanwhile, and stages the next one', async () => {
    const catalog = { version: 'c'.repeat(64), dump: () => Promise.reject(new Error('changed')) };
    await expect(asker.ask(request, raw({ catalog }))).rejects.toMatchObject({ code: 'gate-unavailable' });
    expect(await asker.ask(request, raw())).toEqual(request);
  });

  test('stages again what the function did not find', async () => {
    answers({ errorMessage: 'no catalog is staged' }, 'Unhandled');
    await expect(asker.ask(request, raw())).rejects.toMatchObject({ code: 'gate-unavailable' });
    answers({ kind: 'stored', request });
    await asker.ask(request, raw());
    expect(dumps).toBe(2);
  });

  test('tells the agent what nobody could approve', async () => {
    answers({ kind: 'unapprovable', reason: 'give the agent an owner' });
    await expect(asker.ask(request, raw())).rejects.toMatchObject({ code: 'request-unapprovable', message: 'give the agent an owner' });
    const parameters = [{ type: 17, format: 1, value: Buffer.alloc(4 * 1024 * 1024) }];
    await expect(asker.ask(request, raw({ parameters }))).rejects.toMatchObject({ code: 'request-unapprovable' });
  });
});
