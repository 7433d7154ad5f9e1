/** What all spines say together: the list that recordings, writers and checkpoints are held against. */
import { type FoundEvent, isHash, isRecord } from './batch.ts';
import { isDay, isId } from './layout.ts';
import type { ChainHead, LostContent, TornTail } from './spine.ts';

/** How a recording ended, by its own writer or by the one that found it. */
export type RecordingEnd = {
  readonly segment: number;
  readonly head: ChainHead;
  readonly abnormal: boolean;
  readonly reason: string;
  readonly torn?: TornTail;
  /** Content that died with the writer. */
  readonly lost?: LostContent;
  /** When the entry was recorded. */
  readonly at: string;
  /** Absent where another writer sealed it. */
  readonly totals?: { readonly events: number; readonly contentBytes: number; readonly statements: number; readonly rows: number };
};

export type NamedRecording = {
  readonly session: string;
  readonly writer: string;
  readonly day: string;
  /** Every head that was named, in order; the chain must go through each. */
  readonly heads: ChainHead[];
  /** What the last head named: every segment before it is in the evidence. */
  segment: number;
  end?: RecordingEnd;
};

export type NamedWriter = {
  opened: boolean;
  /** It names no key: a sealer elsewhere signs, and what it records stands in a journal before it is evidence. */
  journaled: boolean;
  closed: boolean;
  fence?: { readonly by: string; readonly head: ChainHead; readonly torn?: TornTail };
  /** Where a later writer found it. */
  namedAt?: ChainHead;
};

export class SpineLedger {
  readonly recordings = new Map<string, NamedRecording>();
  readonly writers = new Map<string, NamedWriter>();
  /** Fingerprints of the keys that writers said they seal with. */
  readonly keys = new Set<string>();
  readonly checkpoints: { readonly size: number; readonly day: string; readonly sha256: string }[] = [];
  /** Writers whose journal the sealer found broken, and the commit. */
  readonly brokenJournals = new Map<string, number>();
  /** When a sealer began a seal for which it read every journal to its end. */
  sealedAtMs: number | undefined;
  refusals = 0;
  private sealing: { readonly at: string; readonly behind: boolean } | undefined;
  /** Entries about other writers' chains, which may be read after the spine that speaks of them. */
  private readonly later: { readonly writer: string; readonly event: FoundEvent; readonly wrong: (what: string) => void }[] = [];

  writer(id: string): NamedWriter {
    const known = this.writers.get(id) ?? { opened: false, journaled: false, closed: false };
    this.writers.set(id, known);
    return known;
  }

  /** Takes in one entry of a spine; tells what is wrong with it, now or at `finish`. */
  take(writer: string, event: FoundEvent, wrong: (what: string) => void): void {
    if (event.type === 'recording.sealed' || event.type === 'writer.fenced') this.later.push({ writer, event, wrong });
    const what = this.takeNow(writer, event);
    this.noteSeal(this.writer(writer), event);
    if (what !== undefined) wrong(what);
  }

  /** Every spine was read: what they say of each other can be held against it. */
  finish(): void {
    this.endSeal();
    for (const { writer, event, wrong } of this.later) {
      const what = event.type === 'recording.sealed' ? this.recordingSealed(event) : this.writerFenced(writer, event);
      if (what !== undefined) wrong(what);
    }
    this.later.length = 0;
  }

  private takeNow(writer: string, event: FoundEvent): string | undefined {
    const own = this.writer(writer);
    if (own.closed) return 'an entry stands behind the end of the writer';
    if (!own.opened && event.type !== 'writer.opened') return 'a spine starts with writer.opened';
    switch (event.type) {
      case 'writer.opened':
        return this.writerOpened(writer, own, event);
      case 'recording.opened':
        return this.recordingOpened(writer, event);
      case 'recording.head':
      case 'recording.closed':
        return this.recordingMoved(writer, event);
      case 'recording.sealed':
      case 'writer.fenced':
        return undefined;
      case 'checkpoint.signed': {
        const { size, day, sha256 } = event;
        if (!isCount(size) || !isDay(day) || !isHash(sha256)) return 'the entry is malformed';
        this.checkpoints.push({ size, day, sha256 });
        return undefined;
      }
      case 'writer.seen': {
        const seen = idOf(event['writer']);
        if (seen === undefined || typeof event['image'] !== 'string') return 'the entry is malformed';
        this.writer(seen);
        return undefined;
      }
      case 'seal.behind':
        return undefined;
      case 'journal.broken': {
        const broken = idOf(event['writer']);
        if (broken === undefined || !isCount(event['commit'])) return 'the entry is malformed';
        this.brokenJournals.set(broken, event['commit']);
        return undefined;
      }
      case 'approval.closed':
        return idOf(event['approval']) === undefined || typeof event['outcome'] !== 'string' ? 'the entry is malformed' : undefined;
      case 'writer.closed':
        own.closed = true;
        return undefined;
      case 'session.refused':
        this.refusals += 1;
        return undefined;
      default:
        return `no such entry: ${event.type}`;
    }
  }

  /** Entries of one seal have one time, and one of them says where it did not come to the end. */
  private noteSeal(own: NamedWriter, { type, at }: FoundEvent): void {
    if (!own.opened || own.journaled || typeof at !== 'string') return;
    if (this.sealing?.at !== at) this.endSeal();
    this.sealing = { at, behind: type === 'seal.behind' || this.sealing?.behind === true };
  }

  private endSeal(): void {
    const atMs = Date.parse(this.sealing?.at ?? '');
    if (this.sealing?.behind === false && !Number.isNaN(atMs)) this.sealedAtMs = Math.max(this.sealedAtMs ?? 0, atMs);
    this.sealing = undefined;
  }

  private writerOpened(writer: string, own: NamedWriter, event: FoundEvent): string | undefined {
    const { key, previous } = event;
    if (own.opened || event['writer'] !== writer || !Array.isArray(previous)) return 'the entry is malformed';
    if (key !== undefined && !isHash(key)) return 'the entry is malformed';
    own.opened = true;
    own.journaled = key === undefined;
    if (key !== undefined) this.keys.add(key);
    for (const before of previous) {
      const head = isRecord(before) ? headOf(before['head']) : undefined;
      const name = isRecord(before) ? idOf(before['writer']) : undefined;
      if (name === undefined || head === undefined) return 'the entry is malformed';
      this.writer(name).namedAt ??= head;
    }
    return undefined;
  }

  private recordingOpened(writer: string, event: FoundEvent): string | undefined {
    const { day } = event;
    const session = idOf(event['session']);
    if (session === undefined || !isDay(day)) return 'the entry is malformed';
    if (this.recordings.has(session)) return `the recording ${session} was opened before`;
    this.recordings.set(session, { session, writer, day, heads: [], segment: 0 });
    return undefined;
  }

  private recordingMoved(writer: string, event: FoundEvent): string | undefined {
    const { session, segment, abnormal, reason, events, contentBytes, statements, rows, at } = event;
    const head = headOf(event['head']);
    const recording = typeof session === 'string' ? this.recordings.get(session) : undefined;
    if (recording === undefined || recording.writer !== writer) return 'the entry is of a recording that this writer did not open';
    if (recording.end !== undefined) return 'the entry stands behind the end of its recording';
    if (head === undefined || !isCount(segment)) return 'the entry is malformed';
    if (head.batch < (recording.heads.at(-1)?.batch ?? -1)) return 'the recording goes backwards';
    if (segment < recording.segment) return 'the recording goes backwards';
    recording.heads.push(head);
    recording.segment = segment;
    if (event.type === 'recording.head') return undefined;
    if (typeof abnormal !== 'boolean' || typeof reason !== 'string' || typeof at !== 'string') return 'the entry is malformed';
    if (!isCount(events) || !isCount(contentBytes) || !isCount(statements) || !isCount(rows)) {
      return 'the entry is malformed';
    }
    recording.end = { segment, head, abnormal, reason, at, totals: { events, contentBytes, statements, rows } };
    return undefined;
  }

  private recordingSealed(event: FoundEvent): string | undefined {
    const { session, writer, segment, reason, at } = event;
    const head = headOf(event['head']);
    const torn = tornOf(event['torn']);
    const lost = lostOf(event['lost']);
    const recording = typeof session === 'string' ? this.recordings.get(session) : undefined;
    if (recording === undefined || recording.writer !== writer) return 'the entry seals a recording that its writer did not open';
    if (recording.end !== undefined) return 'the entry seals a recording that had ended';
    if (head === undefined || torn === 'malformed' || lost === 'malformed' || !isCount(segment)) return 'the entry is malformed';
    if (typeof reason !== 'string' || typeof at !== 'string') return 'the entry is malformed';
    recording.heads.push(head);
    recording.end = {
      segment,
      head,
      abnormal: true,
      reason,
      at,
      ...(torn === undefined ? {} : { torn }),
      ...(lost === undefined ? {} : { lost }),
    };
    return undefined;
  }

  private writerFenced(by: string, event: FoundEvent): string | undefined {
    const writer = idOf(event['writer']);
    const head = headOf(event['head']);
    const torn = tornOf(event['torn']);
    if (writer === undefined || head === undefined || torn === 'malformed') return 'the entry is malformed';
    const dead = this.writer(writer);
    if (dead.fence !== undefined || writer === by) return `the writer ${writer} was fenced before`;
    dead.fence = { by, head, ...(torn === undefined ? {} : { torn }) };
    return undefined;
  }
}

/** Names become parts of paths: what could lead out of the evidence is none. */
function idOf(value: unknown): string | undefined {
  return typeof value === 'string' && isId(value) ? value : undefined;
}

function headOf(value: unknown): ChainHead | undefined {
  if (!isRecord(value)) return undefined;
  const { batch, hash } = value;
  return typeof batch === 'number' && Number.isSafeInteger(batch) && batch >= -1 && isHash(hash) ? { batch, hash } : undefined;
}

function tornOf(value: unknown): TornTail | undefined | 'malformed' {
  if (value === undefined) return undefined;
  if (!isRecord(value) || !isCount(value['bytes']) || !isHash(value['sha256'])) return 'malformed';
  return { bytes: value['bytes'], sha256: value['sha256'] };
}

function lostOf(value: unknown): LostContent | undefined | 'malformed' {
  if (value === undefined) return undefined;
  if (!isRecord(value) || !isCount(value['batches']) || !isCount(value['bytes'])) return 'malformed';
  return { batches: value['batches'], bytes: value['bytes'] };
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
