import { createHmac } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { answerSlack, isFromSlack, type SlackCall } from '../../lambdas/slack-callback/slack-callback.ts';
import { parseSlackSecret } from '../../lambdas/slack-callback/slack-secret.ts';

const SECRET = '8f742231b10e8888abcd99yyyzzz85a5';
const NOW = 1_531_420_618_000;

function signed(body: string, timestamp = String(NOW / 1_000), secret = SECRET): SlackCall {
  const signature = `v0=${createHmac('sha256', secret).update(`v0:${timestamp}:${body}`).digest('hex')}`;
  return { body: Buffer.from(body), timestamp, signature };
}

describe('a call of Slack', () => {
  test("is believed by the example of Slack's own documentation", () => {
    const body =
      'token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c';
    const signature = 'v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503';
    expect(isFromSlack({ body: Buffer.from(body), timestamp: '1531420618', signature }, SECRET, NOW)).toBe(true);
  });

  test.each<[string, SlackCall]>([
    ['without a signature', { ...signed('a'), signature: undefined }],
    ['without a time', { ...signed('a'), timestamp: undefined }],
    ['with a time that is none', signed('a', '1e9')],
    ['with another body', { ...signed('a'), body: Buffer.from('b') }],
    ['signed by another secret', signed('a', String(NOW / 1_000), 'another')],
    ['signed more than five minutes ago', signed('a', String(NOW / 1_000 - 301))],
    ['signed for more than five minutes later', signed('a', String(NOW / 1_000 + 301))],
    ['with a signature of another length', { ...signed('a'), signature: 'v0=' }],
    ['that is too long', signed('a'.repeat(65_537))],
  ])('is refused %s', (_, call) => {
    expect(answerSlack(call, SECRET, NOW)).toEqual({ status: 401, body: '' });
  });

  test('is refused where the secret is empty, whoever signed with it', () => {
    expect(isFromSlack(signed('a', String(NOW / 1_000), ''), '', NOW)).toBe(false);
  });

  test('is acknowledged and decides nothing', () => {
    const payload = encodeURIComponent(JSON.stringify({ type: 'block_actions', actions: [{ action_id: 'approve', value: 'ap_1' }] }));
    expect(answerSlack(signed(`payload=${payload}`), SECRET, NOW)).toEqual({ status: 200, body: '' });
  });
});

describe("Slack's secret", () => {
  test('that is malformed is refused without a word of it', () => {
    for (const secret of ['xoxb-17 is no JSON', '{"botToken":"xoxb-17"}', '[]']) {
      expect(() => parseSlackSecret(secret)).toThrow(expect.objectContaining({ message: expect.not.stringContaining('xoxb') }));
    }
  });
});
