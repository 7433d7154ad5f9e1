/** Checks every recording against what the spines name: each segment, each batch, each head, and how it ended. */
import { NO_BATCH, type FoundBatch } from './batch.ts';
import { ChainCheck, placeOfBatch } from './chain.ts';
import type { Findings } from './findings.ts';
import { segmentPath } from './layout.ts';
import { openChain } from './read-chain.ts';
import type { EvidenceSource } from './source.ts';
import type { NamedRecording, SpineLedger } from './spine-ledger.ts';
import { checkTail } from './verify-spines.ts';

const SEGMENT_BUFFER_BYTES = 1024 * 1024;

/** The segments that are there, by session; `day` is the folder they stand in. */
export type PresentRecording = { readonly day: string; readonly segments: number[] };

export type RecordingParts = {
  readonly source: EvidenceSource;
  readonly findings: Findings;
  readonly ledger: SpineLedger;
  /** Writers that may still be writing. */
  readonly openWriters: readonly string[];
  /** Called with the bytes that were read since the last call. */
  readonly progress: (bytes: number) => void;
};

export type RecordingTotals = { batches: number; events: number; bytes: number };

export class RecordingCheck {
  private readonly parts: RecordingParts;
  private readonly buffer = Buffer.allocUnsafeSlow(SEGMENT_BUFFER_BYTES);
  readonly totals: RecordingTotals = { batches: 0, events: 0, bytes: 0 };

  constructor(parts: RecordingParts) {
    this.parts = parts;
  }

  /** Checks one recording that a spine names. */
  async check(recording: NamedRecording, present: PresentRecording | undefined): Promise<void> {
    const { source, findings } = this.parts;
    const { session, day, end } = recording;
    const chain = new ChainCheck({ kind: 'session', id: session }, findings);
    const heads = new HeadCheck(recording, findings);
    const live = end === undefined && this.parts.openWriters.includes(recording.writer);
    const sealedAt = end !== undefined && end.totals === undefined ? end.head.batch : undefined;
    let segment = 0;
    for (; ; segment += 1) {
      const path = segmentPath(day, session, segment);
      const cursor = await openChain(source, path, this.buffer);
      if (cursor === undefined) break;
      let cutAtByte: number | undefined;
      for (let batch = await cursor.next(); batch !== undefined; batch = await cursor.next()) {
        if (sealedAt !== undefined && batch.batch > sealedAt) {
          cutAtByte = batch.atByte;
          break;
        }
        this.takeBatch(path, batch, chain, heads, session);
      }
      const fileEnd = await cursor.finish(cutAtByte);
      this.totals.bytes += fileEnd.endByte;
      this.parts.progress(fileEnd.endByte + (fileEnd.tail?.bytes ?? 0));
      checkTail(findings, path, fileEnd, end?.segment === segment ? end.torn : undefined, live);
    }
    for (const listed of present?.segments ?? []) {
      if (listed > segment) findings.notComplete(segmentPath(day, session, segment), `the segment is missing: segment ${listed} is there`);
    }
    this.totals.events += chain.events;
    heads.finish(segmentPath(day, session, Math.max(0, segment - 1)), segment === 0, chain);
    if (end?.totals !== undefined) {
      const path = segmentPath(day, session, end.segment);
      if (end.totals.events !== chain.events)
        findings.notComplete(path, `the recording has ${chain.events} events, its writer counted ${end.totals.events}`);
      if (end.totals.contentBytes !== chain.contentBytes) {
        findings.notComplete(
          path,
          `the recording has ${chain.contentBytes} bytes of content, its writer counted ${end.totals.contentBytes}`,
        );
      }
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

/** Holds a chain against every head that a spine named. */
class HeadCheck {
  private readonly recording: NamedRecording;
  private readonly findings: Findings;
  private next = 0;

  constructor(recording: NamedRecording, findings: Findings) {
    this.recording = recording;
    this.findings = findings;
  }

  take(path: string, batch: FoundBatch): void {
    const { heads, end } = this.recording;
    if (end !== undefined && batch.batch > end.head.batch) {
      this.findings.notIntact(path, `the recording goes on behind batch ${end.head.batch}, where it ended`, placeOfBatch(batch));
    }
    for (let head = heads[this.next]; head !== undefined && head.batch <= batch.batch; head = heads[++this.next]) {
      if (head.batch === batch.batch && head.hash !== batch.hash) {
        this.findings.notIntact(path, 'the batch is not the one that the spine of its writer names', placeOfBatch(batch));
      }
    }
  }

  finish(path: string, missing: boolean, chain: ChainCheck): void {
    const last = this.recording.heads.at(-1);
    if (last === undefined || last.batch < 0) {
      if (last !== undefined && last.hash !== NO_BATCH) this.findings.notIntact(path, 'the spine names a hash of no batch');
      return;
    }
    if (missing)
      this.findings.notComplete(
        path,
        `the recording is missing: the spine of ${this.recording.writer} names ${last.batch + 1} batches of it`,
      );
    else if (last.batch > chain.head.batch) {
      this.findings.notComplete(
        path,
        `the recording ends at batch ${chain.head.batch}, but the spine of ${this.recording.writer} names batch ${last.batch}`,
      );
    }
  }
}
