/** The Lambda `notify-approvers`: two steps of the approval workflow, and what a sweep repeats. */
import { isApprovalId } from '../../core/approval/ask.ts';
import { approvalsClient, lookUpApprovals } from '../adapters/approval-lookup.ts';
import { DynamoNoticeStore } from '../adapters/dynamo-notice-store.ts';
import { secretText } from '../adapters/secret-text.ts';
import { slackChannel } from '../adapters/slack-channel.ts';
import { snsChannel } from '../adapters/sns-channel.ts';
import { EventRefused, fieldsOf, textField, wordField } from '../event-fields.ts';
import { errorFields, logOf } from '../log.ts';
import { optional, required } from '../settings.ts';
import { parseSlackSecret } from '../slack-callback/slack-secret.ts';
import { AlreadyDecided, describeWait, notifyApprovers } from './notify-approvers.ts';
import type { NotifyPorts } from './ports.ts';

const log = logOf('notify-approvers');
let ports: NotifyPorts | undefined;

/** A task token has at most 2,048 characters. */
const MAX_TOKEN = 2_048;

/** Takes `{"step":"describe"|"notify","id","taskToken"?}`. Throws by the names that the state machine knows. */
export async function handler(event: unknown): Promise<{ readonly waitSeconds: number } | { readonly notified: true }> {
  const fields = fieldsOf(event);
  const step = wordField(fields, 'step', ['describe', 'notify']);
  const id = textField(fields, 'id', 67);
  if (!isApprovalId(id)) throw new EventRefused('`id` is no id of an approval');
  try {
    ports ??= compose();
    if (step === 'describe') return await describeWait(ports, id);
    await notifyApprovers(ports, id, fields['taskToken'] === undefined ? undefined : textField(fields, 'taskToken', MAX_TOKEN));
    log.info('people were told', { approval: id });
    return { notified: true };
  } catch (error) {
    if (error instanceof AlreadyDecided) log.info('decided before people were told', { approval: id });
    else log.error('people could not be told', { approval: id, step, ...errorFields(error) });
    throw error;
  }
}

function compose(): NotifyPorts {
  const client = approvalsClient();
  const tables = {
    requests: required('SALLYPORT_REQUESTS_TABLE'),
    decisions: required('SALLYPORT_DECISIONS_TABLE'),
    claims: required('SALLYPORT_CLAIMS_TABLE'),
  };
  const slack = optional('SALLYPORT_SLACK_SECRET_ARN');
  const slackSecret = slack === undefined ? undefined : secretText(slack);
  return {
    approval: async (id) => (await lookUpApprovals(client, tables, [id]))[0]?.approval,
    notices: new DynamoNoticeStore(client, required('SALLYPORT_NOTICES_TABLE'), Date.now),
    channels: [
      snsChannel(required('SALLYPORT_NOTICE_TOPIC_ARN')),
      ...(slackSecret === undefined ? [] : [slackChannel(async () => parseSlackSecret(await slackSecret()))]),
    ],
    publicUrl: required('SALLYPORT_PUBLIC_URL').replace(/\/+$/, ''),
    now: Date.now,
    notSent: (approval, channel, error) => {
      log.error('a channel could not be used', { approval, channel, ...errorFields(error) });
      log.metric('NoticesNotSent', 1, 'Count', { channel });
    },
  };
}
