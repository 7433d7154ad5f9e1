// The console's function without anything behind it: what it says where it was deployed wrongly, and what it still answers.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { readBallotAnswer } from '../../core/approval/ballot-answer.ts';

const VARIABLES: Readonly<Record<string, string>> = {
  SALLYPORT_PUBLIC_URL: 'https://console.example',
  SALLYPORT_CONTROL_TABLE: 'control',
  SALLYPORT_CONFIG_BUCKET: 'config',
  SALLYPORT_BUNDLE_KEY_ARN: 'arn:aws:kms:us-east-1:1:key/1',
  SALLYPORT_WRITERS_TABLE: 'writers',
  SALLYPORT_SESSIONS_TABLE: 'sessions',
  SALLYPORT_REQUESTS_TABLE: 'requests',
  SALLYPORT_DECISIONS_TABLE: 'decisions',
  SALLYPORT_CLAIMS_TABLE: 'claims',
  SALLYPORT_SIGNIN_TABLE: 'signin',
  SALLYPORT_SSHKEYS_TABLE: 'sshkeys',
  SALLYPORT_FN_DECIDE_APPROVAL: 'decide-approval',
  AWS_REGION: 'us-east-1',
  AWS_ACCESS_KEY_ID: 'test',
  AWS_SECRET_ACCESS_KEY: 'test',
  // Nothing listens there.
  AWS_ENDPOINT_URL: 'http://127.0.0.1:1',
};
const event = (path: string) => ({
  requestContext: { elb: { targetGroupArn: 'x' } },
  httpMethod: 'GET',
  path,
  multiValueHeaders: { host: ['console.example'] },
  body: '',
  isBase64Encoded: false,
});
let lines: string[];

beforeEach(() => {
  vi.resetModules();
  lines = [];
  vi.spyOn(process.stdout, 'write').mockImplementation((line) => lines.push(String(line)) > 0);
  for (const [name, value] of Object.entries(VARIABLES)) vi.stubEnv(name, value);
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});
const load = async () => (await import('../../lambdas/console/handler.ts')).handler;

describe('the function of the console', () => {
  test.each(Object.keys(VARIABLES).filter((name) => name.startsWith('SALLYPORT_')))('names %s where it is not set', async (name) => {
    vi.stubEnv(name, '');
    const handler = await load();
    await expect(handler(event('/healthz'))).rejects.toThrow(name);
  });

  test.each(['http://console.example', 'console.example', 'https://user:secret@console.example'])(
    'is not deployed as %s',
    async (address) => {
      vi.stubEnv('SALLYPORT_PUBLIC_URL', address);
      const handler = await load();
      await expect(handler(event('/healthz'))).rejects.toMatchObject({ code: 'insecure-address' });
    },
  );

  test('is healthy, and closed, where nothing behind it answers; the reason is in the log alone', async () => {
    const handler = await load();
    expect(await handler(event('/healthz'))).toMatchObject({ statusCode: 200 });
    for (const path of ['/approvals/ap_1', '/v1/sessions', '/']) {
      const answer = await handler(event(path));
      expect(answer.statusCode).toBe(503);
      expect(answer.multiValueHeaders['x-frame-options']).toEqual(['DENY']);
      expect(Buffer.from(answer.body, 'base64').toString()).not.toMatch(/ECONNREFUSED|127\.0\.0\.1|control/);
    }
    expect(lines.map((line): unknown => JSON.parse(line))).toContainEqual(expect.objectContaining({ level: 'error', purpose: 'console' }));
  });
});

describe('what the function that counts votes answers', () => {
  test('is taken as it is meant', () => {
    expect(readBallotAnswer({ kind: 'counted', approval: {} })).toEqual({ kind: 'counted' });
    expect(readBallotAnswer({ kind: 'not-found' })).toEqual({ kind: 'not-found' });
    expect(readBallotAnswer({ kind: 'refused', code: 'expired', reason: 'r' })).toEqual({ kind: 'refused', code: 'expired', reason: 'r' });
  });

  test.each([
    null,
    'counted',
    {},
    [],
    { kind: 'approved' },
    { kind: 'refused' },
    { kind: 'refused', code: 'toString', reason: 'r' },
    { kind: 'refused', code: 'expired' },
  ])('%j is no answer', (value) => {
    expect(readBallotAnswer(value)).toBeUndefined();
  });
});
