/** The sweeper's own journal about one dead writer: what an earlier run said already, and what this one adds. */
import { JournalChain } from '../../core/evidence/journal-chain.ts';
import { shortWriterItem, spineCommit } from '../../core/evidence/short-writer.ts';
import type { SpineEvent } from '../../core/evidence/spine.ts';
import { nextSpineLine, SPINE_START, type SpineEnd } from '../../core/evidence/spine-lines.ts';
import type { JournalReader, SealClock } from '../seal/ports.ts';
import { JournalBroken } from './fence-writer.ts';
import type { JournalAppender, WriterItems } from './ports.ts';

const READ_AT_ONCE = 32;

export type SweepRecordParts = {
  readonly journals: JournalReader;
  readonly appender: JournalAppender;
  readonly writers: Pick<WriterItems, 'register'>;
  readonly clock: SealClock;
  readonly program: string;
  readonly boot: string;
};

export class SweepRecord {
  /** Recordings that are sealed. */
  readonly sealed = new Set<string>();
  closed = false;
  private readonly writer: string;
  private readonly parts: SweepRecordParts;
  private readonly chain: JournalChain;
  private end: SpineEnd = SPINE_START;

  private constructor(writer: string, parts: SweepRecordParts) {
    this.writer = writer;
    this.parts = parts;
    this.chain = new JournalChain(writer);
  }

  /** Reads what is there. Throws JournalBroken. */
  static async open(writer: string, parts: SweepRecordParts): Promise<SweepRecord> {
    const record = new SweepRecord(writer, parts);
    for (;;) {
      const entries = await parts.journals.read(writer, record.chain.position.nextSeq, READ_AT_ONCE);
      for (const entry of entries) {
        const step = record.chain.take(entry);
        if (step.kind !== 'commit')
          throw new JournalBroken(`the journal of ${writer} is broken at commit ${record.chain.position.nextSeq}`);
        for (const { head, events } of step.spine) {
          record.end = { head, nextEvent: record.end.nextEvent + events.length };
          for (const { type, session } of events) {
            if (type === 'recording.sealed' && typeof session === 'string') record.sealed.add(session);
            if (type === 'writer.closed') record.closed = true;
          }
        }
      }
      if (entries.length < READ_AT_ONCE) return record;
    }
  }

  /** Commits these entries; false where another sweeper was faster, whose entries are as good. */
  async add(entries: readonly SpineEvent[]): Promise<boolean> {
    const { appender, boot, clock, program, writers } = this.parts;
    const { writer } = this;
    const { position } = this.chain;
    if (position.nextSeq === 0) await writers.register(shortWriterItem(writer, clock.now()));
    const first: SpineEvent[] = position.nextSeq === 0 ? [{ type: 'writer.opened', writer, boot, program, previous: [] }] : [];
    const next = nextSpineLine(writer, this.end, [...first, ...entries], { atMs: clock.now(), monoUs: clock.monoUs() });
    const commit = spineCommit(writer, position, [next.line]);
    if ((await appender.append(commit)) === 'taken') return false;
    this.chain.take({ kind: 'commit', commit, atMs: clock.now() });
    this.end = next.end;
    return true;
  }
}
