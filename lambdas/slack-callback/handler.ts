/** The Lambda `slack-callback`, behind a public HTTP API (payload format 2.0). */
import { secretText } from '../adapters/secret-text.ts';
import { fieldsOf } from '../event-fields.ts';
import { errorFields, logOf } from '../log.ts';
import { required } from '../settings.ts';
import { answerSlack } from './slack-callback.ts';
import { parseSlackSecret } from './slack-secret.ts';

const log = logOf('slack-callback');
let secret: (() => Promise<string>) | undefined;

export type HttpReply = { readonly statusCode: number; readonly headers: Readonly<Record<string, string>>; readonly body: string };

const HEADERS = { 'cache-control': 'no-store', 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' };

/** Never throws for what somebody sends. */
export async function handler(event: unknown): Promise<HttpReply> {
  try {
    secret ??= secretText(required('SALLYPORT_SLACK_SECRET_ARN'));
    const { signingSecret } = parseSlackSecret(await secret());
    const fields = fieldsOf(event);
    const headers = fieldsOf(fields['headers'] ?? {}, '`headers`');
    const body = typeof fields['body'] === 'string' ? fields['body'] : '';
    const { status, body: reply } = answerSlack(
      {
        body: Buffer.from(body, fields['isBase64Encoded'] === true ? 'base64' : 'utf8'),
        timestamp: textOf(headers['x-slack-request-timestamp']),
        signature: textOf(headers['x-slack-signature']),
      },
      signingSecret,
      Date.now(),
    );
    if (status !== 200) log.warn('a call was not signed by Slack');
    log.metric('SlackCallsRefused', status === 200 ? 0 : 1);
    return { statusCode: status, headers: HEADERS, body: reply };
  } catch (error) {
    log.error('a call could not be verified', errorFields(error));
    return { statusCode: 503, headers: HEADERS, body: '' };
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
