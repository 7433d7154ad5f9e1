import { afterEach, expect, test } from 'vitest';
import { loadParser } from '../../../core/statement/sql/parse.ts';
import { OffLoopParser } from '../../../proxy-task/postgres/off-loop-parser.ts';

const timers = {
  after(ms: number, run: () => void) {
    const timer = setTimeout(run, ms);
    return { cancel: () => clearTimeout(timer) };
  },
};
const LONG = `select ${Array.from({ length: 2_000 }, (_, index) => `'value ${index}' as c${index}`).join(', ')}`;

let parser: OffLoopParser | undefined;
afterEach(() => parser?.close());

test('a long text reads off the loop exactly as on it', async () => {
  parser = new OffLoopParser({ clock: timers });
  const here = await loadParser(17);
  expect(await parser.parse(17, LONG)).toEqual(here.parse(LONG));
});

test('each text is read by the grammar of its own major version', async () => {
  parser = new OffLoopParser({ clock: timers });
  const text = 'select system_user';
  const [on15, on16] = await Promise.all([parser.parse(15, text), parser.parse(16, text)]);
  expect(on15).toEqual((await loadParser(15)).parse(text));
  expect(on16).toEqual((await loadParser(16)).parse(text));
  expect(on15).not.toEqual(on16);
});

test('the loop goes on while a text is parsed', async () => {
  parser = new OffLoopParser({ clock: timers });
  await parser.parse(17, 'select 1');
  let turns = 0;
  const parsing = parser.parse(17, LONG);
  const count = () => {
    turns += 1;
    timer = setImmediate(count);
  };
  let timer = setImmediate(count);
  await parsing;
  clearImmediate(timer);
  expect(turns).toBeGreaterThan(5);
});

test('a syntax error is Unjudgeable with its position, and the next text is parsed', async () => {
  parser = new OffLoopParser({ clock: timers });
  expect(await parser.parse(17, 'selec 1')).toMatchObject({ kind: 'unjudgeable', atByte: 0 });
  expect(await parser.parse(17, 'select 1')).toMatchObject({ kind: 'parsed' });
});

test('a text beyond the time limit is refused, and the thread is replaced', async () => {
  const expire: (() => void)[] = [];
  const clock = {
    after(_ms: number, run: () => void) {
      expire.push(run);
      return { cancel: () => undefined };
    },
  };
  parser = new OffLoopParser({ clock, threads: 1 });
  const late = parser.parse(17, LONG);
  const queued = parser.parse(17, 'select 1');
  expire[0]?.();
  expect(await late).toMatchObject({ kind: 'unjudgeable', reason: expect.stringContaining('longer than 5000 ms') });
  expect(await queued).toMatchObject({ kind: 'parsed' });
});

test('a text beyond the memory limit is refused, and the next one is parsed', async () => {
  parser = new OffLoopParser({ clock: timers, threads: 1, heapMiB: 48, timeLimitMs: 60_000 });
  const huge = `select ${Array.from({ length: 300_000 }, () => 'a').join(',')}`;
  expect(await parser.parse(17, huge)).toMatchObject({ kind: 'unjudgeable', reason: expect.stringContaining('memory') });
  expect(await parser.parse(17, 'select 1')).toMatchObject({ kind: 'parsed' });
}, 60_000);

test('a thread that crashes answers Unjudgeable for its text alone', async () => {
  const crashing = new URL(
    `data:text/javascript,${encodeURIComponent(`
      import { parentPort } from 'node:worker_threads';
      parentPort.on('message', ({ number, text }) => {
        if (text === 'crash') throw new Error('crash');
        if (text === 'exit') process.exit(3);
        parentPort.postMessage({ number, json: JSON.stringify({ kind: 'parsed', statements: [] }) });
      });`)}`,
  );
  const pool = new OffLoopParser({ clock: timers, threads: 1, entry: crashing });
  parser = pool;
  const answers = await Promise.all(['crash', 'one', 'exit', 'two'].map((text) => pool.parse(17, text)));
  expect(answers.map((answer) => answer.kind)).toEqual(['unjudgeable', 'parsed', 'unjudgeable', 'parsed']);
});

test('closing answers for everything that is not parsed yet', async () => {
  parser = new OffLoopParser({ clock: timers, threads: 1 });
  const open = [parser.parse(17, LONG), parser.parse(17, 'select 1')];
  parser.close();
  expect((await Promise.all(open)).map((answer) => answer.kind)).toEqual(['unjudgeable', 'unjudgeable']);
  expect(await parser.parse(17, 'select 1')).toMatchObject({ kind: 'unjudgeable' });
});
