/** The batches of one session between the journal and the evidence, and the segments that they become. */
import { segmentPath } from '../../core/evidence/layout.ts';
import type { ChainHead } from '../../core/evidence/spine.ts';
import { persistently } from './persistence.ts';
import type { RecorderParts } from './recorder-parts.ts';
import { ridesAlong, SessionRecords } from './session-records.ts';

/** A segment is put when so much has come together, … */
const SEGMENT_BYTES = 4 * 1024 * 1024;
/** … when content is so old that stands in this process only, … */
const CONTENT_AGE_MS = 2_000;
/** … or when what the journal has is so old. */
const SEGMENT_AGE_MS = 15 * 60_000;
/** How long a segment that no flush waits for may be refused: longer, and too much is in one place only. */
const SEGMENT_PATIENCE_MS = 30_000;

type Kept = { readonly line: Buffer; readonly content: Buffer | undefined; seq: number };

const LINE_FEED = Buffer.from('\n');

export class JournaledBatches {
  private readonly session: string;
  private readonly day: string;
  private readonly parts: RecorderParts;
  private readonly records: SessionRecords;
  private readonly moved: () => void;
  /** Made and in no segment that was cut, oldest first. */
  private open: Kept[] = [];
  private openBytes = 0;
  private openSinceMs = 0;
  /** In the segment that is on its way. */
  private cutBytes = 0;
  private madeCount = 0;
  private committedCount = 0;
  private putSegments = 0;
  private cutSegments = 0;
  private sealing: Promise<void> | undefined;
  /** Since when content is held that the journal does not have. */
  private contentSinceMs: number | undefined;
  private contentTimer: { cancel(): void } | undefined;
  private waiting: { readonly count: number; readonly go: (failure?: Error) => void }[] = [];

  /** `moved` is called when more was committed, or less is held. */
  constructor(session: string, day: string, parts: RecorderParts, moved: () => void) {
    this.session = session;
    this.day = day;
    this.parts = parts;
    this.records = new SessionRecords(session, parts);
    this.moved = moved;
  }

  /** How many batches were made, and how many of them the journal has. */
  get made(): number {
    return this.madeCount;
  }

  get committed(): number {
    return this.committedCount;
  }

  /** The last batch that is on its way into the journal: what names it goes behind it. */
  get head(): ChainHead {
    return this.records.head;
  }

  /** The segment that comes next: all before it are in the evidence. */
  get segment(): number {
    return this.putSegments;
  }

  get unsealedBytes(): number {
    return this.openBytes + this.cutBytes;
  }

  /** Takes a batch; `content` is what its segment must have behind the line. */
  add(line: Buffer, head: ChainHead, content: Buffer | undefined): void {
    const kept: Kept = { line, content, seq: -1 };
    const bytes = sizeOf(kept);
    if (this.open.length === 0) this.openSinceMs = this.parts.clock.now();
    this.open.push(kept);
    this.openBytes += bytes;
    this.madeCount += 1;
    this.parts.memory.hold(bytes);
    this.records.send(
      { line, head, content, segment: this.cutSegments },
      {
        placed: (seq) => {
          kept.seq = seq;
        },
        done: (failure) => this.batchDone(failure),
      },
    );
    if (content !== undefined && !ridesAlong(content)) this.noteContent();
    if (this.openBytes >= SEGMENT_BYTES) this.seal();
    if (this.parts.memory.isCrowded) this.parts.crowded();
  }

  sealIfOld(nowMs: number): void {
    if (this.open.length > 0 && nowMs - this.openSinceMs >= SEGMENT_AGE_MS) this.seal();
  }

  /** Begins the next segment with what there is, unless one is on its way: then what has come meanwhile follows it. */
  seal(): void {
    if (this.sealing !== undefined || this.open.length === 0 || this.parts.queue.failure !== undefined) return;
    this.sealing = this.sealSegment().then(
      () => {
        this.sealing = undefined;
        if (this.isDue()) this.seal();
      },
      (cause: unknown) => {
        this.parts.queue.fail(cause);
      },
    );
  }

  /** Resolves when every batch is in a segment that the journal knows of. Rejects with RecorderUnavailable. */
  async sealAll(): Promise<void> {
    for (;;) {
      this.seal();
      await this.sealing;
      const { failure } = this.parts.queue;
      if (failure !== undefined) throw failure;
      if (this.open.length === 0 && this.sealing === undefined) return;
    }
  }

  /** Resolves when the journal has every batch that was made so far. Rejects with RecorderUnavailable. */
  recorded(): Promise<void> {
    const count = this.madeCount;
    return new Promise((resolve, reject) => {
      const go = (failure?: Error): void => (failure === undefined ? resolve() : reject(failure));
      const { queue } = this.parts;
      if (this.committedCount >= count || queue.failure !== undefined) go(queue.failure);
      else {
        this.waiting.push({ count, go });
        queue.kick();
      }
    });
  }

  private noteContent(): void {
    const { clock } = this.parts;
    this.contentSinceMs ??= clock.now();
    this.contentTimer ??= clock.after(CONTENT_AGE_MS, () => {
      this.contentTimer = undefined;
      this.seal();
    });
  }

  private isDue(): boolean {
    const { clock, memory } = this.parts;
    const isOld = this.contentSinceMs !== undefined && clock.now() - this.contentSinceMs >= CONTENT_AGE_MS;
    return isOld || this.openBytes >= SEGMENT_BYTES || memory.isCrowded;
  }

  private async sealSegment(): Promise<void> {
    const { clock, segments, queue, memory, problem, slots } = this.parts;
    const cut = this.open;
    const bytes = this.openBytes;
    const segment = this.cutSegments;
    // From here on batches go into the next one, so what the journal says of their segment stays true.
    this.cutSegments += 1;
    this.open = [];
    this.openBytes = 0;
    this.cutBytes = bytes;
    this.contentSinceMs = undefined;
    this.contentTimer?.cancel();
    this.contentTimer = undefined;
    const next = this.madeCount;
    await this.recorded();
    await slots.run(async () => {
      const whole = Buffer.concat(
        cut.flatMap(({ line, content }) => [line, LINE_FEED, ...(content === undefined ? [] : [content, LINE_FEED])]),
      );
      const path = segmentPath(this.day, this.session, segment);
      const given = (): boolean => queue.failure !== undefined;
      await persistently(clock, SEGMENT_PATIENCE_MS, () => segments.put(path, whole), { given, failed: problem });
    });
    this.putSegments = segment + 1;
    this.cutBytes = 0;
    memory.free(bytes);
    this.moved();
    await new Promise<void>((resolve, reject) => {
      queue.add({
        record: { kind: 'sealed', session: this.session, segment, next },
        releases: cut.map(({ seq }) => seq),
        done: (failure) => (failure === undefined ? resolve() : reject(failure)),
      });
      queue.kick();
    });
  }

  private batchDone(failure: Error | undefined): void {
    if (failure === undefined) this.committedCount += 1;
    this.waiting = this.waiting.filter(({ count, go }) => {
      if (failure === undefined && count > this.committedCount) return true;
      go(failure);
      return false;
    });
    this.moved();
  }
}

function sizeOf({ line, content }: Kept): number {
  return line.length + 1 + (content === undefined ? 0 : content.length + 1);
}
