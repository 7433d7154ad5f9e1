/** Functions that are slow, throttled, broken or lying, as the proxy meets them. */
import { createServer, type Server } from 'node:http';
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { mockClient } from 'aws-sdk-client-mock';
import ssh2 from 'ssh2';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { invokeLambda } from '../../../proxy-task/adapters/invoke-lambda.ts';
import { LambdaCredentials } from '../../../proxy-task/adapters/lambda-credentials.ts';
import { LambdaPolicy } from '../../../proxy-task/adapters/lambda-policy.ts';
import type { SshTarget } from '../../../core/target.ts';
import { awsTarget, principal } from '../../support/aws-target.ts';

const ENVIRONMENT = { AWS_REGION: 'us-east-1', AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' };
Object.assign(process.env, ENVIRONMENT);

const lambda = mockClient(LambdaClient);
const answer = (value: unknown): { Payload: never } => ({ Payload: Buffer.from(JSON.stringify(value)) as never }); // The SDK's own class of bytes.

/** The first event that a function got. */
function sent(): unknown {
  const payload = lambda.commandCalls(InvokeCommand)[0]?.args[0].input.Payload;
  return payload instanceof Uint8Array ? JSON.parse(Buffer.from(payload).toString()) : payload;
}

beforeEach(() => lambda.reset());
afterEach(() => lambda.reset());

const throttled = Object.assign(new Error('Rate exceeded'), { name: 'TooManyRequestsException' });
const slow = Object.assign(new Error('socket hang up after 3000 ms'), { name: 'TimeoutError' });

const SHOWN = { kind: 'token', token: 'the-token' } as const;
const DECIDED = {
  kind: 'decided',
  version: 'b-0000000000000001',
  principal: { issuer: 'corp', agent: 'agent-7', groups: [] },
  decision: 'permit',
  policies: ['connect'],
  reason: 'because',
};

describe('evaluate-policy and lookup-masking', () => {
  const policy = () => new LambdaPolicy({ evaluatePolicy: 'fn-evaluate', lookupMasking: 'fn-lookup' });

  test('are asked with token, target and version', async () => {
    lambda.on(InvokeCommand).resolves(answer(DECIDED));
    expect(await policy().connect(SHOWN, 'bank', 'b-0000000000000001')).toEqual(DECIDED);
    expect(lambda.commandCalls(InvokeCommand)[0]?.args[0].input.FunctionName).toBe('fn-evaluate');
    expect(sent()).toEqual({
      kind: 'connect',
      token: 'the-token',
      target: 'bank',
      version: 'b-0000000000000001',
    });
  });

  const failures: readonly (readonly [name: string, prepare: () => unknown])[] = [
    ['throttled', () => lambda.on(InvokeCommand).rejects(throttled)],
    ['too slow', () => lambda.on(InvokeCommand).rejects(slow)],
    ['not reachable', () => lambda.on(InvokeCommand).rejects(new Error('ECONNREFUSED'))],
    ['failing', () => lambda.on(InvokeCommand).resolves({ ...answer({ errorMessage: 'the-token' }), FunctionError: 'Unhandled' })],
    ['silent', () => lambda.on(InvokeCommand).resolves({})],
    ['answering with something else', () => lambda.on(InvokeCommand).resolves(answer({ ...DECIDED, decision: 'maybe' }))],
    ['answering with no JSON', () => lambda.on(InvokeCommand).resolves({ Payload: Buffer.from('<html>') as never })], // As above.
    ['answering null', () => lambda.on(InvokeCommand).resolves(answer(null))],
  ];
  test.each(failures)('%s give no decision, and their words are not repeated', async (_, prepare) => {
    prepare();
    for (const asked of [policy().connect(SHOWN, 'bank', 'v'), policy().plan(SHOWN, 'bank', 'v')]) {
      await expect(asked).rejects.toMatchObject({ code: 'decision-unavailable', message: expect.not.stringContaining('the-token') });
    }
  });
});

describe('issue-credential', () => {
  const credentials = (nowMs = 0) => new LambdaCredentials({ functionName: 'fn-issue', now: () => nowMs });
  const issue = (nowMs?: number) => credentials(nowMs).issue(awsTarget(), principal(), 's_1', 'the-token');
  const ISSUED = { kind: 'issued', id: 'rdsIam:ASIA', password: 'p', expiresAtMs: 1_000, bundle: 'b-1' };

  test('is asked with the agent’s own token, and gives what a login needs', async () => {
    lambda.on(InvokeCommand).resolves(answer(ISSUED));
    expect(await issue()).toEqual({ id: 'rdsIam:ASIA', password: 'p' });
    expect(sent()).toEqual({
      purpose: 'session',
      target: 'bank',
      session: 's_1',
      token: 'the-token',
    });
  });

  test('is asked for the catalog without any token', async () => {
    lambda.on(InvokeCommand).resolves(answer(ISSUED));
    await credentials().issueForCatalog(awsTarget());
    expect(sent()).toEqual({ purpose: 'catalog', target: 'bank' });
  });

  const failures: readonly (readonly [name: string, prepare: () => unknown])[] = [
    ['refusing', () => lambda.on(InvokeCommand).resolves(answer({ kind: 'refused', code: 'not-permitted', reason: 'no' }))],
    ['throttled', () => lambda.on(InvokeCommand).rejects(throttled)],
    ['too slow', () => lambda.on(InvokeCommand).rejects(slow)],
    ['failing', () => lambda.on(InvokeCommand).resolves({ ...answer({ errorMessage: 'p' }), FunctionError: 'Unhandled' })],
    ['giving an empty password', () => lambda.on(InvokeCommand).resolves(answer({ ...ISSUED, password: '' }))],
    ['giving none', () => lambda.on(InvokeCommand).resolves(answer({ kind: 'issued' }))],
  ];
  test.each(failures)('%s gives no credential', async (_, prepare) => {
    prepare();
    await expect(issue()).rejects.toMatchObject({ code: 'credential-unavailable', message: expect.stringContaining('target "bank"') });
  });

  test.each([
    ['throttled', throttled],
    ['too slow', slow],
  ])('%s may give one in a moment', async (_, failure) => {
    lambda.on(InvokeCommand).rejects(failure);
    await expect(issue()).rejects.toMatchObject({ retry: true });
    lambda.on(InvokeCommand).resolves(answer({ kind: 'refused', code: 'not-permitted', reason: 'no' }));
    await expect(issue()).rejects.toMatchObject({ retry: false });
  });

  test('gives none that has expired on the way', async () => {
    lambda.on(InvokeCommand).resolves(answer(ISSUED));
    await expect(issue(1_000)).rejects.toMatchObject({ code: 'credential-unavailable' });
  });
});

describe('issue-credential, for a host', () => {
  const host = (credential: SshTarget['credential']): SshTarget => ({
    kind: 'ssh',
    name: 'web1',
    host: 'web1',
    port: 22,
    accounts: ['deploy'],
    hostKeys: [],
    credential,
    shell: 'posix',
    environment: [],
    limits: { maxBytes: 1, budgets: [], maxSessionMs: 1, idleMs: 1, maxStatementBytes: 1, maxChannels: 1 },
    recordContent: 'rows',
    detectors: [],
    blockFindings: 'none',
  });
  const SECRET = { kind: 'secretsManager', arn: 'arn' } as const;
  const login = { account: 'deploy', principal: principal(), session: 's_1', shown: SHOWN };
  const issue = (credential: SshTarget['credential']) =>
    new LambdaCredentials({ functionName: 'fn-issue', now: () => 0 }).issueForHost({ ...login, target: host(credential) });
  const ISSUED = { kind: 'issued', id: 'x:1', expiresAtMs: 1_000, bundle: 'b-1' };
  const sentKey = (): unknown => Object(sent())['publicKey'];

  test('is asked with what the agent has shown, and gives the key of a secret', async () => {
    lambda.on(InvokeCommand).resolves(answer({ ...ISSUED, form: 'privateKey', password: 'a private key' }));
    expect(await issue(SECRET)).toEqual({ id: 'x:1', privateKey: 'a private key' });
    expect(sent()).toEqual({ purpose: 'host', target: 'web1', account: 'deploy', session: 's_1', token: 'the-token' });
  });

  test('is sent the public half of a new key for each login, and certifies it', async () => {
    lambda.on(InvokeCommand).resolves(answer({ ...ISSUED, form: 'certificate', certificate: Buffer.from('signed').toString('base64') }));
    const given = await issue({ kind: 'sshCa' });
    expect(given).toMatchObject({ id: 'x:1', certificate: Buffer.from('signed') });
    const key = ssh2.utils.parseKey(given.privateKey);
    expect(key instanceof Error ? key : key.getPublicSSH().toString('base64')).toBe(sentKey());
    expect(JSON.stringify(sent())).not.toContain('PRIVATE');
    expect((await issue({ kind: 'sshCa' })).privateKey).not.toBe(given.privateKey);
  });

  test('pushes it to an instance', async () => {
    lambda.on(InvokeCommand).resolves(answer({ ...ISSUED, form: 'pushed' }));
    const given = await issue({ kind: 'instanceConnect' });
    expect(given).toEqual({ id: 'x:1', privateKey: expect.stringContaining('OPENSSH PRIVATE KEY') });
    expect(sentKey()).toEqual(expect.any(String));
  });

  test.each<[string, SshTarget['credential'], object]>([
    ['no certificate where one was asked for', { kind: 'sshCa' }, {}],
    ['an empty certificate', { kind: 'sshCa' }, { form: 'certificate', certificate: '' }],
    ['a certificate that is not in base64', { kind: 'sshCa' }, { form: 'certificate', certificate: 'ü' }],
    ['a key where a certificate was asked for', { kind: 'sshCa' }, { form: 'privateKey', password: 'p' }],
    ['a certificate where a key was to be pushed', { kind: 'instanceConnect' }, { form: 'certificate', certificate: 'AAAA' }],
    ['no key of a secret', SECRET, { form: 'pushed' }],
  ])('with %s is not understood', async (_, credential, fields) => {
    lambda.on(InvokeCommand).resolves(answer({ ...ISSUED, ...fields }));
    await expect(issue(credential)).rejects.toMatchObject({
      code: 'credential-unavailable',
      message: expect.stringContaining('not understood'),
    });
  });

  test('is not asked for an agent that has shown nothing', async () => {
    const { shown: _, ...nobody } = login;
    const asked = new LambdaCredentials({ functionName: 'fn-issue', now: () => 0 }).issueForHost({
      ...nobody,
      target: host({ kind: 'sshCa' }),
    });
    await expect(asked).rejects.toMatchObject({ code: 'credential-unavailable' });
    expect(lambda.commandCalls(InvokeCommand)).toEqual([]);
  });
});

describe('a function that does not answer at all', () => {
  let server: Server;
  let requests = 0;
  beforeEach(async () => {
    lambda.restore();
    requests = 0;
    server = createServer(() => {
      requests += 1;
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    process.env['AWS_ENDPOINT_URL_LAMBDA'] = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
  });
  afterEach(() => {
    delete process.env['AWS_ENDPOINT_URL_LAMBDA'];
    server.closeAllConnections();
    server.close();
  });

  test('is given up after two tries of the time that was said', async () => {
    const startedAt = performance.now();
    await expect(invokeLambda('fn', 200)({})).rejects.toThrow();
    expect(requests).toBe(2);
    expect(performance.now() - startedAt).toBeLessThan(3_000);
  });
});
