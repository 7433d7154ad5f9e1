/** The Lambda `request-approval`: invoked by a task with a statement that waits for people. */
import type { AskAnswer } from '../../core/approval/ask-answer.ts';
import { digestKeyOf } from '../../core/approval/digest-key.ts';
import { loadExecReader } from '../../core/statement/host/read-exec.ts';
import { approvalsClient } from '../adapters/approval-lookup.ts';
import { DynamoRequestStore } from '../adapters/dynamo-request-store.ts';
import { bundleReader } from '../adapters/s3-bundle-reader.ts';
import { s3CatalogDumps } from '../adapters/s3-catalog-dumps.ts';
import { secretText } from '../adapters/secret-text.ts';
import { startWorkflow } from '../adapters/sfn-start-workflow.ts';
import { errorFields, logOf } from '../log.ts';
import { required } from '../settings.ts';
import { RequestApproval } from './request-approval.ts';

const log = logOf('request-approval');
let requests: RequestApproval | undefined;

/** Takes what `encodeAsk` makes. Throws where asking again may help. */
export async function handler(event: unknown): Promise<AskAnswer> {
  try {
    requests ??= compose();
    const answer = await requests.ask(event);
    if (answer.kind === 'stored') log.info('approval requested', { approval: answer.request.id, target: answer.request.target });
    else log.warn('approval not requested', { kind: answer.kind, reason: answer.reason });
    log.metric('ApprovalsRequested', answer.kind === 'stored' ? 1 : 0);
    return answer;
  } catch (error) {
    log.error('the request could not be kept', errorFields(error));
    throw error;
  }
}

function compose(): RequestApproval {
  const bundles = bundleReader({
    controlTable: required('SALLYPORT_CONTROL_TABLE'),
    configBucket: required('SALLYPORT_CONFIG_BUCKET'),
    bundleKey: required('SALLYPORT_BUNDLE_KEY_ARN'),
  });
  const tables = {
    requests: required('SALLYPORT_REQUESTS_TABLE'),
    decisions: required('SALLYPORT_DECISIONS_TABLE'),
    claims: required('SALLYPORT_CLAIMS_TABLE'),
    notices: required('SALLYPORT_NOTICES_TABLE'),
  };
  const keys = secretText(required('SALLYPORT_SECRETS_ARN'));
  const commands = loadExecReader();
  // Whoever waits for it is told; until then nobody has to be.
  commands.catch(() => undefined);
  return new RequestApproval({
    inForce: () => bundles.current(),
    catalog: s3CatalogDumps(required('SALLYPORT_STAGING_BUCKET')),
    readExec: async () => (await commands).read,
    digestKey: async () => digestKeyOf(await keys()),
    store: new DynamoRequestStore(approvalsClient(), tables, Date.now),
    start: startWorkflow(required('SALLYPORT_STATE_MACHINE_ARN')),
    now: Date.now,
    notStarted: (approval, error) => {
      log.error('the workflow of an approval could not be started', { approval, ...errorFields(error) });
      log.metric('WorkflowsNotStarted', 1);
    },
    differs: (approval, what, reason) => {
      // A task that takes up a new bundle a moment later is no alarm.
      if (what === 'bundle') log.warn('a statement was judged under another bundle', { approval, reason });
      else log.error('a statement is not what its task says', { approval, what, reason });
      log.metric('ApprovalsDiffering', what === 'bundle' ? 0 : 1);
    },
  });
}
