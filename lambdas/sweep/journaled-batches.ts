/** Gathers what a dead writer's journal has of its open recordings, as many at a time as memory takes. */
import { type BatchHead, NO_BATCH, parseBatchLine } from '../../core/evidence/batch.ts';
import { commitHash, decodeRecords, type JournalRecord } from '../../core/evidence/journal.ts';
import type { JournalReader } from '../seal/ports.ts';
import { digestOf, JournalBroken, type LeftBehind } from './fence-writer.ts';
import type { StagedLines } from './ports.ts';

/** A batch as the journal has it; its content is there only where it was small. */
export type JournaledBatch = {
  readonly line: Buffer;
  readonly hash: string;
  readonly parsed: BatchHead;
  readonly content: Buffer | undefined;
};

/** What the journal has of one recording. */
export type JournaledRecording = {
  readonly batches: JournaledBatch[];
  /** The last segment that the writer said is in the evidence, and the first batch behind it. */
  sealed: { readonly segment: number; readonly next: number } | undefined;
};

const READ_AT_ONCE = 32;

export type GatherParts = { readonly journals: JournalReader; readonly staged: StagedLines };

/**
 * The recordings among `sessions` that fit into so many bytes, at least one; the others are for another time. Batches are in order;
 * those that the writer said are in a segment are left out. Throws JournalBroken.
 */
export async function gatherBatches(
  writer: string,
  { needed, end }: Pick<LeftBehind, 'needed' | 'end'>,
  sessions: readonly string[],
  maxBytes: number,
  { journals, staged }: GatherParts,
): Promise<ReadonlyMap<string, JournaledRecording>> {
  const found = new Map<string, JournaledRecording>(sessions.map((session) => [session, { batches: [], sealed: undefined }]));
  const sizes = new Map<string, number>();
  let held = 0;
  const drop = (): void => {
    for (const session of [...found.keys()].toReversed()) {
      if (held <= maxBytes || found.size === 1) return;
      held -= sizes.get(session) ?? 0;
      found.delete(session);
    }
  };
  let prev: string | undefined;
  for (let seq = needed; seq < end;) {
    const entries = await journals.read(writer, seq, Math.min(READ_AT_ONCE, end - seq));
    if (entries.length === 0) throw new JournalBroken(`the journal of ${writer} has no commit ${seq}`);
    for (const entry of entries) {
      if (entry.kind !== 'commit' || commitHash(entry.commit) !== entry.commit.hash || entry.commit.prev !== (prev ?? entry.commit.prev)) {
        throw new JournalBroken(`the journal of ${writer} is broken at commit ${seq}`);
      }
      if (seq === 0 && entry.commit.prev !== NO_BATCH)
        throw new JournalBroken(`the journal of ${writer} does not start with its first commit`);
      prev = entry.commit.hash;
      seq += 1;
      const records = decodeRecords(entry.commit.body);
      if (records === undefined) throw new JournalBroken(`commit ${entry.commit.seq} of ${writer} cannot be read`);
      for (const record of records) {
        if (record.kind === 'spine') continue;
        const recording = found.get(record.session);
        if (recording === undefined) continue;
        const bytes = await take(record, recording, staged);
        sizes.set(record.session, (sizes.get(record.session) ?? 0) + bytes);
        held += bytes;
      }
      drop();
    }
  }
  return found;
}

/** How many bytes more are held. */
async function take(
  record: Exclude<JournalRecord, { kind: 'spine' }>,
  recording: JournaledRecording,
  staged: StagedLines,
): Promise<number> {
  const { batches } = recording;
  if (record.kind === 'sealed') {
    recording.sealed = { segment: record.segment, next: record.next };
    const kept = batches.filter(({ parsed }) => parsed.batch >= record.next);
    const freed = batches.reduce((sum, batch) => sum + sizeOf(batch), 0) - kept.reduce((sum, batch) => sum + sizeOf(batch), 0);
    batches.splice(0, batches.length, ...kept);
    return -freed;
  }
  const line = record.kind === 'batch' ? record.line : await readStaged(record, staged);
  const parsed = parseBatchLine(line.toString('utf8'));
  if (parsed === undefined || parsed.owner.kind !== 'session' || parsed.owner.id !== record.session) {
    throw new JournalBroken(`a line in the journal is none of the recording ${record.session}`);
  }
  const { content } = record;
  const whole = content !== undefined && parsed.content?.kept === true && digestOf(content) === parsed.content.sha256;
  const batch = { line, hash: digestOf(line), parsed, content: whole ? content : undefined };
  batches.push(batch);
  return sizeOf(batch);
}

function sizeOf({ line, content }: JournaledBatch): number {
  return line.length + (content?.length ?? 0);
}

async function readStaged(record: Extract<JournalRecord, { kind: 'staged' }>, staged: StagedLines): Promise<Buffer> {
  const line = await staged.read(record.key);
  if (line?.length !== record.bytes || digestOf(line) !== record.sha256) {
    throw new JournalBroken(`the staged line ${record.key} is not the one that the journal names`);
  }
  return line;
}
