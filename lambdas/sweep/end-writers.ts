/**
 * The sweeper's part for evidence: a writer whose lease has run out is fenced, its open recordings are sealed with what its journal
 * has, and its end is recorded. Each step can be done again: a run that dies is ended by the next, and two at once do no harm.
 */
import { NO_SLOT } from '../../core/evidence/short-writer.ts';
import { sweepWriter } from '../../core/state/sweep-writer.ts';
import type { EvidenceStore, JournalReader, SealClock } from '../seal/ports.ts';
import { fenceWriter, type LeftBehind } from './fence-writer.ts';
import { gatherBatches } from './journaled-batches.ts';
import type { JournalAppender, LiveSessions, RecordingFiles, SealPositions, StagedLines, StoredWriter, WriterItems } from './ports.ts';
import { type SealedRecording, sealRecording } from './seal-recording.ts';
import { SweepRecord } from './sweep-record.ts';

/** Clocks of tasks and sweepers differ by less than this: a lease is over only behind it. */
const SKEW_MS = 10_000;
/** A writer that closed has said so in its journal, where the sealer reads it within minutes; one that has not by now never will. */
const CLOSED_UNSAID_MS = 10 * 60_000;
/** How long a closed writer is looked at, a week of a sweeper that does not run: its item stands for a month. */
const CLOSED_SEEN_MS = 7 * 24 * 3_600_000;
/** Recordings that one commit seals: an entry has half a kilobyte, a commit 380. */
const RECORDINGS_PER_COMMIT = 200;
/** Held of one writer's journal at a time. */
const HELD_BYTES = 128 * 1024 * 1024;
const SEALED_AT_ONCE = 8;

export type SweepParts = {
  readonly journals: JournalReader;
  readonly appender: JournalAppender;
  readonly writers: WriterItems;
  readonly positions: SealPositions;
  readonly sessions: LiveSessions;
  readonly store: EvidenceStore;
  readonly files: RecordingFiles;
  readonly staged: StagedLines;
  readonly clock: SealClock;
  /** Version of the program, and random name of this start, for `writer.opened`. */
  readonly program: string;
  readonly boot: string;
  /** Told of a writer that could not be ended; the others are, and it is tried again at the next run. */
  readonly failed: (writer: string, error: unknown) => void;
  /** False when the time of this run is used up. */
  readonly goOn: () => boolean;
};

/** How one writer was ended. */
export type EndedWriter = {
  readonly writer: string;
  /** Recordings that this run sealed. */
  readonly recordings: readonly SealedRecording[];
  /** `later`: the time was up, or another sweeper was at it. */
  readonly state: 'ended' | 'later';
};

/** Ends every writer that is due. Throws only where the list of writers cannot be read. */
export async function endWriters(parts: SweepParts): Promise<readonly EndedWriter[]> {
  const ended: EndedWriter[] = [];
  for (const stored of await parts.writers.list()) {
    if (!parts.goOn()) break;
    try {
      if (await isDue(stored, parts)) ended.push(await endWriter(stored, parts));
    } catch (error) {
      // The failure is told, and nothing of this writer is taken as done: the next run starts it again.
      parts.failed(stored.item.writer, error);
    }
  }
  return ended;
}

async function isDue({ item }: StoredWriter, { clock, positions }: SweepParts): Promise<boolean> {
  const overMs = clock.now() - item.leaseUntilMs - SKEW_MS;
  if (item.state === 'live') return overMs > 0;
  // Writers without a slot live for one commit and have nothing open.
  if (item.state === 'fenced' || item.slot === NO_SLOT || overMs < CLOSED_UNSAID_MS || overMs > CLOSED_SEEN_MS) return false;
  return (await positions.read(item.writer))?.ended === undefined;
}

async function endWriter(stored: StoredWriter, parts: SweepParts): Promise<EndedWriter> {
  const { writer, nextSeq } = stored.item;
  const by = sweepWriter(writer);
  const left = await fenceWriter(writer, by, nextSeq, parts);
  const { recordings, done } = await recordEnd(writer, by, left, parts);
  if (!done) return { writer, recordings, state: 'later' };
  for (const session of await parts.sessions.list(writer)) await parts.sessions.remove(writer, session);
  await parts.writers.fenced(stored);
  return { writer, recordings, state: 'ended' };
}

async function recordEnd(
  writer: string,
  by: string,
  left: LeftBehind,
  parts: SweepParts,
): Promise<{ readonly recordings: readonly SealedRecording[]; readonly done: boolean }> {
  const recordings: SealedRecording[] = [];
  // A writer that never recorded anything has no spine that could be fenced; one that closed has said so itself.
  if (left.closed || left.head.batch < 0) return { recordings, done: true };
  const record = await SweepRecord.open(by, parts);
  if (record.closed) return { recordings, done: true };
  let open = [...left.open.keys()].filter((session) => !record.sealed.has(session)).sort();
  while (open.length > 0) {
    if (!parts.goOn()) return { recordings, done: false };
    const sealed = await sealSome(writer, left, open.slice(0, RECORDINGS_PER_COMMIT), parts);
    if (!(await record.add(sealed))) return { recordings, done: false };
    recordings.push(...sealed);
    open = open.filter((session) => !sealed.some((each) => each.session === session));
  }
  const done = await record.add([
    { type: 'writer.fenced', writer, head: left.head },
    { type: 'writer.closed', writer: by },
  ]);
  return { recordings, done };
}

/** Seals as many of these as fit into memory; at least one. */
async function sealSome(writer: string, left: LeftBehind, sessions: readonly string[], parts: SweepParts): Promise<SealedRecording[]> {
  const gathered = [...(await gatherBatches(writer, left, sessions, HELD_BYTES, parts))];
  const sealed: SealedRecording[] = [];
  const worker = async (): Promise<void> => {
    for (let next = gathered.shift(); next !== undefined; next = gathered.shift()) {
      const [session, journaled] = next;
      sealed.push(await sealRecording({ writer, session, day: left.open.get(session) ?? '' }, journaled, parts));
    }
  };
  await Promise.all(Array.from({ length: SEALED_AT_ONCE }, worker));
  return sealed.sort((a, b) => (a.session < b.session ? -1 : 1));
}
