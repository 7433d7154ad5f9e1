/** Reads recordings for people: what there is, and one session from its first event to its last. Checks nothing: `verify` does. */
import type { FoundEvent } from './batch.ts';
import { BatchReader } from './batch-reader.ts';
import { placeOf, segmentPath, tornSegmentPath } from './layout.ts';
import { noteSpineFile, openSpine, type SpineFiles } from './read-spine.ts';
import type { EvidenceFile, EvidenceSource } from './source.ts';
import { type NamedRecording, SpineLedger } from './spine-ledger.ts';

const PIECE_BYTES = 256 * 1024;

/** One batch of a recording: its events, and the bytes the client saw. */
export type RecordedBatch = {
  readonly events: readonly FoundEvent[];
  readonly content: Buffer;
  /** Set where released bytes were counted and hashed, but not kept. */
  readonly unkeptBytes: number;
  /** Set where released bytes were counted and hashed, and lost with their writer. */
  readonly lostBytes: number;
};

/** Every recording that a spine names, in the order in which they were opened by each writer. */
export async function listRecordings(source: EvidenceSource): Promise<NamedRecording[]> {
  const ledger = new SpineLedger();
  const writers = new Map<string, SpineFiles>();
  for await (const { path } of source.list()) {
    const place = placeOf(path);
    if (place !== undefined) noteSpineFile(writers, place);
  }
  const buffer = Buffer.allocUnsafe(PIECE_BYTES);
  for (const [writer, files] of [...writers].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const cursor = await openSpine(source, writer, files, buffer, () => undefined);
    if (cursor === undefined) continue;
    for (let batch = await cursor.next(); batch !== undefined; batch = await cursor.next()) {
      // What is wrong with an entry is for `verify` to say; the others still tell what there is.
      for (const event of batch.events) ledger.take(writer, event, () => undefined);
    }
    await cursor.finish();
  }
  ledger.finish();
  return [...ledger.recordings.values()];
}

/** The batches of one recording, in order, up to the last whole one. */
export async function* readRecording(
  source: EvidenceSource,
  recording: Pick<NamedRecording, 'session' | 'day'>,
): AsyncGenerator<RecordedBatch> {
  const { day, session } = recording;
  let next = 0;
  let segment = 0;
  for (; ; segment += 1) {
    const file = await source.open(segmentPath(day, session, segment));
    if (file === undefined) break;
    for await (const { number, batch } of readSegment(file, false)) {
      next = number + 1;
      yield batch;
    }
  }
  // The torn segment has the next number, or that of a segment which came as its writer was ended and has a part of it.
  const torn =
    (await source.open(tornSegmentPath(day, session, segment))) ??
    (segment === 0 ? undefined : await source.open(tornSegmentPath(day, session, segment - 1)));
  if (torn === undefined) return;
  for await (const { number, batch } of readSegment(torn, true)) if (number >= next) yield batch;
}

async function* readSegment(file: EvidenceFile, torn: boolean): AsyncGenerator<{ readonly number: number; readonly batch: RecordedBatch }> {
  try {
    const found: { readonly number: number; readonly batch: RecordedBatch }[] = [];
    let pieces: Buffer[] = [];
    const reader = new BatchReader(
      {
        content: (piece) => pieces.push(Buffer.from(piece)),
        batch: ({ batch, events, contentKept, contentLost, contentBytes }) => {
          const unkeptBytes = contentKept || contentLost ? 0 : contentBytes;
          const lostBytes = contentLost ? contentBytes : 0;
          found.push({ number: batch, batch: { events, content: Buffer.concat(pieces), unkeptBytes, lostBytes } });
          pieces = [];
        },
      },
      { torn },
    );
    const buffer = Buffer.allocUnsafe(PIECE_BYTES);
    for (let atByte = 0; ;) {
      const bytes = await file.read(buffer, atByte);
      if (bytes === 0) return;
      atByte += bytes;
      reader.push(buffer.subarray(0, bytes));
      yield* found.splice(0);
    }
  } finally {
    await file.close();
  }
}
