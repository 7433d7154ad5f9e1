import { beforeEach, describe, expect, test } from 'vitest';
import type { JournalCommit } from '../../core/evidence/journal.ts';
import { StateUnavailable } from '../../proxy-task/ports.ts';
import { taskLog, type TaskLog } from '../../proxy-task/task-log.ts';
import { TaskMetrics, timedJournal } from '../../proxy-task/task-metrics.ts';
import { ManualClock } from '../support/manual-clock.ts';

let clock: ManualClock;
let lines: string[];
let log: TaskLog;
const entries = (): Record<string, unknown>[] => lines.map((line) => JSON.parse(line));
beforeEach(() => {
  clock = new ManualClock(1_000_000);
  lines = [];
  log = taskLog(
    (line) => lines.push(line),
    () => clock.now(),
  );
});

describe('the log', () => {
  test('has the words of our own errors and of their causes only the kind', () => {
    log.problem(new StateUnavailable('a budget could not be counted', { cause: new TypeError("value '123-45-6789' of select 1") }));
    expect(entries()).toMatchObject([
      {
        level: 'error',
        error: 'StateUnavailable',
        code: 'state-unavailable',
        message: 'a budget could not be counted',
        cause: { error: 'TypeError' },
      },
    ]);
    expect(lines.join()).not.toContain('123-45-6789');
    expect(lines.join()).toContain('task-log.test.ts');
  });

  test('is one line an entry, whatever is in it', () => {
    log.info('two\nlines');
    log.problem('not even an error');
    expect(lines.every((line) => line.indexOf('\n') === line.length - 1)).toBe(true);
  });

  test('does not drown in a storm of problems, and counts them all', () => {
    for (let at = 0; at < 1_000; at += 1) log.problem(new Error('x'));
    expect(lines).toHaveLength(20);
    clock.advance(1_000);
    log.problem(new Error('x'));
    expect(lines).toHaveLength(21);
    expect(log.takeProblems()).toBe(1_001);
    expect(log.takeProblems()).toBe(0);
  });
});

describe('metrics', () => {
  test('tell the worst second of each minute, in the format that CloudWatch reads from logs', () => {
    let pollAgeMs = 10;
    const metrics = new TaskMetrics({
      instance: 'bank',
      log,
      clock,
      sessions: () => 7,
      pollAgeMs: () => pollAgeMs,
      recorderLagMs: () => 3,
    });
    metrics.refused();
    metrics.refused();
    clock.advance(10_000);
    pollAgeMs = 6_200;
    clock.advance(1_000);
    pollAgeMs = 10;
    clock.advance(49_000);
    const [minute] = entries();
    expect(minute).toMatchObject({ instance: 'bank', Sessions: 7, Refusals: 2, Problems: 0, PollAge: 6_200, RecorderLag: 3 });
    expect(minute).toHaveProperty('EventLoopDelay');
    expect(minute?.['_aws']).toMatchObject({
      Timestamp: 1_060_000,
      CloudWatchMetrics: [{ Namespace: 'Sallyport', Dimensions: [['instance']] }],
    });
    clock.advance(60_000);
    expect(entries()[1]).toMatchObject({ Refusals: 0, PollAge: 10 });
    metrics.stop();
    clock.advance(120_000);
    expect(lines).toHaveLength(2);
  });

  test('know how long a record has been on its way, failed attempts included', async () => {
    const commit: JournalCommit = { writer: 'w', seq: 4, prev: '', hash: '', body: Buffer.alloc(0), needed: 0 };
    let failing = true;
    const journal = timedJournal(
      {
        put: async () => {
          clock.advance(400);
          if (failing) throw new Error('throttled');
          return 'written';
        },
      },
      clock,
    );
    expect(journal.lagMs()).toBe(0);
    await journal.put(commit).catch(() => undefined);
    clock.advance(100);
    expect(journal.lagMs()).toBe(500);
    failing = false;
    await journal.put(commit);
    expect(journal.lagMs()).toBe(900);
    expect(journal.lagMs()).toBe(0);
  });
});
