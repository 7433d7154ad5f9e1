import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NO_BATCH, parseBatchLine } from '../../../core/evidence/batch.ts';
import { BatchReader } from '../../../core/evidence/batch-reader.ts';
import { MAX_COMMIT_BYTES } from '../../../core/evidence/journal.ts';
import type { SessionRecorder } from '../../../core/evidence/recorder.ts';
import { verifyEvidence } from '../../../core/evidence/verify.ts';
import { dataRow, flushed, judged, memorySource, opened, sessionClosed } from '../../support/evidence.ts';
import {
  type Behaviour,
  evidenceOf,
  type JournalDesk,
  journaledEvents,
  passes,
  settled,
  startJournalRecorder,
} from '../../support/journal-stores.ts';

const MIB = 1024 * 1024;

async function openSession(desk: JournalDesk, id = 's1', rows: 'rows' | 'digest' = 'rows'): Promise<SessionRecorder> {
  const session = desk.recorder.open(id, rows);
  session.append(opened(id));
  await flushed(session);
  return session;
}

/** What a flush was told so far. */
function flush(session: SessionRecorder): { told: 'nothing' | 'recorded' | Error } {
  const heard: { told: 'nothing' | 'recorded' | Error } = { told: 'nothing' };
  session.flush('written', (error) => {
    heard.told = error ?? 'recorded';
  });
  return heard;
}

function release(session: SessionRecorder, bytes: number): void {
  const content = Buffer.alloc(bytes, 7);
  session.appendContent(content, 0, bytes);
}

const segmentNames = (desk: JournalDesk): string[] => [...desk.segments.files.keys()];

const commitOf = (desk: JournalDesk, kind: string): number[] =>
  desk.journal.records().flatMap(({ seq, record }) => (record.kind === kind ? [seq] : []));

describe('commits', () => {
  test('continue each other from the first, which opens the writer', async () => {
    const desk = startJournalRecorder();
    await openSession(desk);
    await desk.recorder.close();
    const { commits } = desk.journal;
    expect(commits.map(({ seq }) => seq)).toEqual(commits.map((_, at) => at));
    expect(commits.map(({ prev }) => prev)).toEqual([NO_BATCH, ...commits.slice(0, -1).map(({ hash }) => hash)]);
    const [first] = desk.journal.records();
    expect(first?.record.kind === 'spine' && parseBatchLine(first.record.line.toString())?.events).toMatchObject([
      { type: 'writer.opened', writer: 't1', program: '0.1.0', previous: [] },
    ]);
    expect(desk.recorder.nextSeq).toBe(commits.length);
  });

  test('take what many sessions flushed while one was under way', async () => {
    const desk = startJournalRecorder();
    const sessions = await Promise.all(Array.from({ length: 50 }, (_, at) => openSession(desk, `s${at}`)));
    const before = desk.journal.commits.length;
    await Promise.all(
      sessions.map((session) => {
        session.append({ type: 'transaction', status: 'I' });
        return flushed(session);
      }),
    );
    expect(desk.journal.commits.length - before).toBe(2);
  });

  test('are one at a time, and no larger than an item may be', async () => {
    const desk = startJournalRecorder();
    const sessions = await Promise.all(Array.from({ length: 30 }, (_, at) => openSession(desk, `s${at}`)));
    for (const session of sessions) session.append(judged(1, 'x'.repeat(60_000)));
    await Promise.all(sessions.map((session) => flushed(session)));
    const sizes = desk.journal.commits.map(({ body }) => body.length);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(MAX_COMMIT_BYTES);
    expect(Math.max(...sizes)).toBeGreaterThan(MAX_COMMIT_BYTES / 2);
    desk.journal.faults.set('hangs');
    const { calls } = desk.journal.faults;
    for (const session of sessions) {
      session.append({ type: 'transaction', status: 'I' });
      flush(session);
    }
    await settled();
    expect(desk.journal.faults.calls - calls).toBe(1);
  });

  test('hold a refused login within milliseconds, though nobody waits for it', async () => {
    const desk = startJournalRecorder();
    await settled();
    desk.recorder.recordRefusal({ type: 'session.refused', source: '127.0.0.1:1', label: '', target: '', reason: 'expired' });
    await passes(desk.clock, 5);
    expect(desk.journal.records().map(({ record }) => record.kind === 'spine' && record.line.includes('session.refused'))).toContain(true);
  });

  test('name the oldest one that still has what no segment has', async () => {
    const desk = startJournalRecorder();
    const quiet = await openSession(desk, 'quiet');
    const [opening = 0] = commitOf(desk, 'batch');
    const busy = await openSession(desk, 'busy');
    for (let count = 0; count < 3; count += 1) {
      release(busy, 5 * MIB);
      await flushed(busy);
    }
    await settled();
    expect(desk.journal.commits.at(-1)?.needed).toBe(opening);
    await quiet.close(sessionClosed(0));
    await busy.close(sessionClosed(0));
    await settled();
    await desk.recorder.close();
    const last = desk.journal.commits.at(-1);
    expect(last?.needed).toBe(last?.seq);
  });
});

describe('a flush', () => {
  test('is acknowledged only when its commit stands', async () => {
    const desk = startJournalRecorder();
    const session = await openSession(desk);
    desk.journal.faults.plan('refuses', 'refuses');
    session.append({ type: 'statement.sent', statement: 1 });
    const heard = flush(session);
    await settled();
    expect([heard.told, journaledEvents(desk, 's1')]).toEqual(['nothing', ['session.opened']]);
    await passes(desk.clock, 500);
    expect([heard.told, journaledEvents(desk, 's1')]).toEqual(['recorded', ['session.opened', 'statement.sent']]);
  });

  test('whose answer was lost is recorded once', async () => {
    const desk = startJournalRecorder();
    const session = await openSession(desk);
    desk.journal.faults.plan('losesAnswer', 'losesAnswer');
    session.append({ type: 'statement.sent', statement: 1 });
    const heard = flush(session);
    await passes(desk.clock, 500);
    expect([heard.told, journaledEvents(desk, 's1')]).toEqual(['recorded', ['session.opened', 'statement.sent']]);
  });

  test.each<Behaviour>(['refuses', 'hangs', 'losesAnswer'])('fails within seconds where the journal %s all the time', async (behaviour) => {
    const desk = startJournalRecorder();
    const session = await openSession(desk);
    const other = await openSession(desk, 's2');
    desk.journal.faults.set(behaviour === 'losesAnswer' ? 'hangs' : behaviour);
    if (behaviour === 'losesAnswer') desk.journal.faults.plan('losesAnswer');
    session.append({ type: 'statement.sent', statement: 1 });
    const heard = flush(session);
    await passes(desk.clock, 4_000);
    expect(heard.told).toBe('nothing');
    await passes(desk.clock, 2_000);
    expect(heard.told).toMatchObject({ code: 'ZG030' });
    expect(flush(other).told).toMatchObject({ code: 'ZG030' });
    expect(() => desk.recorder.open('s3')).toThrow(expect.objectContaining({ code: 'ZG030' }));
    expect(desk.recorder.failure).toMatchObject({ code: 'ZG030' });
    await expect(session.close(sessionClosed(0))).rejects.toMatchObject({ code: 'ZG030' });
    await expect(desk.recorder.close()).rejects.toMatchObject({ code: 'ZG030' });
    const { calls } = desk.journal.faults;
    await passes(desk.clock, 20_000);
    expect(desk.journal.faults.calls).toBe(calls);
  });

  test('of a new session waits until others can find it, and fails where they cannot', async () => {
    const desk = startJournalRecorder();
    desk.sessions.faults.plan('refuses');
    const session = desk.recorder.open('s1');
    session.append(opened('s1'));
    const heard = flush(session);
    await settled();
    expect(heard.told).toBe('nothing');
    await passes(desk.clock, 200);
    expect(heard.told).toBe('recorded');
    expect(desk.sessions.items.get('s1')).toEqual({
      session: 's1',
      writer: 't1',
      principal: 'corp/agent-7',
      human: 'ann@example.com',
      target: 'bank',
      source: '127.0.0.1:50000',
      openedAtMs: desk.clock.now() - 200,
      day: '2026-11-20',
    });
    desk.sessions.faults.set('hangs');
    const lost = desk.recorder.open('s2');
    lost.append(opened('s2'));
    const waited = flush(lost);
    await passes(desk.clock, 6_000);
    expect(waited.told).toMatchObject({ code: 'ZG030' });
    await expect(lost.close({ ...sessionClosed(0), abnormal: true })).rejects.toMatchObject({ code: 'ZG030' });
    session.append({ type: 'transaction', status: 'I' });
    await flushed(session);
    desk.sessions.faults.set('works');
    await session.close(sessionClosed(0));
    const closing = desk.recorder.close();
    await passes(desk.clock, 6_000);
    await closing;
    expect((await verifyEvidence(memorySource(evidenceOf(desk.journal.records(), desk.segments.files)))).findings).toEqual([]);
  });

  test('of a session that closed takes it out of the list of those that live', async () => {
    const desk = startJournalRecorder();
    const session = await openSession(desk);
    desk.sessions.faults.plan('refuses');
    await session.close(sessionClosed(0));
    await passes(desk.clock, 500);
    expect(desk.sessions.items.size).toBe(0);
  });
});

describe('a writer that another has ended', () => {
  test('fails every session and every flush, and writes no more', async () => {
    const desk = startJournalRecorder();
    let fenced = 0;
    desk.recorder.onFenced(() => (fenced += 1));
    const sessions = [await openSession(desk, 's1'), await openSession(desk, 's2')];
    desk.journal.fence();
    const before = desk.journal.commits.length;
    const heard = sessions.map((session) => {
      release(session, 5 * MIB);
      session.append({ type: 'statement.sent', statement: 1 });
      return flush(session);
    });
    await settled();
    expect(heard.map(({ told }) => told)).toEqual([expect.objectContaining({ code: 'ZG030' }), expect.objectContaining({ code: 'ZG030' })]);
    expect(fenced).toBe(1);
    const { calls } = desk.journal.faults;
    await passes(desk.clock, 30_000);
    expect([desk.journal.commits.length, desk.journal.faults.calls, desk.segments.faults.calls]).toEqual([before, calls, 0]);
    expect(() => desk.recorder.open('s3')).toThrow('another has ended this writer');
  });

  test('is not the same as one whose journal cannot be reached', async () => {
    const desk = startJournalRecorder();
    const told: string[] = [];
    desk.recorder.onFenced(() => told.push('fenced'));
    desk.recorder.onFailed(({ code }) => told.push(code));
    desk.journal.faults.set('refuses');
    const session = desk.recorder.open('s1');
    session.append(opened('s1'));
    flush(session);
    await passes(desk.clock, 6_000);
    expect(told).toEqual(['ZG030']);
  });
});

describe('segments', () => {
  test('are put when the recording closes, before the spine says so', async () => {
    const desk = startJournalRecorder();
    const session = await openSession(desk);
    await session.close(sessionClosed(0));
    await settled();
    expect(segmentNames(desk)).toEqual(['sessions/2026-11-20/s1/000000.seg']);
    const [sealed = -1] = commitOf(desk, 'sealed');
    const closed = desk.journal.records().find(({ record }) => record.kind === 'spine' && record.line.includes('recording.closed'));
    expect(closed?.seq).toBeGreaterThanOrEqual(sealed);
    expect(desk.journal.records().flatMap(({ record }) => (record.kind === 'sealed' ? [record] : []))).toEqual([
      { kind: 'sealed', session: 's1', segment: 0, next: 2 },
    ]);
  });

  test('of content that stands nowhere else are put within two seconds', async () => {
    const desk = startJournalRecorder();
    const session = await openSession(desk);
    release(session, 5_000);
    await flushed(session);
    await passes(desk.clock, 1_900);
    expect(segmentNames(desk)).toEqual([]);
    await passes(desk.clock, 200);
    expect(segmentNames(desk)).toHaveLength(1);
    expect(commitOf(desk, 'sealed')).toHaveLength(1);
  });

  test('of small content, which rides along, wait for a quarter of an hour', async () => {
    const desk = startJournalRecorder();
    const session = await openSession(desk);
    const row = dataRow('1', 'ann');
    session.appendContent(row, 0, row.length);
    await flushed(session);
    const inline = desk.journal
      .records()
      .flatMap(({ record }) => (record.kind === 'batch' && record.content !== undefined ? [record.content] : []));
    expect(inline).toEqual([row]);
    await passes(desk.clock, 14 * 60_000, 1_000);
    expect(segmentNames(desk)).toEqual([]);
    await passes(desk.clock, 62_000, 1_000);
    expect(segmentNames(desk)).toHaveLength(1);
  });

  test('hold only batches that the journal has', async () => {
    const desk = startJournalRecorder();
    const session = await openSession(desk);
    desk.journal.faults.set('hangs');
    release(session, 5 * MIB);
    flush(session);
    await passes(desk.clock, 3_000);
    expect(desk.segments.faults.calls).toBe(0);
  });

  test('follow each other: the next is put only after the journal knows of the one before', async () => {
    const desk = startJournalRecorder();
    const session = await openSession(desk);
    release(session, 5 * MIB);
    await flushed(session);
    await settled();
    expect(desk.segments.faults.calls).toBe(1);
    const { calls } = desk.journal.faults;
    desk.segments.faults.plan('hangs');
    release(session, 5 * MIB);
    await flushed(session);
    release(session, 5 * MIB);
    await flushed(session);
    await settled();
    expect([desk.segments.faults.calls, desk.journal.faults.calls > calls]).toEqual([2, true]);
    const numbers = desk.journal.records().flatMap(({ record }) => (record.kind === 'batch' ? [record.segment] : []));
    expect([...new Set(numbers)]).toEqual([0, 1, 2]);
  });

  test('are exactly those of one machine, and the journal says which batch is in which', async () => {
    const desk = startJournalRecorder();
    const session = await openSession(desk);
    for (let count = 1; count <= 6; count += 1) {
      session.append({ type: 'statement.sent', statement: count });
      session.flush('written', () => undefined);
      release(session, 3 * MIB);
      session.append({ type: 'rows.released', statement: count, rows: 1, bytes: 3 * MIB, masked: [], detected: 0 });
      await flushed(session);
    }
    await session.close(sessionClosed(6));
    await desk.recorder.close();
    const told = new Map<number, number>();
    let batch = 0;
    for (const { record } of desk.journal.records()) if (record.kind === 'batch') told.set(batch++, record.segment);
    const found = new Map<number, number>();
    for (const [path, bytes] of desk.segments.files) {
      const reader = new BatchReader({ batch: (each) => found.set(each.batch, Number(path.slice(-10, -4))) });
      reader.push(bytes);
      expect([reader.endByte, reader.unreadable]).toEqual([bytes.length, undefined]);
    }
    expect(found).toEqual(told);
    expect(found.size).toBeGreaterThan(12);
  });

  test('whose answer was lost are put once', async () => {
    const desk = startJournalRecorder();
    const session = await openSession(desk);
    desk.segments.faults.plan('losesAnswer', 'refuses');
    await session.close(sessionClosed(0));
    await passes(desk.clock, 2_000);
    await desk.recorder.close();
    expect(desk.problems).toHaveLength(2);
    const files = evidenceOf(desk.journal.records(), desk.segments.files);
    expect((await verifyEvidence(memorySource(files))).findings).toEqual([]);
  });
});

describe('a bucket that takes nothing', () => {
  test('lets sessions go on as long as there is room, then holds their flushes, then fails', async () => {
    const desk = startJournalRecorder({ limits: { sessionBytes: 8 * MIB, processBytes: 64 * MIB } });
    const session = await openSession(desk);
    const other = await openSession(desk, 's2');
    desk.segments.faults.set('refuses');
    release(session, 7 * MIB);
    const first = flush(session);
    await settled();
    expect(first.told).toBe('recorded');
    release(session, 2 * MIB);
    const second = flush(session);
    await passes(desk.clock, 9_000);
    expect(second.told).toBe('nothing');
    other.append({ type: 'transaction', status: 'I' });
    await flushed(other);
    await passes(desk.clock, 1_500);
    expect(second.told).toMatchObject({ code: 'ZG030' });
    expect(desk.problems.length).toBeGreaterThan(3);
  });

  test('that takes segments again in time lets held flushes go', async () => {
    const desk = startJournalRecorder({ limits: { sessionBytes: 8 * MIB, processBytes: 64 * MIB } });
    const session = await openSession(desk);
    desk.segments.faults.set('refuses');
    release(session, 9 * MIB);
    const heard = flush(session);
    await passes(desk.clock, 8_000);
    expect(heard.told).toBe('nothing');
    desk.segments.faults.set('works');
    await passes(desk.clock, 1_500);
    expect(heard.told).toBe('recorded');
    await session.close(sessionClosed(0));
    await desk.recorder.close();
  });

  test('fills the memory of all sessions together: then all flushes wait', async () => {
    const desk = startJournalRecorder({ limits: { sessionBytes: 8 * MIB, processBytes: 20 * MIB } });
    const sessions = await Promise.all(['s1', 's2', 's3', 's4'].map((id) => openSession(desk, id)));
    desk.segments.faults.set('hangs');
    const heard = sessions.map((session) => {
      release(session, 6 * MIB);
      return flush(session);
    });
    await settled();
    expect(heard.map(({ told }) => told)).toEqual(['nothing', 'nothing', 'nothing', 'nothing']);
    await passes(desk.clock, 11_000);
    expect(heard.every(({ told }) => told instanceof Error)).toBe(true);
  });

  test('makes sessions that hold much put their segments early', async () => {
    const desk = startJournalRecorder({ limits: { sessionBytes: 8 * MIB, processBytes: 8 * MIB } });
    const sessions = await Promise.all(['s1', 's2', 's3'].map((id) => openSession(desk, id)));
    for (const session of sessions) {
      release(session, 2 * MIB);
      await flushed(session);
    }
    await passes(desk.clock, 200);
    expect(segmentNames(desk).length).toBeGreaterThanOrEqual(2);
  });

  test('for half a minute ends the recorder even if no flush waits: content is in one place only', async () => {
    const desk = startJournalRecorder();
    const session = await openSession(desk);
    desk.segments.faults.set('hangs');
    release(session, 10_000);
    await flushed(session);
    await passes(desk.clock, 33_000);
    expect(desk.recorder.failure).toMatchObject({ code: 'ZG030' });
  });
});

describe('staged lines', () => {
  const long = 'x'.repeat(200_000);

  test('stand before the journal names them, and later batches of the session wait behind them', async () => {
    const desk = startJournalRecorder();
    const session = await openSession(desk);
    desk.staging.faults.plan('refuses', 'losesAnswer');
    session.append(judged(1, long));
    const first = flush(session);
    session.append({ type: 'statement.sent', statement: 1 });
    const second = flush(session);
    const other = await openSession(desk, 's2');
    other.append({ type: 'transaction', status: 'I' });
    await flushed(other);
    expect([first.told, second.told]).toEqual(['nothing', 'nothing']);
    await passes(desk.clock, 1_000);
    expect([first.told, second.told]).toEqual(['recorded', 'recorded']);
    expect([...desk.staging.files.keys()]).toEqual(['large/t1/s1/000000000001']);
    expect(journaledEvents(desk, 's1')).toEqual(['session.opened', 'statement.judged', 'statement.sent']);
  });

  test('that cannot be staged fail the flush', async () => {
    const desk = startJournalRecorder();
    const session = await openSession(desk);
    desk.staging.faults.set('hangs');
    session.append(judged(1, long));
    const heard = flush(session);
    await passes(desk.clock, 9_000);
    expect(heard.told).toMatchObject({ code: 'ZG030' });
    expect(journaledEvents(desk, 's1')).toEqual(['session.opened']);
  });
});

describe('the spine', () => {
  test('names within a second how far a recording has come, and which segments are there', async () => {
    const desk = startJournalRecorder();
    const session = await openSession(desk);
    await passes(desk.clock, 1_100);
    release(session, 5 * MIB);
    await flushed(session);
    await passes(desk.clock, 1_100);
    await passes(desk.clock, 3_000);
    const heads = desk.journal
      .records()
      .flatMap(({ record }) =>
        record.kind === 'spine' && record.line.includes('recording.head') ? [JSON.parse(record.line.toString())] : [],
      );
    expect(heads.map(({ events: [head] }) => [head.segment, head.head.batch])).toEqual([
      [0, 0],
      [1, 1],
    ]);
  });

  test('of thousands of sessions is cut into lines that fit', async () => {
    const desk = startJournalRecorder();
    await Promise.all(Array.from({ length: 1_500 }, (_, at) => openSession(desk, `s${at}`)));
    await passes(desk.clock, 1_100);
    await desk.recorder.close();
    expect((await verifyEvidence(memorySource(evidenceOf(desk.journal.records(), desk.segments.files)))).findings).toEqual([]);
  });
});

type Step =
  | { readonly kind: 'flush'; readonly session: number; readonly bytes: number; readonly text: number }
  | { readonly kind: 'close'; readonly session: number }
  | { readonly kind: 'time'; readonly ms: number }
  | { readonly kind: 'fault'; readonly store: 'journal' | 'segments' | 'staging'; readonly behaviour: Behaviour };

const STEP: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('flush' as const),
      session: fc.nat(2),
      bytes: fc.constantFrom(0, 100, 5_000, 3 * MIB),
      text: fc.constantFrom(0, 10, 70_000, 140_000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('close' as const), session: fc.nat(2) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('time' as const), ms: fc.constantFrom(1, 50, 2_100, 7_000) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('fault' as const),
      store: fc.constantFrom('journal' as const, 'segments' as const, 'staging' as const),
      behaviour: fc.constantFrom<Behaviour>('refuses', 'losesAnswer', 'hangs'),
    }),
  },
);

test('whatever was acknowledged is in the journal or a segment, at whatever moment the task dies', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(STEP, { maxLength: 30 }), async (steps) => {
      const desk = startJournalRecorder();
      const sessions = new Map<number, SessionRecorder>();
      /** Per session: how many events are acknowledged, and how many bytes of content. */
      const acknowledged = new Map<string, number>();
      for (const step of steps) {
        if (step.kind === 'time') await passes(desk.clock, step.ms);
        else if (step.kind === 'fault') desk[step.store].faults.plan(step.behaviour);
        else if (desk.recorder.failure === undefined) {
          const id = `s${step.session}`;
          const session = sessions.get(step.session);
          if (step.kind === 'close') {
            if (session === undefined) continue;
            sessions.delete(step.session);
            session.close(sessionClosed(0)).catch(() => undefined);
            await settled();
          } else {
            const recording = session ?? startOrSkip(desk, id);
            if (recording === undefined) continue;
            sessions.set(step.session, recording);
            if (step.bytes > 0) release(recording, step.bytes);
            const events = recording.append(step.text > 0 ? judged(1, 'x'.repeat(step.text)) : { type: 'transaction', status: 'I' }) + 1;
            recording.flush('written', (error) => {
              if (error === undefined) acknowledged.set(id, events);
            });
            if (step.bytes % 2 === 0) await settled();
          }
        }
      }
      // It dies here: only what the stores have is left.
      for (const [id, events] of acknowledged) expect(journaledEvents(desk, id).length).toBeGreaterThanOrEqual(events);
      const sealed = desk.journal.records().flatMap(({ record }) => (record.kind === 'sealed' ? [record] : []));
      for (const { session, segment } of sealed) {
        expect(desk.segments.files.has(`sessions/2026-11-20/${session}/${String(segment).padStart(6, '0')}.seg`)).toBe(true);
      }
      checkNeeded(desk);
    }),
    { numRuns: 120 },
  );
});

/** A session that was used before is not opened again here. */
function startOrSkip(desk: JournalDesk, id: string): SessionRecorder | undefined {
  if (journaledEvents(desk, id).length > 0 || desk.sessions.items.has(id)) return undefined;
  try {
    const session = desk.recorder.open(id);
    session.append(opened(id));
    return session;
  } catch {
    // It is closing still.
    return undefined;
  }
}

/** From `needed` of the last commit on, the journal has every batch that no `sealed` record covers. */
function checkNeeded(desk: JournalDesk): void {
  const needed = desk.journal.commits.at(-1)?.needed ?? 0;
  const next = new Map<string, number>();
  const records = desk.journal.records();
  for (const { record } of records) if (record.kind === 'sealed') next.set(record.session, record.next);
  const count = new Map<string, number>();
  for (const { seq, record } of records) {
    if (record.kind !== 'batch' && record.kind !== 'staged') continue;
    const batch = count.get(record.session) ?? 0;
    count.set(record.session, batch + 1);
    if (batch >= (next.get(record.session) ?? 0)) expect(seq).toBeGreaterThanOrEqual(needed);
  }
}
