/** The Lambda `seal`, each minute: one tree over what all writers recorded, and a signed checkpoint. */
import { randomUUID } from 'node:crypto';
import { VERSION } from '../../core/version.ts';
import { DynamoJournalReader } from '../adapters/dynamo-journal-reader.ts';
import { DynamoSealState } from '../adapters/dynamo-seal-state.ts';
import { DynamoWriterDirectory } from '../adapters/dynamo-writer-directory.ts';
import { evidenceDynamo, evidenceKms, evidenceS3, evidenceSns } from '../adapters/evidence-clients.ts';
import { KmsSigner } from '../adapters/kms-signer.ts';
import { S3EvidenceWriter } from '../adapters/s3-evidence-writer.ts';
import { SnsCheckpointHolder } from '../adapters/sns-checkpoint-holder.ts';
import { errorFields, logOf } from '../log.ts';
import { optional, required } from '../settings.ts';
import type { CheckpointHolder } from './ports.ts';
import { seal, type SealOutcome, type SealParts } from './seal.ts';

/** No new plan is begun behind this: what is left of the function's minute ends the last one. */
const RUN_MS = 30_000;
/** A quarter of a million sessions' heads; the rest comes with the next plan, often of the same run. */
const LIMITS = { commitsPerWriter: 1_000, bodyBytes: 64 * 1024 * 1024 };

const log = logOf('seal');
let composed: Omit<SealParts, 'goOn'> | undefined;

/** Takes no input. Throws where nothing could be signed: the next minute goes on from there. */
export async function handler(): Promise<Pick<SealOutcome, 'seals' | 'size' | 'elsewhere'>> {
  const startedMs = Date.now();
  try {
    composed ??= compose();
    const outcome = await seal({ ...composed, goOn: () => Date.now() - startedMs < RUN_MS });
    for (const { writer, seq, why } of outcome.broken) log.error('a journal is broken and is not sealed further', { writer, seq, why });
    log.metric('BrokenJournals', outcome.broken.length);
    log.metric('CheckpointsSigned', outcome.seals);
    const { seals, size, elsewhere } = outcome;
    log.info('sealed', { seals, size, elsewhere });
    return { seals, size, elsewhere };
  } catch (error) {
    log.error('nothing could be sealed', errorFields(error));
    throw error;
  }
}

function compose(): Omit<SealParts, 'goOn'> {
  const dynamo = evidenceDynamo();
  const directory = new DynamoWriterDirectory(dynamo, required('SALLYPORT_WRITERS_TABLE'));
  const topic = optional('SALLYPORT_CHECKPOINT_TOPIC_ARN');
  const holder = topic === undefined ? undefined : new SnsCheckpointHolder(evidenceSns(), topic);
  return {
    journals: new DynamoJournalReader(dynamo, required('SALLYPORT_JOURNAL_TABLE')),
    writers: { list: async () => (await directory.list()).map(({ item }) => item) },
    state: new DynamoSealState(dynamo, required('SALLYPORT_SEAL_TABLE')),
    store: new S3EvidenceWriter(evidenceS3(), required('SALLYPORT_EVIDENCE_BUCKET')),
    signers: new KmsSigner(evidenceKms(), required('SALLYPORT_EVIDENCE_KEY_ARN')),
    clock: { now: Date.now, monoUs: () => Math.trunc(performance.now() * 1000) },
    instance: required('SALLYPORT_INSTANCE'),
    program: VERSION,
    boot: randomUUID(),
    limits: LIMITS,
    signed: (path, note) => keep(holder, path, note),
    age: (ms) => log.metric('CheckpointAge', Math.max(0, Math.round(ms / 1000)), 'Seconds'),
  };
}

/** A checkpoint that nobody outside got is no reason to sign no other: the next one is over all that this one is. */
async function keep(holder: CheckpointHolder | undefined, path: string, note: string): Promise<void> {
  if (holder === undefined) return;
  try {
    await holder.keep(path, note);
  } catch (error) {
    log.error('the checkpoint did not reach its holder', { path, ...errorFields(error) });
    log.metric('CheckpointsNotHeld', 1);
  }
}
