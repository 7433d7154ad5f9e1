/** Tells people in a channel of Slack (chat.postMessage). Its button opens the page. */
import { SallyportError } from '../../core/errors.ts';
import type { Channel, NoticeText } from '../notify-approvers/ports.ts';

export type SlackSecret = { readonly botToken: string; readonly signingSecret: string; readonly channel: string };

/** Slack took the message for none, or did not answer; its own word for why is kept, never the token. */
export class SlackRefused extends SallyportError {
  readonly code = 'slack-refused';
}

const TIMEOUT_MS = 5_000;
/** Slack takes 3,000 characters in one text. */
const MAX_TEXT = 2_900;

export function slackChannel(
  secret: () => Promise<Pick<SlackSecret, 'botToken' | 'channel'>>,
  api = 'https://slack.com/api/chat.postMessage',
): Channel {
  return {
    name: 'Slack',
    send: async (text) => {
      const { botToken, channel } = await secret();
      const response = await fetch(api, {
        method: 'POST',
        headers: { 'content-type': 'application/json; charset=utf-8', authorization: `Bearer ${botToken}` },
        body: JSON.stringify({ channel, ...slackMessage(text) }),
        signal: AbortSignal.timeout(TIMEOUT_MS),
        redirect: 'error',
      });
      if (!response.ok) throw new SlackRefused(`Slack answers with the status ${response.status}`);
      const said: unknown = await response.json();
      if (typeof said === 'object' && said !== null && 'ok' in said && said.ok === true) return;
      const why = typeof said === 'object' && said !== null && 'error' in said && typeof said.error === 'string' ? said.error : 'unknown';
      throw new SlackRefused(`Slack refuses the message: ${why.slice(0, 100)}`);
    },
  };
}

/** Plain text everywhere: what an agent wrote is never markup, and mentions nobody. */
function slackMessage({ subject, lines, url }: NoticeText): Readonly<Record<string, unknown>> {
  return {
    // For notifications; `mrkdwn` off, and the three characters escaped that would make links and mentions.
    text: subject.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;'),
    mrkdwn: false,
    unfurl_links: false,
    unfurl_media: false,
    blocks: [
      { type: 'header', text: { type: 'plain_text', text: subject, emoji: false } },
      { type: 'section', text: { type: 'plain_text', text: lines.join('\n').slice(0, MAX_TEXT), emoji: false } },
      {
        type: 'actions',
        elements: [
          { type: 'button', action_id: 'open', text: { type: 'plain_text', text: 'Read and decide', emoji: false }, style: 'primary', url },
        ],
      },
    ],
  };
}
