/** Puts together the last segment of a recording whose writer died, and says how it ended. */
import { type FoundBatch, NO_BATCH } from '../../core/evidence/batch.ts';
import { BatchReader } from '../../core/evidence/batch-reader.ts';
import { placeOf, segmentPath, tornSegmentPath } from '../../core/evidence/layout.ts';
import type { ChainHead, SpineEvent } from '../../core/evidence/spine.ts';
import { SallyportError } from '../../core/errors.ts';
import type { EvidenceStore } from '../seal/ports.ts';
import { JournalBroken } from './fence-writer.ts';
import type { JournaledBatch, JournaledRecording } from './journaled-batches.ts';
import type { RecordingFiles } from './ports.ts';

/** Another torn segment stands where this one must: somebody wrote into the evidence. */
export class SegmentTaken extends SallyportError {
  readonly code = 'segment-taken';
}

export type SealedRecording = Extract<SpineEvent, { readonly type: 'recording.sealed' }>;

export type DeadRecording = { readonly writer: string; readonly session: string; readonly day: string };

export const ENDED_REASON = 'the writer ended without closing';

const NO_HEAD: ChainHead = { batch: -1, hash: NO_BATCH };

export type SealRecordingParts = { readonly store: EvidenceStore; readonly files: RecordingFiles };

/**
 * Puts the torn segment where batches are left that no segment has. Done again it puts the same bytes, even if the dead writer
 * comes back meanwhile and puts the segment that this one takes the place of. Throws JournalBroken and SegmentTaken.
 */
export async function sealRecording(dead: DeadRecording, left: JournaledRecording, parts: SealRecordingParts): Promise<SealedRecording> {
  const { writer, session, day } = dead;
  const { segments, torn } = await present(dead, parts.files);
  const number = torn ?? segments;
  const head = await headBefore(dead, number, left, parts.store);
  const rest = left.batches.filter(({ parsed }) => parsed.batch > head.batch);
  checkFollows(session, head, rest);
  const ended = (segment: number, at: ChainHead, lost: { batches: number; bytes: number }): SealedRecording => ({
    type: 'recording.sealed',
    session,
    writer,
    segment,
    head: at,
    ...(lost.batches === 0 ? {} : { lost }),
    abnormal: true,
    reason: ENDED_REASON,
  });
  const last = rest.at(-1);
  if (last === undefined) return ended(Math.max(0, number - 1), head, { batches: 0, bytes: 0 });
  const path = tornSegmentPath(day, session, number);
  const { bytes, lost } = tornSegment(rest);
  if ((await parts.store.put(path, bytes)) === 'taken') throw new SegmentTaken(`another file stands at ${path}`);
  return ended(number, { batch: last.parsed.batch, hash: last.hash }, lost);
}

/** How many segments stand there without a gap, and the torn one that an earlier run put. */
async function present({ day, session }: DeadRecording, files: RecordingFiles): Promise<{ segments: number; torn: number | undefined }> {
  const whole = new Set<number>();
  let torn: number | undefined;
  for (const path of await files.list(day, session)) {
    const place = placeOf(path);
    if (place?.kind !== 'segment' || place.session !== session || place.day !== day) continue;
    if (place.torn) torn = Math.min(torn ?? place.segment, place.segment);
    else whole.add(place.segment);
  }
  let segments = 0;
  while (whole.has(segments)) segments += 1;
  return { segments, torn };
}

/** The last batch that stands in a segment before the torn one. */
async function headBefore(
  { day, session }: DeadRecording,
  number: number,
  left: JournaledRecording,
  store: EvidenceStore,
): Promise<ChainHead> {
  if (number === 0) return NO_HEAD;
  const { sealed, batches } = left;
  const [first] = batches;
  // The writer said what is in the last segment, and its next batch names the one before: the segment need not be read.
  if (sealed?.segment === number - 1 && first?.parsed.batch === sealed.next) return { batch: sealed.next - 1, hash: first.parsed.prev };
  const path = segmentPath(day, session, number - 1);
  const bytes = await store.read(path);
  let last: FoundBatch | undefined;
  const reader = new BatchReader({ batch: (batch) => (last = batch) });
  if (bytes !== undefined) reader.push(bytes);
  if (last === undefined) throw new JournalBroken(`the segment ${path} holds no batch`);
  return { batch: last.batch, hash: last.hash };
}

function checkFollows(session: string, head: ChainHead, rest: readonly JournaledBatch[]): void {
  let at = head;
  for (const { parsed, hash } of rest) {
    if (parsed.batch !== at.batch + 1 || parsed.prev !== at.hash) {
      throw new JournalBroken(`batch ${parsed.batch} of the recording ${session} does not continue what stands before it`);
    }
    at = { batch: parsed.batch, hash };
  }
}

function tornSegment(batches: readonly JournaledBatch[]): { readonly bytes: Buffer; readonly lost: { batches: number; bytes: number } } {
  const lost = { batches: 0, bytes: 0 };
  const parts: Buffer[] = [];
  for (const { line, parsed, content } of batches) {
    parts.push(line);
    if (parsed.content?.kept !== true) parts.push(Buffer.from('\n'));
    else if (content === undefined) {
      parts.push(Buffer.from('\n-\n'));
      lost.batches += 1;
      lost.bytes += parsed.content.bytes;
    } else parts.push(Buffer.from('\n+\n'), content, Buffer.from('\n'));
  }
  return { bytes: Buffer.concat(parts), lost };
}
