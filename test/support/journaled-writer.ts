/** A proxy task as its journal shows it: sessions, statements, segments, and a death at any point. Everything is written by hand. */
import { createHash } from 'node:crypto';
import { NO_BATCH } from '../../core/evidence/batch.ts';
import { commitHash, encodeRecords, type JournalCommit, type JournalRecord } from '../../core/evidence/journal.ts';
import { segmentPath } from '../../core/evidence/layout.ts';
import { ChainedLines, segmentOf } from './chained-lines.ts';
import { judged, opened, sessionClosed } from './evidence.ts';

export const DAY = '2026-11-20';

export type JournalSink = {
  append(commit: JournalCommit): Promise<'written' | 'taken'>;
  segment(path: string, bytes: Buffer): Promise<unknown>;
};

type Session = { readonly chain: ChainedLines; statements: number; segment: number; from: number; content: number };

export class JournaledWriter {
  readonly id: string;
  private readonly sink: JournalSink;
  private readonly spine: ChainedLines;
  private readonly sessions = new Map<string, Session>();
  private seq = 0;
  private prev = NO_BATCH;
  /** The commit in which each session's oldest batch is that no segment has. */
  private readonly oldest = new Map<string, number>();

  constructor(id: string, sink: JournalSink) {
    this.id = id;
    this.sink = sink;
    this.spine = new ChainedLines({ kind: 'writer', id });
  }

  get nextSeq(): number {
    return this.seq;
  }

  /** One commit with exactly these records; as the real one, it goes on only when it was written. */
  async commit(records: readonly JournalRecord[]): Promise<'written' | 'taken'> {
    for (const record of records) {
      if ((record.kind === 'batch' || record.kind === 'staged') && !this.oldest.has(record.session))
        this.oldest.set(record.session, this.seq);
      if (record.kind === 'sealed') this.oldest.delete(record.session);
    }
    const body = encodeRecords(records);
    const needed = Math.min(this.seq, ...this.oldest.values());
    const commit = { writer: this.id, seq: this.seq, prev: this.prev, body, needed };
    const hash = commitHash(commit);
    const put = await this.sink.append({ ...commit, hash });
    if (put === 'written') {
      this.seq += 1;
      this.prev = hash;
    }
    return put;
  }

  /** `writer.opened`. */
  start(): Promise<'written' | 'taken'> {
    return this.commit([this.entry({ type: 'writer.opened', writer: this.id, boot: 'b', program: '0.1.0', previous: [] })]);
  }

  /** Opens a recording: the spine's entry and the first batch in one commit. */
  open(session: string): Promise<'written' | 'taken'> {
    const chain = new ChainedLines({ kind: 'session', id: session }).add([opened(session)]);
    this.sessions.set(session, { chain, statements: 0, segment: 0, from: 0, content: 0 });
    return this.commit([this.entry({ type: 'recording.opened', session, day: DAY }), this.last(session)]);
  }

  /** Opens a recording whose first line is in the staging bucket under this key; the line. */
  async stage(session: string, key: string): Promise<Buffer> {
    const chain = new ChainedLines({ kind: 'session', id: session }).add([opened(session)]);
    this.sessions.set(session, { chain, statements: 0, segment: 0, from: 0, content: 0 });
    const [line = Buffer.alloc(0)] = chain.lines;
    const sha256 = createHash('sha256').update(line).digest('hex');
    const staged: JournalRecord = { kind: 'staged', session, segment: 0, key, bytes: line.length, sha256 };
    await this.commit([this.entry({ type: 'recording.opened', session, day: DAY }), staged]);
    return line;
  }

  /** One statement with rows of so many bytes: up to 4 KiB ride along, more waits for its segment. */
  statement(session: string, bytes = 16): Promise<'written' | 'taken'> {
    const run = this.session(session);
    run.statements += 1;
    const content = createHash('shake256', { outputLength: bytes }).update(`${session} ${run.statements}`).digest();
    run.content += bytes;
    run.chain.add([judged(run.statements, `select ${run.statements}`), { type: 'statement.sent', statement: run.statements }], content);
    return this.commit([this.last(session)]);
  }

  /** The entries of each second. */
  heads(): Promise<'written' | 'taken'> {
    const entries = [...this.sessions].map(([session, { chain, segment }]) => ({
      type: 'recording.head',
      session,
      segment,
      head: chain.head,
    }));
    return this.commit([this.entries(entries)]);
  }

  /** Puts what was recorded since the last one as a segment; with `silent` it dies before it says so. */
  async seal(session: string, how: 'said' | 'silent' = 'said'): Promise<void> {
    const run = this.session(session);
    const batches = run.chain.batches.slice(run.from);
    await this.sink.segment(segmentPath(DAY, session, run.segment), segmentOf(batches));
    if (how === 'silent') return;
    run.from = run.chain.batches.length;
    run.segment += 1;
    await this.commit([{ kind: 'sealed', session, segment: run.segment - 1, next: run.from }]);
  }

  /** Ends a recording: last batch, segment, the spine's entry. */
  async close(session: string): Promise<void> {
    const run = this.session(session);
    const end = sessionClosed(run.statements);
    run.chain.add([end]);
    await this.commit([this.last(session)]);
    await this.seal(session);
    const { reason, abnormal, statements, rows, bytes } = end;
    const totals = { events: run.chain.events, contentBytes: run.content, statements, rows, bytes };
    const entry = { type: 'recording.closed', session, segment: run.segment - 1, head: run.chain.head, abnormal, reason, ...totals };
    await this.commit([this.entry(entry)]);
    this.sessions.delete(session);
  }

  /** `writer.closed`. */
  stop(): Promise<'written' | 'taken'> {
    return this.commit([this.entry({ type: 'writer.closed', writer: this.id })]);
  }

  private session(id: string): Session {
    const run = this.sessions.get(id);
    if (run === undefined) throw new Error(`no session ${id} is open`);
    return run;
  }

  private entry(event: object): JournalRecord {
    return this.entries([event]);
  }

  private entries(events: readonly object[]): JournalRecord {
    const line = this.spine.add(events).lines.at(-1);
    if (line === undefined) throw new Error('the spine has no batch');
    return { kind: 'spine', line };
  }

  private last(session: string): JournalRecord {
    const run = this.session(session);
    const batch = run.chain.batches.at(-1);
    if (batch === undefined) throw new Error('the session has no batch');
    const { line, content } = batch;
    const inline = content !== undefined && content.length <= 4096 ? { content } : {};
    return { kind: 'batch', session, segment: run.segment, line, ...inline };
  }
}
