import { spawn } from 'node:child_process';
import { appendFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { FoundEvent } from '../../../core/evidence/batch.ts';
import { BatchReader } from '../../../core/evidence/batch-reader.ts';
import { findingText } from '../../../core/evidence/findings.ts';
import { RecorderUnavailable } from '../../../core/evidence/recorder.ts';
import { type Verification, verifyEvidence } from '../../../core/evidence/verify.ts';
import { directorySource } from '../../../standalone/evidence/directory-source.ts';
import {
  acknowledged,
  dataRow,
  fakeClock,
  flushed,
  judged,
  opened,
  readFiles,
  recordStatement,
  sessionClosed,
  startRecorder,
  temporaryDirectory,
} from '../../support/evidence.ts';
import { fullDisk } from '../../support/full-disk.ts';

function verify(data: string): Promise<Verification> {
  return verifyEvidence(directorySource(join(data, 'evidence')));
}

function expectSound(result: Verification): void {
  expect(result.findings.map(findingText)).toEqual([]);
  expect([result.intact, result.complete]).toEqual([true, true]);
}

/** Every event of a session that can be read back, over all of its segments. */
function eventsOf(data: string, session: string): FoundEvent[] {
  const events: FoundEvent[] = [];
  for (const [path, bytes] of [...readFiles(join(data, 'evidence'))].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    if (path.includes(`/${session}/`)) new BatchReader({ batch: (batch) => events.push(...batch.events) }).push(bytes);
  }
  return events;
}

describe('recording', () => {
  test('what was flushed is read back in order, with its number and both clocks', async () => {
    const data = temporaryDirectory();
    const recorder = startRecorder(data, 'w1');
    const session = recorder.open('s1');
    expect(session.append(opened('s1'))).toBe(0);
    recordStatement(session, 1, acknowledged);
    await session.close(sessionClosed(1));
    await recorder.close();
    const events = eventsOf(data, 's1');
    expect(events.map(({ type }) => type)).toEqual([
      'session.opened',
      'statement.judged',
      'statement.sent',
      'rows.released',
      'statement.completed',
      'session.closed',
    ]);
    expect(events.map(({ seq }) => seq)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(events[0]).toMatchObject({ at: '2026-11-20T09:00:00.000Z', monoUs: Date.UTC(2026, 10, 20, 9) * 1000 });
    expectSound(await verify(data));
  });

  test('a written flush is acknowledged before flush returns, and its bytes stand in the file by then', () => {
    const data = temporaryDirectory();
    const session = startRecorder(data, 'w1').open('s1');
    session.append(opened('s1'));
    let seen: number | undefined;
    session.flush('written', () => {
      seen = eventsOf(data, 's1').length;
    });
    expect(seen).toBe(1);
  });

  test('acknowledgements come in the order of their flushes, whatever their durability', async () => {
    const session = startRecorder(temporaryDirectory(), 'w1').open('s1');
    session.append(opened('s1'));
    const order: string[] = [];
    session.flush('durable', () => order.push('durable'));
    session.flush('written', () => order.push('written'));
    await flushed(session);
    expect(order).toEqual(['durable', 'written']);
  });

  test('released bytes may be reused by the caller at once', async () => {
    const data = temporaryDirectory();
    const recorder = startRecorder(data, 'w1');
    const session = recorder.open('s1');
    session.append(opened('s1'));
    const shared = Buffer.from('first row');
    session.appendContent(shared, 0, shared.length);
    shared.fill('x');
    await flushed(session);
    await recorder.close();
    expect(readFiles(join(data, 'evidence')).get('sessions/2026-11-20/s1/000000.seg')?.includes('first row')).toBe(true);
  });

  test('a statement that returns more than memory should hold is written before its flush, and still verifies', async () => {
    const data = temporaryDirectory();
    const recorder = startRecorder(data, 'w1');
    const session = recorder.open('s1');
    session.append(opened('s1'));
    const chunk = Buffer.alloc(1024 * 1024, 7);
    for (let count = 0; count < 70; count += 1) session.appendContent(chunk, 0, chunk.length);
    session.append({ type: 'transaction', status: 'I' });
    for (let count = 0; count < 3; count += 1) {
      session.append({ type: 'transaction', status: 'I' });
      await flushed(session);
    }
    await session.close(sessionClosed(0));
    await recorder.close();
    expect(readdirSync(join(data, 'evidence', 'sessions', '2026-11-20', 's1'))).toEqual(['000000.seg', '000001.seg']);
    const result = await verify(data);
    expectSound(result);
    expect(result.bytes).toBeGreaterThan(70 * chunk.length);
  });

  test('a quarter of an hour begins a new segment that continues the chain', async () => {
    const data = temporaryDirectory();
    const clock = fakeClock();
    const recorder = startRecorder(data, 'w1', { clock });
    const session = recorder.open('s1');
    session.append(opened('s1'));
    await flushed(session);
    clock.advance(15 * 60_000 + 1);
    recordStatement(session, 1, acknowledged);
    await session.close(sessionClosed(1));
    await recorder.close();
    expect(eventsOf(data, 's1')).toHaveLength(6);
    expect(readdirSync(join(data, 'evidence', 'sessions', '2026-11-20', 's1'))).toHaveLength(2);
    expectSound(await verify(data));
  });

  test('an event with a key that its schema does not know is refused, not recorded without it', () => {
    const session = startRecorder(temporaryDirectory(), 'w1').open('s1');
    const event = { ...opened('s1'), password: 'secret' };
    expect(() => session.append(event)).toThrow('does not know');
  });

  test('an id that could leave its folder is refused', () => {
    const recorder = startRecorder(temporaryDirectory(), 'w1');
    expect(() => recorder.open('../s1')).toThrow('session id');
  });

  test('a session id that was used before is refused, and the recording under it goes on', async () => {
    const data = temporaryDirectory();
    const recorder = startRecorder(data, 'w1');
    const session = recorder.open('s1');
    expect(() => recorder.open('s1')).toThrow('recorded before');
    session.append(opened('s1'));
    await session.close(sessionClosed(0));
    await recorder.close();
    expectSound(await verify(data));
  });

  test('a writer id that was used before is refused', async () => {
    const data = temporaryDirectory();
    await startRecorder(data, 'w1').close();
    expect(() => startRecorder(data, 'w1')).toThrow(RecorderUnavailable);
  });
});

describe('sealing', () => {
  test('every minute has a checkpoint, also when nothing was recorded', async () => {
    const data = temporaryDirectory();
    const clock = fakeClock();
    const recorder = startRecorder(data, 'w1', { clock });
    const sizes: (number | undefined)[] = [];
    for (let minute = 0; minute < 3; minute += 1) {
      clock.advance(60_000);
      sizes.push((await recorder.seal())?.size);
    }
    expect(sizes.every((size, at) => size !== undefined && size > (sizes[at - 1] ?? 0))).toBe(true);
    await recorder.close();
    expectSound(await verify(data));
  });

  test('a live directory verifies, and names the recording that is open', async () => {
    const data = temporaryDirectory();
    const recorder = startRecorder(data, 'w1');
    const session = recorder.open('s1');
    session.append(opened('s1'));
    recordStatement(session, 1, acknowledged);
    await recorder.seal();
    recordStatement(session, 2, acknowledged);
    const result = await verify(data);
    expectSound(result);
    expect(result.open).toEqual(['s1']);
    expect(result.openWriters).toEqual(['w1']);
    expect(result.uncovered).toBe(1);
  });

  test('a session that is just closing when the recorder closes ends once, as it said', async () => {
    const data = temporaryDirectory();
    const recorder = startRecorder(data, 'w1');
    const sessions = ['s1', 's2', 's3'].map((id) => {
      const session = recorder.open(id);
      session.append(opened(id));
      recordStatement(session, 1, acknowledged);
      return session;
    });
    const closing = sessions.map((session) => session.close(sessionClosed(1)));
    await recorder.close();
    await Promise.allSettled(closing);
    const result = await verify(data);
    expectSound(result);
    expect(result.abnormal).toEqual([]);
  });

  test('a session that is open when the recorder closes is named as abnormal', async () => {
    const data = temporaryDirectory();
    const recorder = startRecorder(data, 'w1');
    const session = recorder.open('s1');
    session.append(opened('s1'));
    await recorder.close();
    const result = await verify(data);
    expectSound(result);
    expect(result.abnormal).toEqual([{ session: 's1', reason: 'the writer closed' }]);
    expect(() => recorder.open('s2')).toThrow(RecorderUnavailable);
  });
});

describe('recovery', () => {
  test('a torn tail is named by the next writer, and left as it is', async () => {
    const data = temporaryDirectory();
    const dead = startRecorder(data, 'w1');
    const session = dead.open('s1');
    session.append(opened('s1'));
    await flushed(session);
    const segment = join(data, 'evidence/sessions/2026-11-20/s1/000000.seg');
    appendFileSync(segment, '{"batch":1,"events":[{"at"');
    appendFileSync(join(data, 'evidence/writers/w1.log'), '{"bat');
    await startRecorder(data, 'w2').close();
    const result = await verify(data);
    expectSound(result);
    expect(result.abnormal).toEqual([{ session: 's1', reason: 'the writer ended without closing' }]);
    appendFileSync(segment, 'x');
    expect((await verify(data)).findings.map(findingText)).toEqual([
      expect.stringContaining('the torn tail is not the one that a later writer named'),
    ]);
  });

  test('a writer that died while it recovered another leaves both to the next', async () => {
    const data = temporaryDirectory();
    const session = startRecorder(data, 'w1').open('s1');
    session.append(opened('s1'));
    await flushed(session);
    startRecorder(data, 'w2');
    await startRecorder(data, 'w3').close();
    const result = await verify(data);
    expectSound(result);
    expect(result.writers).toBe(3);
    expect(result.openWriters).toEqual([]);
  });

  test('everything acknowledged before kill -9 is there after it, and the directory verifies', { timeout: 60_000 }, async () => {
    const data = temporaryDirectory();
    for (const [writer, statements] of [
      ['w1', 40],
      ['w2', 173],
    ] as const) {
      const child = spawn(process.execPath, ['--import', 'tsx', 'test/support/recording-child.ts', data, writer], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let last = 0;
      for await (const line of createInterface({ input: child.stdout })) {
        last = Number(line);
        if (last >= statements) child.kill('SIGKILL');
      }
      const judged = eventsOf(data, `of-${writer}`).filter(({ type }) => type === 'statement.judged');
      expect(last).toBeGreaterThanOrEqual(statements);
      expect(judged.slice(0, last).map(({ statement }) => statement)).toEqual(Array.from({ length: last }, (_, at) => at + 1));
    }
    await startRecorder(data, 'w3').close();
    const result = await verify(data);
    expectSound(result);
    expect(result.abnormal.map(({ session }) => session)).toEqual(['of-w1', 'of-w2']);
  });
});

describe('a disk that fills up', () => {
  test('loses nothing that was acknowledged, refuses what comes after, and goes on when there is room', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1500, max: 9000 }), async (room) => {
        const data = temporaryDirectory();
        const files = fullDisk(1_000_000);
        const recorder = startRecorder(data, 'w1', { files });
        files.room = room;
        const written: number[] = [];
        const refused: unknown[] = [];
        const session = recorder.open('s1');
        session.append(opened('s1'));
        await flushed(session);
        for (let statement = 1; refused.length === 0; statement += 1) {
          let failed = false;
          recordStatement(session, statement, (error) => (error === undefined ? undefined : ((failed = true), refused.push(error))));
          if (!failed) written.push(statement);
        }
        expect(refused.every((error) => error instanceof RecorderUnavailable && error.code === 'ZG030')).toBe(true);
        await expect(flushed(session, 'written')).rejects.toThrow(RecorderUnavailable);
        await expect(session.close(sessionClosed(1))).rejects.toThrow(RecorderUnavailable);
        expect(() => recorder.open('s2')).toThrow(RecorderUnavailable);
        files.room = 1_000_000;
        const next = recorder.open('s3');
        expect(recorder.writerId).toBe('w1-2');
        next.append(opened('s3'));
        await next.close(sessionClosed(0));
        await recorder.close();
        const result = await verify(data);
        expectSound(result);
        expect(result.abnormal).toEqual([{ session: 's1', reason: 'the recorder could not write' }]);
        const completed = eventsOf(data, 's1').filter(({ type }) => type === 'statement.completed');
        expect(completed.map(({ statement }) => statement)).toEqual(written);
      }),
      { numRuns: 25 },
    );
  });

  test('a session that slept through it hears of it at its next flush, whenever that is', async () => {
    const data = temporaryDirectory();
    const files = fullDisk(1_000_000);
    const recorder = startRecorder(data, 'w1', { files });
    const [asleep, awake] = [recorder.open('s1'), recorder.open('s2')];
    asleep.append(opened('s1'));
    await flushed(asleep);
    files.room = 0;
    awake.append(opened('s2'));
    await expect(flushed(awake)).rejects.toThrow(RecorderUnavailable);
    files.room = 1_000_000;
    const next = recorder.open('s3');
    next.append(opened('s3'));
    await next.close(sessionClosed(0));
    expect(recorder.writerId).toBe('w1-2');
    const row = dataRow('1');
    asleep.append(judged(1, 'select 1'));
    asleep.appendContent(row, 0, row.length);
    await expect(flushed(asleep, 'written')).rejects.toThrow(RecorderUnavailable);
    await expect(asleep.close(sessionClosed(1))).rejects.toThrow(RecorderUnavailable);
    await recorder.close();
    expectSound(await verify(data));
  });

  test('a sync that fails ends the writer: nothing is called durable that is not', async () => {
    const data = temporaryDirectory();
    const files = fullDisk(1_000_000);
    const recorder = startRecorder(data, 'w1', { files });
    const session = recorder.open('s1');
    session.append(opened('s1'));
    files.syncFails = true;
    await expect(flushed(session)).rejects.toThrow(RecorderUnavailable);
    await expect(flushed(session, 'written')).rejects.toThrow(RecorderUnavailable);
    files.syncFails = false;
    recorder.open('s2').append(opened('s2'));
    await recorder.close();
    expectSound(await verify(data));
  });

  test('without room for another file, that session is refused and the others go on', async () => {
    const data = temporaryDirectory();
    const files = fullDisk(1_000_000);
    const recorder = startRecorder(data, 'w1', { files });
    const session = recorder.open('s1');
    session.append(opened('s1'));
    files.filesLeft = 0;
    expect(() => recorder.open('s2')).toThrow(RecorderUnavailable);
    recordStatement(session, 1, acknowledged);
    await session.close(sessionClosed(1));
    await recorder.close();
    const result = await verify(data);
    expectSound(result);
    expect(result.abnormal).toEqual([{ session: 's2', reason: 'its file could not be made' }]);
  });

  test('a refused login that cannot be recorded makes the next open throw', () => {
    const files = fullDisk(1_000_000);
    const recorder = startRecorder(temporaryDirectory(), 'w1', { files });
    files.room = 0;
    recorder.recordRefusal({ type: 'session.refused', source: '127.0.0.1:1', label: 'psql', target: 'bank', reason: 'expired' });
    expect(() => recorder.open('s1')).toThrow(RecorderUnavailable);
  });
});
