/** The Lambda `decide-approval`: invoked by the console with a person's answer. It alone may write decisions. */
import { approverIssuers, idTokenVerifier } from '../../console/id-token-verifier.ts';
import { isApprovalId } from '../../core/approval/ask.ts';
import type { BallotAnswer } from '../../core/approval/ballot-answer.ts';
import type { VerifyIdToken } from '../../core/approval/votes.ts';
import type { Config } from '../../core/config/config.ts';
import { approvalsClient } from '../adapters/approval-lookup.ts';
import { DynamoDecisionStore } from '../adapters/dynamo-decision-store.ts';
import { DynamoTaskTokens } from '../adapters/dynamo-task-tokens.ts';
import { bundleReader } from '../adapters/s3-bundle-reader.ts';
import { completeTask } from '../adapters/sfn-complete-task.ts';
import { EventRefused, fieldsOf, textField, wordField } from '../event-fields.ts';
import { errorFields, logOf } from '../log.ts';
import { required } from '../settings.ts';
import { decideApproval, type SignedBallot } from './decide-approval.ts';
import type { DecidePorts } from './ports.ts';

const log = logOf('decide-approval');
let ports: DecidePorts | undefined;

const MAX_REASON_CHARACTERS = 1_000;

/** Takes `{"id","ballot":{"answer","reason","channel","idToken"}}`. Throws where asking again may help. */
export async function handler(event: unknown): Promise<BallotAnswer> {
  try {
    const { id, ballot } = readBallot(event);
    ports ??= compose();
    const answer = await decideApproval(ports, id, ballot);
    if (answer.kind === 'refused') log.warn('answer refused', { approval: id, code: answer.code, channel: ballot.channel });
    else log.info('answer', { approval: id, kind: answer.kind, channel: ballot.channel });
    log.metric('VotesRefused', answer.kind === 'refused' ? 1 : 0);
    return answer;
  } catch (error) {
    log.error('the answer could not be counted', errorFields(error));
    throw error;
  }
}

function readBallot(event: unknown): { readonly id: string; readonly ballot: SignedBallot } {
  const fields = fieldsOf(event);
  const id = textField(fields, 'id', 67);
  if (!isApprovalId(id)) throw new EventRefused('`id` is no id of an approval');
  const ballot = fieldsOf(fields['ballot'], '`ballot`');
  const { reason } = ballot;
  if (typeof reason !== 'string' || reason.length > MAX_REASON_CHARACTERS)
    throw new EventRefused('`reason` is not a text of at most 1,000 characters');
  return {
    id,
    ballot: {
      answer: wordField(ballot, 'answer', ['approve', 'reject']),
      reason,
      // A button in Slack carries no sign-in of the person, so nothing from there is counted: it opens the page.
      channel: wordField(ballot, 'channel', ['page', 'cli']),
      idToken: textField(ballot, 'idToken'),
    },
  };
}

function compose(): DecidePorts {
  const bundles = bundleReader({
    controlTable: required('SALLYPORT_CONTROL_TABLE'),
    configBucket: required('SALLYPORT_CONFIG_BUCKET'),
    bundleKey: required('SALLYPORT_BUNDLE_KEY_ARN'),
  });
  const tables = {
    requests: required('SALLYPORT_REQUESTS_TABLE'),
    decisions: required('SALLYPORT_DECISIONS_TABLE'),
    claims: required('SALLYPORT_CLAIMS_TABLE'),
  };
  const client = approvalsClient();
  let made: { readonly config: Config; readonly verify: VerifyIdToken } | undefined;
  return {
    store: new DynamoDecisionStore(client, tables, Date.now),
    tokens: new DynamoTaskTokens(client, required('SALLYPORT_NOTICES_TABLE')),
    complete: completeTask(),
    verifier: async () => {
      const { config } = await bundles.current();
      if (made?.config !== config) made = { config, verify: idTokenVerifier(approverIssuers(config.issuers)) };
      return made.verify;
    },
    now: Date.now,
    notDelivered: (approval, error) => {
      log.error('the workflow of a decision could not be told', { approval, ...errorFields(error) });
      log.metric('DecisionsNotDelivered', 1);
    },
  };
}
