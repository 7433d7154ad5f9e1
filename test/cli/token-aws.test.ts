import { createServer } from 'node:http';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { dispatch } from '../../cli/dispatch.ts';
import { keptIo } from '../support/verb-io.ts';

/** STS as far as one call: what it was asked, and what it answers (status, body). */
let answers: (readonly [status: number, body: string])[];
let asked: URLSearchParams[];
let stop: () => Promise<void>;

beforeEach(async () => {
  answers = [];
  asked = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      asked.push(new URLSearchParams(Buffer.concat(chunks).toString()));
      const [status, body] = answers.shift() ?? [500, ''];
      response.writeHead(status, { 'content-type': 'text/xml' }).end(body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  stop = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  vi.stubEnv('AWS_ENDPOINT_URL_STS', `http://127.0.0.1:${address.port}`);
  vi.stubEnv('AWS_REGION', 'eu-central-1');
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'test');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'test');
  vi.stubEnv('AWS_CONFIG_FILE', '/dev/null');
  vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', '/dev/null');
  vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await stop();
});

const run = async (...words: readonly string[]) => {
  const io = keptIo();
  const status = await dispatch(['token', '--aws', ...words], io);
  return { status, ...io.written };
};
const given = `<GetWebIdentityTokenResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetWebIdentityTokenResult>
<WebIdentityToken>a.b.c</WebIdentityToken><Expiration>2026-11-20T13:00:00Z</Expiration></GetWebIdentityTokenResult></GetWebIdentityTokenResponse>`;
const refused = (code: string, message = 'no'): string =>
  `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error></ErrorResponse>`;

describe('sallyport token --aws', () => {
  test('prints a token of the role for an hour, signed with ES384, and nothing else', async () => {
    answers.push([200, given]);
    expect(await run()).toEqual({ status: 0, stdout: 'a.b.c\n', stderr: '' });
    expect(Object.fromEntries(asked[0] ?? [])).toMatchObject({
      Action: 'GetWebIdentityToken',
      'Audience.member.1': 'sallyport',
      DurationSeconds: '3600',
      SigningAlgorithm: 'ES384',
    });
  });

  test('takes another audience and a shorter time', async () => {
    answers.push([200, given]);
    expect(await run('--audience', 'https://gw.example', '--ttl', '5m', '--json')).toMatchObject({
      status: 0,
      stdout: '{"token":"a.b.c"}\n',
    });
    expect(Object.fromEntries(asked[0] ?? [])).toMatchObject({ 'Audience.member.1': 'https://gw.example', DurationSeconds: '300' });
  });

  test.each([
    ['OutboundWebIdentityFederationDisabled', 'not enabled in this AWS account'],
    ['OutboundWebIdentityFederationDisabledException', 'not enabled in this AWS account'],
    ['SessionDurationEscalation', 'ask for less with --ttl'],
    ['SessionDurationEscalationException', 'ask for less with --ttl'],
    ['JWTPayloadSizeExceededException', 'remove some of them'],
    ['AccessDenied', 'allow it sts:GetWebIdentityToken'],
    ['ExpiredToken', 'renew them'],
    ['SomethingNew', 'STS gave no token: no'],
  ])('says what to do about %s', async (code, words) => {
    answers.push([400, refused(code)]);
    const { status, stdout, stderr } = await run();
    expect([status, stdout]).toEqual([1, '']);
    expect(stderr).toContain(words);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });

  test('says when there are no credentials, or no region', async () => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', '');
    expect((await run()).stderr).toContain('no AWS credentials were found');
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'test');
    for (const region of ['', undefined]) {
      vi.stubEnv('AWS_REGION', region);
      expect((await run()).stderr).toContain('name one in AWS_REGION');
    }
    expect(asked).toEqual([]);
  });

  test.each([
    [['--ttl', '30s'], '1m to 1h'],
    [['--ttl', '2h'], '1m to 1h'],
    [['--principal', 'agent-7'], '--principal has no meaning'],
    [['--group', 'dba'], '--group has no meaning'],
    [['--audience', ''], '--audience'],
    [['--audience', 'a'.repeat(1_001)], '--audience'],
  ])('%j is wrong usage', async (words, says) => {
    const { status, stderr } = await run(...words);
    expect(status).toBe(2);
    expect(stderr).toContain(says);
    expect(asked).toEqual([]);
  });

  test('an audience without --aws is wrong usage', async () => {
    const io = keptIo();
    expect(await dispatch(['token', '--principal', 'agent-7', '--audience', 'x'], io)).toBe(2);
  });
});
