// What every recorder keeps to, wherever its evidence stands.
import { describe, expect, test } from 'vitest';
import type { FoundEvent } from '../../core/evidence/batch.ts';
import { findingText } from '../../core/evidence/findings.ts';
import type { Recorder } from '../../core/evidence/recorder.ts';
import { listRecordings, readRecording } from '../../core/evidence/recordings.ts';
import type { EvidenceSource } from '../../core/evidence/source.ts';
import { type Verification, verifyEvidence } from '../../core/evidence/verify.ts';
import { acknowledged, flushed, judged, opened, recordStatement, sessionClosed } from '../support/evidence.ts';

export type RecorderUnderTest = {
  readonly recorder: Recorder;
  /** Ends what is open, and the writer. */
  close(): Promise<void>;
  /** The evidence that there is after `close`. */
  evidence(): Promise<EvidenceSource>;
};

/** Session ids are new in each test: some stores outlive it. */
let used = 0;
const newSession = (): string => `s${Date.now().toString(36)}-${(used += 1)}`;

export function recorderContract(name: string, start: () => Promise<RecorderUnderTest>): void {
  async function ended(under: RecorderUnderTest): Promise<{ readonly source: EvidenceSource; readonly result: Verification }> {
    await under.close();
    const source = await under.evidence();
    const result = await verifyEvidence(source);
    expect(result.findings.map(findingText)).toEqual([]);
    return { source, result };
  }

  async function playedBack(source: EvidenceSource, session: string): Promise<{ events: FoundEvent[]; content: Buffer; unkept: number }> {
    const recording = (await listRecordings(source)).find((each) => each.session === session);
    if (recording === undefined) throw new Error(`no recording ${session}`);
    const events: FoundEvent[] = [];
    const content: Buffer[] = [];
    let unkept = 0;
    for await (const batch of readRecording(source, recording)) {
      events.push(...batch.events);
      content.push(batch.content);
      unkept += batch.unkeptBytes;
    }
    return { events, content: Buffer.concat(content), unkept };
  }

  describe(name, () => {
    test('what was flushed is read back in order, with its number', async () => {
      const under = await start();
      const id = newSession();
      const session = under.recorder.open(id);
      expect(session.append(opened(id))).toBe(0);
      expect(session.append(judged(1, 'select 1'))).toBe(1);
      recordStatement(session, 2, acknowledged);
      await session.close(sessionClosed(2));
      const { source } = await ended(under);
      const { events } = await playedBack(source, id);
      expect(events.map(({ type }) => type)).toEqual([
        'session.opened',
        'statement.judged',
        'statement.judged',
        'statement.sent',
        'rows.released',
        'statement.completed',
        'session.closed',
      ]);
      expect(events.map(({ seq }) => seq)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    });

    test('acknowledgements come in the order of their flushes, whatever their durability', async () => {
      const under = await start();
      const id = newSession();
      const session = under.recorder.open(id);
      session.append(opened(id));
      const order: string[] = [];
      session.flush('durable', () => order.push('durable'));
      session.flush('written', () => order.push('written'));
      await flushed(session);
      expect(order).toEqual(['durable', 'written']);
      await session.close(sessionClosed(0));
      await ended(under);
    });

    test('released bytes may be reused by the caller at once', async () => {
      const under = await start();
      const id = newSession();
      const session = under.recorder.open(id);
      session.append(opened(id));
      const shared = Buffer.from('first row');
      session.appendContent(shared, 2, shared.length);
      shared.fill('x');
      await session.close(sessionClosed(0));
      const { source } = await ended(under);
      expect((await playedBack(source, id)).content.toString()).toBe('rst row');
    });

    test('a statement that returns more than memory should hold is read back whole', async () => {
      const under = await start();
      const id = newSession();
      const session = under.recorder.open(id);
      session.append(opened(id));
      const chunk = Buffer.alloc(1024 * 1024);
      for (let count = 0; count < 20; count += 1) {
        chunk.fill(count);
        session.appendContent(chunk, 0, chunk.length);
        if (count % 4 === 0) await flushed(session, 'written');
      }
      await session.close(sessionClosed(0));
      const { source, result } = await ended(under);
      const { content } = await playedBack(source, id);
      expect(content.length).toBe(20 * chunk.length);
      expect([0, 9, 19].map((count) => content[count * chunk.length])).toEqual([0, 9, 19]);
      expect(result.bytes).toBeGreaterThan(content.length);
    });

    test('a long text is read back whole', async () => {
      const under = await start();
      const id = newSession();
      const session = under.recorder.open(id);
      session.append(opened(id));
      const text = `select '${'é'.repeat(150_000)}'`;
      session.append(judged(1, text));
      session.append({ type: 'statement.sent', statement: 1 });
      await flushed(session);
      session.append({ type: 'transaction', status: 'I' });
      await session.close(sessionClosed(1));
      const { source } = await ended(under);
      const { events } = await playedBack(source, id);
      expect(events.map(({ type }) => type)).toEqual([
        'session.opened',
        'statement.judged',
        'statement.sent',
        'transaction',
        'session.closed',
      ]);
      expect(events[1]?.['text']).toBe(text);
    });

    test('a target that keeps digests only has count and hash of what was released', async () => {
      const under = await start();
      const id = newSession();
      const session = under.recorder.open(id, 'digest');
      session.append(opened(id));
      recordStatement(session, 1, acknowledged);
      await session.close(sessionClosed(1));
      const { source } = await ended(under);
      const { content, unkept } = await playedBack(source, id);
      expect([content.length, unkept > 0]).toEqual([0, true]);
    });

    test('a flush without anything new is acknowledged', async () => {
      const under = await start();
      const id = newSession();
      const session = under.recorder.open(id);
      await flushed(session, 'written');
      session.append(opened(id));
      await flushed(session);
      await flushed(session, 'written');
      await session.close(sessionClosed(0));
      await ended(under);
    });

    test('many sessions at once each have their own chain', async () => {
      const under = await start();
      const ids = Array.from({ length: 12 }, newSession);
      await Promise.all(
        ids.map(async (id, at) => {
          const session = under.recorder.open(id);
          session.append(opened(id));
          for (let statement = 1; statement <= at; statement += 1) {
            recordStatement(session, statement, acknowledged);
            if (statement % 3 === 0) await flushed(session);
          }
          await session.close(sessionClosed(at));
        }),
      );
      const { source, result } = await ended(under);
      expect([result.recordings, result.abnormal]).toEqual([12, []]);
      for (const [at, id] of ids.entries()) expect((await playedBack(source, id)).events).toHaveLength(2 + 4 * at);
    });

    test('a refused login is counted', async () => {
      const under = await start();
      under.recorder.recordRefusal({ type: 'session.refused', source: '127.0.0.1:1', label: 'psql', target: 'bank', reason: 'expired' });
      expect((await ended(under)).result.refusals).toBe(1);
    });

    test('what is open when the recorder closes ends as abnormal', async () => {
      const under = await start();
      const [open, silent] = [newSession(), newSession()];
      const session = under.recorder.open(open);
      session.append(opened(open));
      recordStatement(session, 1, acknowledged);
      under.recorder.open(silent);
      const { result } = await ended(under);
      expect(result.abnormal).toEqual([
        { session: open, reason: 'the writer closed' },
        { session: silent, reason: 'the writer closed' },
      ]);
    });

    test('a session that is just closing when the recorder closes ends once, as it said', async () => {
      const under = await start();
      const id = newSession();
      const session = under.recorder.open(id);
      session.append(opened(id));
      const closing = session.close(sessionClosed(0));
      const { result } = await ended(under);
      await closing;
      expect([result.recordings, result.abnormal, result.open]).toEqual([1, [], []]);
    });

    test('nothing is recorded behind the end of a session', async () => {
      const under = await start();
      const id = newSession();
      const session = under.recorder.open(id);
      session.append(opened(id));
      await session.close(sessionClosed(0));
      expect(() => session.append({ type: 'transaction', status: 'I' })).toThrow('closed');
      await ended(under);
    });

    test('no session opens after the recorder closed', async () => {
      const under = await start();
      await under.close();
      expect(() => under.recorder.open(newSession())).toThrow(expect.objectContaining({ code: 'ZG030' }));
    });

    test('an event that is not the first of a session, or has a key that its schema does not know, is refused', async () => {
      const under = await start();
      const id = newSession();
      const session = under.recorder.open(id);
      expect(() => session.append({ type: 'transaction', status: 'I' })).toThrow('session.opened');
      const withSecret = { ...opened(id), password: 'secret' };
      expect(() => session.append(withSecret)).toThrow('does not know');
      session.append(opened(id));
      await session.close(sessionClosed(0));
      await ended(under);
    });

    test('an id that could leave its folder, and one that is in use, are refused', async () => {
      const under = await start();
      const id = newSession();
      expect(() => under.recorder.open('../s1')).toThrow('session id');
      const session = under.recorder.open(id);
      expect(() => under.recorder.open(id)).toThrow('recorded before');
      session.append(opened(id));
      await session.close(sessionClosed(0));
      await ended(under);
    });
  });
}
