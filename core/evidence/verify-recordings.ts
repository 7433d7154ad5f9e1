/** Checks every recording against what the spines name: each segment, each batch, each head, and how it ended. */
import type { FoundBatch } from './batch.ts';
import { ChainCheck, placeOfBatch } from './chain.ts';
import type { Findings } from './findings.ts';
import { segmentPath, tornSegmentPath } from './layout.ts';
import { type ChainCursor, openChain } from './read-chain.ts';
import type { EvidenceSource } from './source.ts';
import type { NamedRecording, SpineLedger } from './spine-ledger.ts';
import { HeadCheck } from './verify-heads.ts';
import { checkTail } from './verify-spines.ts';

const SEGMENT_BUFFER_BYTES = 1024 * 1024;

/** The segments of one recording that are there; `day` is the folder they stand in. */
export type PresentRecording = {
  readonly day: string;
  readonly segments: number[];
  readonly torn: number[];
  /** When the store took its oldest file, and its torn segment; 0 where it does not say. */
  oldestMs: number;
  tornMs: number;
};

export type RecordingParts = {
  readonly source: EvidenceSource;
  readonly findings: Findings;
  readonly ledger: SpineLedger;
  /** Writers that may still be writing. */
  readonly openWriters: readonly string[];
  /** Told what is no failure and yet must be known. */
  readonly note: (text: string) => void;
  /** Called with the bytes that were read since the last call. */
  readonly progress: (bytes: number) => void;
};

export type RecordingTotals = { batches: number; events: number; bytes: number; pending: number };

/** What is known of the recording in hand. */
type Run = {
  readonly recording: NamedRecording;
  readonly chain: ChainCheck;
  readonly heads: HeadCheck;
  readonly seen?: (batch: FoundBatch) => void;
};

export class RecordingCheck {
  private readonly parts: RecordingParts;
  private readonly buffer = Buffer.allocUnsafeSlow(SEGMENT_BUFFER_BYTES);
  readonly totals: RecordingTotals = { batches: 0, events: 0, bytes: 0, pending: 0 };

  constructor(parts: RecordingParts) {
    this.parts = parts;
  }

  /** Checks one recording that a spine names. */
  async check(recording: NamedRecording, present: PresentRecording | undefined): Promise<void> {
    const { source, findings } = this.parts;
    const { session, day, end } = recording;
    const run: Run = {
      recording,
      chain: new ChainCheck({ kind: 'session', id: session }, findings),
      heads: new HeadCheck(recording, findings),
    };
    const torn = present?.torn.toSorted((a, b) => a - b)[0];
    let segment = 0;
    for (; segment !== torn; segment += 1) {
      const cursor = await openChain(source, segmentPath(day, session, segment), this.buffer);
      if (cursor === undefined) break;
      await this.checkSegment(cursor, segment, run);
    }
    if (segment === torn && present !== undefined) {
      await this.checkTorn(torn, present, run);
      segment += 1;
    } else if (end?.lost !== undefined) {
      findings.notComplete(tornSegmentPath(day, session, end.segment), 'the torn segment is missing: a spine names what it lost');
    }
    for (const listed of [...(present?.segments ?? []), ...(present?.torn ?? [])]) {
      if (listed > segment) findings.notComplete(segmentPath(day, session, segment), `the segment is missing: segment ${listed} is there`);
    }
    this.totals.events += run.chain.events;
    this.checkHead(segment, run);
    this.checkTotals(run);
  }

  private async checkSegment(cursor: ChainCursor, segment: number, run: Run): Promise<void> {
    const { recording, chain, heads } = run;
    const { end, session } = recording;
    const live = end === undefined && this.parts.openWriters.includes(recording.writer);
    const sealedAt = end !== undefined && end.totals === undefined ? end.head.batch : undefined;
    let cutAtByte: number | undefined;
    for (let batch = await cursor.next(); batch !== undefined; batch = await cursor.next()) {
      if (sealedAt !== undefined && batch.batch > sealedAt) {
        cutAtByte = batch.atByte;
        break;
      }
      this.takeBatch(cursor.path, batch, chain, heads, session);
      run.seen?.(batch);
    }
    const fileEnd = await cursor.finish(cutAtByte);
    this.totals.bytes += fileEnd.endByte;
    this.parts.progress(fileEnd.endByte + (fileEnd.tail?.bytes ?? 0));
    checkTail(this.parts.findings, cursor.path, fileEnd, end?.segment === segment ? end.torn : undefined, live);
  }

  /** The last segment, put together by another writer: it may lack content, but only what the spine of that writer says. */
  private async checkTorn(segment: number, present: PresentRecording, run: Run): Promise<void> {
    const { findings, source } = this.parts;
    const { day, session, end } = run.recording;
    const path = tornSegmentPath(day, session, segment);
    const cursor = await openChain(source, path, this.buffer, { torn: true });
    if (cursor === undefined) {
      findings.notComplete(path, 'the torn segment cannot be read');
      return;
    }
    if (end === undefined || end.totals !== undefined || end.segment !== segment) {
      findings.notIntact(path, 'no spine says that another writer put this segment together');
    }
    const hashes = new Map<number, string>();
    const lost = { batches: 0, bytes: 0 };
    await this.checkSegment(cursor, segment, {
      ...run,
      seen: ({ batch, hash, contentLost, contentBytes }) => {
        hashes.set(batch, hash);
        if (contentLost) {
          lost.batches += 1;
          lost.bytes += contentBytes;
        }
      },
    });
    if (hashes.size === 0) findings.notIntact(path, 'the torn segment holds no batch');
    const named = end?.lost ?? { batches: 0, bytes: 0 };
    const says = `the content of ${lost.batches} batches (${lost.bytes} bytes) is lost, a spine names ${named.batches} (${named.bytes} bytes)`;
    if (lost.batches > named.batches || lost.bytes > named.bytes) findings.notComplete(path, says);
    else if (lost.batches < named.batches || lost.bytes < named.bytes) findings.notIntact(path, says);
    for (const other of present.torn) {
      if (other !== segment) findings.notIntact(tornSegmentPath(day, session, other), 'a recording has one torn segment at most');
    }
    for (const other of present.segments) {
      const late = segmentPath(day, session, other);
      if (other === segment) await this.checkLate(late, hashes);
      else if (other > segment) findings.notIntact(late, 'a torn segment is the last of its recording');
    }
  }

  /** A segment that its writer put just as it was ended: the torn one of the same number must have all of it. */
  private async checkLate(path: string, hashes: ReadonlyMap<number, string>): Promise<void> {
    const { findings, source } = this.parts;
    const cursor = await openChain(source, path, this.buffer);
    let batches = 0;
    for (let batch = await cursor?.next(); batch !== undefined; batch = await cursor?.next()) {
      batches += 1;
      if (hashes.get(batch.batch) !== batch.hash) {
        findings.notIntact(path, 'the batch is not in the torn segment of this number', placeOfBatch(batch));
      } else if (!batch.contentIntact) {
        findings.notIntact(path, 'the content of the batch does not have the hash that its line names', placeOfBatch(batch));
      }
    }
    const fileEnd = await cursor?.finish();
    if (fileEnd === undefined || batches === 0) findings.notIntact(path, 'the segment beside a torn one holds no batch');
    else {
      this.parts.progress(fileEnd.endByte);
      checkTail(findings, path, fileEnd, undefined, false);
    }
    this.parts.note(`${path} was put by its writer just as it was ended; the torn segment beside it counts`);
  }

  /** Whether the recording comes as far as the spine says it must be here. */
  private checkHead(segments: number, { recording, chain, heads }: Run): void {
    const { findings, ledger, openWriters } = this.parts;
    const { day, session, writer, end, segment } = recording;
    // A journal comes before its segments: of a recording that is open, heads may name what is not evidence yet.
    const open = end === undefined && openWriters.includes(writer) && ledger.writer(writer).journaled;
    if (!open) {
      heads.finish(segmentPath(day, session, Math.max(0, segments - 1)), segments === 0, chain);
      return;
    }
    if (segments < segment) {
      findings.notComplete(
        segmentPath(day, session, segments),
        `the segment is missing: the spine of ${writer} names those before ${segment}`,
      );
    } else this.totals.pending += Math.max(0, (recording.heads.at(-1)?.batch ?? -1) - chain.head.batch);
  }

  private checkTotals({ recording, chain }: Run): void {
    const { findings } = this.parts;
    const { day, session, end } = recording;
    if (end?.totals === undefined) return;
    const path = segmentPath(day, session, end.segment);
    if (end.totals.events !== chain.events)
      findings.notComplete(path, `the recording has ${chain.events} events, its writer counted ${end.totals.events}`);
    if (end.totals.contentBytes !== chain.contentBytes) {
      findings.notComplete(path, `the recording has ${chain.contentBytes} bytes of content, its writer counted ${end.totals.contentBytes}`);
    }
  }

  private takeBatch(path: string, batch: FoundBatch, chain: ChainCheck, heads: HeadCheck, session: string): void {
    chain.take(path, batch);
    heads.take(path, batch);
    this.totals.batches += 1;
    const [first] = batch.events;
    if (batch.batch === 0 && (first?.type !== 'session.opened' || first['session'] !== session)) {
      this.parts.findings.notIntact(path, `the recording does not start with session.opened of ${session}`, placeOfBatch(batch));
    }
  }
}
