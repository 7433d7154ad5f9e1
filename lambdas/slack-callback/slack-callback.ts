/**
 * What Slack sends when somebody uses a button: the one thing of the gateway that the internet may call. It is believed only with
 * Slack's signature, and it decides nothing: a button carries no sign-in of the person, so that it opens the page.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';

export type SlackCall = {
  /** Exactly the bytes that came. */
  readonly body: Buffer;
  readonly timestamp: string | undefined;
  readonly signature: string | undefined;
};

export type SlackReply = { readonly status: 200 | 401; readonly body: string };

/** A call that was signed longer ago may be a replay (Slack, "Verifying requests"). */
const MAX_AGE_S = 5 * 60;
/** Interactions of our messages are far smaller. */
const MAX_BODY_BYTES = 64 * 1024;

/** Verifies and acknowledges, at once: Slack waits for three seconds. */
export function answerSlack(call: SlackCall, signingSecret: string, nowMs: number): SlackReply {
  if (!isFromSlack(call, signingSecret, nowMs)) return { status: 401, body: '' };
  return { status: 200, body: '' };
}

/** `v0=` and the HMAC-SHA-256 over `v0:timestamp:body`. */
export function isFromSlack({ body, timestamp, signature }: SlackCall, signingSecret: string, nowMs: number): boolean {
  if (timestamp === undefined || !/^\d{1,12}$/.test(timestamp) || signature === undefined || body.length > MAX_BODY_BYTES) return false;
  if (Math.abs(nowMs / 1_000 - Number(timestamp)) > MAX_AGE_S) return false;
  // An empty secret would let everybody sign.
  if (signingSecret === '') return false;
  const expected = Buffer.from(`v0=${createHmac('sha256', signingSecret).update(`v0:${timestamp}:`).update(body).digest('hex')}`);
  const given = Buffer.from(signature);
  return given.length === expected.length && timingSafeEqual(given, expected);
}
