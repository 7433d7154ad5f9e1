/** Tells people by the topic of the instance, to which e-mail addresses subscribe. */
import { PublishCommand, SNSClient } from '@aws-sdk/client-sns';
import type { Channel } from '../notify-approvers/ports.ts';

/** The state machine tries again; nobody waits for one attempt. */
const CLIENT = { maxAttempts: 3, requestHandler: { connectionTimeout: 500, requestTimeout: 3_000, throwOnRequestTimeout: true } };

export function snsChannel(topicArn: string, client: SNSClient = new SNSClient(CLIENT)): Channel {
  return {
    name: 'e-mail',
    send: async ({ subject, lines, url }) => {
      const Message = `${lines.join('\n')}\n\nRead and decide: ${url}\n\nOpening the link decides nothing. Sign in on the page to answer.\n`;
      await client.send(new PublishCommand({ TopicArn: topicArn, Subject: subject, Message }));
    },
  };
}
