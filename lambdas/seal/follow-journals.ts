/** Reads what writers recorded since the last seal, as far as one run may go, and checks that it continues. */
import { JOURNAL_START, JournalChain, type JournalPosition, type SpineBatch } from '../../core/evidence/journal-chain.ts';
import { SallyportError } from '../../core/errors.ts';
import type { JournalReader } from './ports.ts';

/** A journal is not what it was when the seal was planned: somebody changed it. */
export class JournalChanged extends SallyportError {
  readonly code = 'journal-changed';

  constructor(writer: string, seq: number) {
    super(`the journal of ${writer} was changed at commit ${seq} after its seal was planned`);
  }
}

/** What one run takes at most; the rest is the next one's. */
export type FollowLimits = {
  /** Of one writer, so that a busy one does not keep the others waiting. */
  readonly commitsPerWriter: number;
  /** Of all writers together: a bound on time and memory. */
  readonly bodyBytes: number;
};

/** What was found behind a position. */
export type Followed = {
  readonly from: JournalPosition;
  readonly to: JournalPosition;
  readonly batches: readonly SpineBatch[];
  readonly fenced: boolean;
  /** The journal does not continue: nothing behind `to` is sealed. */
  readonly broken?: { readonly seq: number; readonly why: string };
  /** The limit was reached before the end. */
  readonly more: boolean;
};

/** Most places hold nothing new most of the time: a small first read, then larger ones. */
const FIRST_READ = 8;
const NEXT_READ = 32;

export class JournalFollower {
  private readonly journals: JournalReader;
  private readonly limits: FollowLimits;
  private readonly goOn: () => boolean;
  private bytesLeft: number;

  /** `goOn` says false when the time of this run is used up. */
  constructor(journals: JournalReader, limits: FollowLimits, goOn: () => boolean) {
    this.journals = journals;
    this.limits = limits;
    this.goOn = goOn;
    this.bytesLeft = limits.bodyBytes;
  }

  async follow(writer: string, from: JournalPosition = JOURNAL_START): Promise<Followed> {
    const chain = new JournalChain(writer, from);
    const batches: SpineBatch[] = [];
    const found = (more: boolean, end: Partial<Pick<Followed, 'fenced' | 'broken'>> = {}): Followed => ({
      from,
      to: chain.position,
      batches,
      fenced: false,
      more,
      ...end,
    });
    for (let limit = FIRST_READ; ; limit = NEXT_READ) {
      const taken = chain.position.nextSeq - from.nextSeq;
      if (taken >= this.limits.commitsPerWriter || this.bytesLeft <= 0 || !this.goOn()) return found(true);
      const asked = Math.min(limit, this.limits.commitsPerWriter - taken);
      const entries = await this.journals.read(writer, chain.position.nextSeq, asked);
      for (const entry of entries) {
        const step = chain.take(entry);
        if (step.kind === 'broken') return found(false, { broken: step });
        if (step.kind === 'fenced') return found(false, { fenced: true });
        if (entry.kind === 'commit') this.bytesLeft -= entry.commit.body.length;
        batches.push(...step.spine);
      }
      if (entries.length < asked) return found(false);
    }
  }

  /** Reads exactly the stretch that a plan names. Throws where the journal is not what it was. */
  static async again(journals: JournalReader, writer: string, from: JournalPosition, to: JournalPosition): Promise<readonly SpineBatch[]> {
    const chain = new JournalChain(writer, from);
    const batches: SpineBatch[] = [];
    while (chain.position.nextSeq < to.nextSeq) {
      const entries = await journals.read(writer, chain.position.nextSeq, Math.min(NEXT_READ, to.nextSeq - chain.position.nextSeq));
      if (entries.length === 0) throw new JournalChanged(writer, chain.position.nextSeq);
      for (const entry of entries) {
        const step = chain.take(entry);
        if (step.kind !== 'commit') throw new JournalChanged(writer, chain.position.nextSeq);
        batches.push(...step.spine);
      }
    }
    if (chain.position.prev !== to.prev) throw new JournalChanged(writer, to.nextSeq - 1);
    return batches;
  }
}
