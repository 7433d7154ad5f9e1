/** The Lambda `sweep`, each minute: ends what died and repeats what failed. */
import { randomUUID } from 'node:crypto';
import { VERSION } from '../../core/version.ts';
import { approvalsClient, lookUpApprovals } from '../adapters/approval-lookup.ts';
import { DynamoDueList } from '../adapters/dynamo-due-list.ts';
import { dynamoExpiry } from '../adapters/dynamo-expiry.ts';
import { DynamoJournalAppender } from '../adapters/dynamo-journal-appender.ts';
import { DynamoJournalReader } from '../adapters/dynamo-journal-reader.ts';
import { DynamoLeftSessions } from '../adapters/dynamo-left-sessions.ts';
import { DynamoOutcomeRecord } from '../adapters/dynamo-outcome-record.ts';
import { DynamoSealPositions } from '../adapters/dynamo-seal-positions.ts';
import { DynamoWriterDirectory } from '../adapters/dynamo-writer-directory.ts';
import { DynamoWriterFence } from '../adapters/dynamo-writer-fence.ts';
import { evidenceDynamo, evidenceS3 } from '../adapters/evidence-clients.ts';
import { invokeNotifyApprovers } from '../adapters/invoke-notify-approvers.ts';
import { S3EvidenceWriter } from '../adapters/s3-evidence-writer.ts';
import { S3RecordingFiles } from '../adapters/s3-recording-files.ts';
import { S3StagedLines } from '../adapters/s3-staged-lines.ts';
import { completeTask } from '../adapters/sfn-complete-task.ts';
import { startWorkflow } from '../adapters/sfn-start-workflow.ts';
import { errorFields, logOf } from '../log.ts';
import { required } from '../settings.ts';
import { endWriters, type EndedWriter, type SweepParts } from './end-writers.ts';
import { deliverDecisions, type UndeliveredPorts } from './undelivered-decisions.ts';

/** No writer is begun behind this: each step of one can be done again, but nothing is gained by being cut off. */
const RUN_MS = 30_000;
/** The same for approvals, which come after the writers. */
const APPROVALS_RUN_MS = 15_000;

const log = logOf('sweep');
let composed: Omit<SweepParts, 'goOn' | 'failed'> | undefined;
let deliveries: Omit<UndeliveredPorts, 'goOn' | 'failed'> | undefined;

/** Takes no input. Throws where something could not be done, behind all that could: the alarm is on its errors. */
export async function handler(): Promise<{ readonly ended: number; readonly recordings: number }> {
  const startedMs = Date.now();
  let failures = 0;
  composed ??= compose();
  const ended = await endWriters({
    ...composed,
    goOn: () => Date.now() - startedMs < RUN_MS,
    failed: (writer, error) => {
      failures += 1;
      log.error('a dead writer could not be ended', { writer, ...errorFields(error) });
    },
  });
  for (const each of ended) tell(each);
  log.metric('WritersEnded', ended.filter(({ state }) => state === 'ended').length);
  log.metric('WritersNotEnded', failures);
  const undelivered = await deliver();
  if (failures > 0) throw new Error(`${failures} dead writers could not be ended`);
  if (undelivered > 0) throw new Error(`${undelivered} approvals could not be delivered`);
  return { ended: ended.length, recordings: ended.reduce((sum, { recordings }) => sum + recordings.length, 0) };
}

/** Approvals whose workflow did not do its work; how many of them still could not be brought to an end. */
async function deliver(): Promise<number> {
  const startedMs = Date.now();
  let failures = 0;
  deliveries ??= composeDeliveries();
  const { open, closed, repeated } = await deliverDecisions({
    ...deliveries,
    goOn: () => Date.now() - startedMs < APPROVALS_RUN_MS,
    failed: (approval, error) => {
      failures += 1;
      log.error('an approval could not be delivered', { approval, ...errorFields(error) });
    },
  });
  log.info('approvals swept', { open, closed, repeated });
  log.metric('ApprovalsOpen', open + repeated);
  log.metric('ApprovalsNotDelivered', failures);
  return failures;
}

function tell({ writer, recordings, state }: EndedWriter): void {
  const lostBytes = recordings.reduce((sum, { lost }) => sum + (lost?.bytes ?? 0), 0);
  log.warn('a writer died', { writer, state, recordings: recordings.length, lostBytes });
  log.metric('LostContentBytes', lostBytes);
}

function compose(): Omit<SweepParts, 'goOn' | 'failed'> {
  const dynamo = evidenceDynamo();
  const s3 = evidenceS3();
  const clock = { now: Date.now, monoUs: (): number => Math.trunc(performance.now() * 1000) };
  const writersTable = required('SALLYPORT_WRITERS_TABLE');
  const journalTable = required('SALLYPORT_JOURNAL_TABLE');
  const evidence = required('SALLYPORT_EVIDENCE_BUCKET');
  const directory = new DynamoWriterDirectory(dynamo, writersTable);
  const fence = new DynamoWriterFence(dynamo, writersTable, clock);
  return {
    journals: new DynamoJournalReader(dynamo, journalTable),
    appender: new DynamoJournalAppender(dynamo, journalTable, clock),
    writers: {
      list: () => directory.list(),
      register: (item) => fence.register(item),
      fenced: (writer) => fence.fenced(writer),
    },
    positions: new DynamoSealPositions(dynamo, required('SALLYPORT_SEAL_TABLE')),
    sessions: new DynamoLeftSessions(dynamo, required('SALLYPORT_SESSIONS_TABLE')),
    store: new S3EvidenceWriter(s3, evidence),
    files: new S3RecordingFiles(s3, evidence),
    staged: new S3StagedLines(s3, required('SALLYPORT_STAGING_BUCKET')),
    clock,
    program: VERSION,
    boot: randomUUID(),
  };
}

function composeDeliveries(): Omit<UndeliveredPorts, 'goOn' | 'failed'> {
  const client = approvalsClient();
  const clock = { now: Date.now, monoUs: (): number => Math.trunc(performance.now() * 1000) };
  const tables = {
    requests: required('SALLYPORT_REQUESTS_TABLE'),
    decisions: required('SALLYPORT_DECISIONS_TABLE'),
    claims: required('SALLYPORT_CLAIMS_TABLE'),
  };
  const recorded = { journal: required('SALLYPORT_JOURNAL_TABLE'), writers: required('SALLYPORT_WRITERS_TABLE') };
  const due = new DynamoDueList(client, required('SALLYPORT_NOTICES_TABLE'));
  return {
    due,
    approvals: async (ids) => new Map((await lookUpApprovals(client, tables, ids)).map(({ approval }) => [approval.request.id, approval])),
    notices: (ids) => due.notices(ids),
    start: startWorkflow(required('SALLYPORT_STATE_MACHINE_ARN')),
    notify: invokeNotifyApprovers(required('SALLYPORT_FN_NOTIFY_APPROVERS')),
    complete: completeTask(),
    close: {
      approval: async (id) => (await lookUpApprovals(client, tables, [id]))[0]?.approval,
      expire: dynamoExpiry(client, tables.claims),
      record: new DynamoOutcomeRecord(client, recorded, Date.now),
      clock,
      program: VERSION,
      boot: randomUUID(),
    },
    now: Date.now,
  };
}
