/** The secret that `docs/slack.md` says how to fill. */
import { Fields, FieldMalformed } from '../../core/approval/fields.ts';

/** Throws FieldMalformed, which repeats nothing of it. */
export function parseSlackSecret(secret: string): { readonly botToken: string; readonly signingSecret: string; readonly channel: string } {
  let value: unknown;
  try {
    value = JSON.parse(secret);
  } catch {
    // The parser's own words would repeat a part of the secret.
    throw new FieldMalformed("Slack's secret is no JSON");
  }
  const fields = new Fields(value, "Slack's secret");
  return { botToken: fields.text('botToken'), signingSecret: fields.text('signingSecret'), channel: fields.text('channel') };
}
