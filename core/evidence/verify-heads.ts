/** Holds recordings against what the spines of their writers said while they went on. */
import { type FoundBatch, NO_BATCH } from './batch.ts';
import { type ChainCheck, placeOfBatch } from './chain.ts';
import type { Findings } from './findings.ts';
import type { NamedRecording } from './spine-ledger.ts';

/** Holds a chain against every head that a spine named. */
export class HeadCheck {
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
