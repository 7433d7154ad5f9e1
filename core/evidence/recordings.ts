/** Reads recordings for people: what there is, and one session from its first event to its last. Checks nothing: `verify` does. */
import type { FoundEvent } from './batch.ts';
import { BatchReader } from './batch-reader.ts';
import { placeOf, segmentPath, writerPath } from './layout.ts';
import { openChain } from './read-chain.ts';
import type { EvidenceSource } from './source.ts';
import { type NamedRecording, SpineLedger } from './spine-ledger.ts';

const PIECE_BYTES = 256 * 1024;

/** One batch of a recording: its events, and the bytes the client saw. */
export type RecordedBatch = {
  readonly events: readonly FoundEvent[];
  readonly content: Buffer;
  /** Set where released bytes were counted and hashed, but not kept. */
  readonly unkeptBytes: number;
};

/** Every recording that a spine names, in the order in which they were opened by each writer. */
export async function listRecordings(source: EvidenceSource): Promise<NamedRecording[]> {
  const ledger = new SpineLedger();
  const writers: string[] = [];
  for await (const { path } of source.list()) {
    const place = placeOf(path);
    if (place?.kind === 'writer') writers.push(place.writer);
  }
  const buffer = Buffer.allocUnsafe(PIECE_BYTES);
  for (const writer of writers.sort()) {
    const cursor = await openChain(source, writerPath(writer), buffer);
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
  for (let segment = 0; ; segment += 1) {
    const file = await source.open(segmentPath(recording.day, recording.session, segment));
    if (file === undefined) return;
    try {
      const found: RecordedBatch[] = [];
      let pieces: Buffer[] = [];
      const reader = new BatchReader({
        content: (piece) => pieces.push(Buffer.from(piece)),
        batch: ({ events, contentKept, contentBytes }) => {
          found.push({ events, content: Buffer.concat(pieces), unkeptBytes: contentKept ? 0 : contentBytes });
          pieces = [];
        },
      });
      const buffer = Buffer.allocUnsafe(PIECE_BYTES);
      for (let atByte = 0; ;) {
        const bytes = await file.read(buffer, atByte);
        if (bytes === 0) break;
        atByte += bytes;
        reader.push(buffer.subarray(0, bytes));
        yield* found.splice(0);
      }
    } finally {
      await file.close();
    }
  }
}
