/** The Lambda `sweep`, each minute: ends what died and repeats what failed. */
import { randomUUID } from 'node:crypto';
import { VERSION } from '../../core/version.ts';
import { DynamoJournalAppender } from '../adapters/dynamo-journal-appender.ts';
import { DynamoJournalReader } from '../adapters/dynamo-journal-reader.ts';
import { DynamoLeftSessions } from '../adapters/dynamo-left-sessions.ts';
import { DynamoSealPositions } from '../adapters/dynamo-seal-positions.ts';
import { DynamoWriterDirectory } from '../adapters/dynamo-writer-directory.ts';
import { DynamoWriterFence } from '../adapters/dynamo-writer-fence.ts';
import { evidenceDynamo, evidenceS3 } from '../adapters/evidence-clients.ts';
import { S3EvidenceWriter } from '../adapters/s3-evidence-writer.ts';
import { S3RecordingFiles } from '../adapters/s3-recording-files.ts';
import { S3StagedLines } from '../adapters/s3-staged-lines.ts';
import { errorFields, logOf } from '../log.ts';
import { required } from '../settings.ts';
import { endWriters, type EndedWriter, type SweepParts } from './end-writers.ts';

/** No writer is begun behind this: each step of one can be done again, but nothing is gained by being cut off. */
const RUN_MS = 30_000;

const log = logOf('sweep');
let composed: Omit<SweepParts, 'goOn' | 'failed'> | undefined;

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
  if (failures > 0) throw new Error(`${failures} dead writers could not be ended`);
  return { ended: ended.length, recordings: ended.reduce((sum, { recordings }) => sum + recordings.length, 0) };
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
