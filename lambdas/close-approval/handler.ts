/** The Lambda `close-approval`: the last step of the approval workflow. */
import { randomUUID } from 'node:crypto';
import { isApprovalId } from '../../core/approval/ask.ts';
import { VERSION } from '../../core/version.ts';
import { approvalsClient, lookUpApprovals } from '../adapters/approval-lookup.ts';
import { dynamoExpiry } from '../adapters/dynamo-expiry.ts';
import { DynamoOutcomeRecord } from '../adapters/dynamo-outcome-record.ts';
import { EventRefused, fieldsOf, textField, wordField } from '../event-fields.ts';
import { errorFields, logOf } from '../log.ts';
import { required } from '../settings.ts';
import { closeApproval, type Closed } from './close-approval.ts';
import type { ClosePorts } from './ports.ts';

const log = logOf('close-approval');
let ports: ClosePorts | undefined;

/** Takes `{"id","cause":"decided"|"timeout"|"failed"}`. What the tables say decides, not the cause. */
export async function handler(event: unknown): Promise<Closed> {
  const fields = fieldsOf(event);
  const cause = wordField(fields, 'cause', ['decided', 'timeout', 'failed']);
  const id = textField(fields, 'id', 67);
  if (!isApprovalId(id)) throw new EventRefused('`id` is no id of an approval');
  try {
    ports ??= compose();
    const closed = await closeApproval(ports, id);
    const fit = closed.closed || cause === 'failed';
    log[fit ? 'info' : 'warn']('workflow ended', { approval: id, cause, outcome: closed.closed ? closed.outcome : 'open' });
    log.metric('WorkflowsFailed', cause === 'failed' ? 1 : 0);
    return closed;
  } catch (error) {
    log.error('the approval could not be closed', { approval: id, cause, ...errorFields(error) });
    throw error;
  }
}

function compose(): ClosePorts {
  const client = approvalsClient();
  const tables = {
    requests: required('SALLYPORT_REQUESTS_TABLE'),
    decisions: required('SALLYPORT_DECISIONS_TABLE'),
    claims: required('SALLYPORT_CLAIMS_TABLE'),
  };
  const recorded = { journal: required('SALLYPORT_JOURNAL_TABLE'), writers: required('SALLYPORT_WRITERS_TABLE') };
  return {
    approval: async (id) => (await lookUpApprovals(client, tables, [id]))[0]?.approval,
    expire: dynamoExpiry(client, tables.claims),
    record: new DynamoOutcomeRecord(client, recorded, Date.now),
    clock: { now: Date.now, monoUs: () => Number(process.hrtime.bigint() / 1_000n) },
    program: VERSION,
    boot: randomUUID(),
  };
}
