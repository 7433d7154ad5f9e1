import { describe, expect, test } from 'vitest';
import { asciicast } from '../../../core/evidence/asciicast.ts';
import { play, type Scene } from '../../../core/evidence/play.ts';
import type { RecordedBatch } from '../../../core/evidence/recordings.ts';
import { findChannels, terminalFrames } from '../../../core/evidence/terminal-frames.ts';

type Event = RecordedBatch['events'][number];

const OPENED: Event = { type: 'session.opened', protocol: 'ssh', monoUs: 0 };
const SHELL: Event = {
  type: 'channel.opened',
  channel: 1,
  kind: 'shell',
  columns: 100,
  rows: 30,
  term: 'xterm',
  at: '2026-11-20T09:00:00.500Z',
  monoUs: 1_000_000,
};
const data = (channel: number, stream: string, bytes: number, monoUs = 0): Event => ({
  type: 'channel.data',
  channel,
  stream,
  bytes,
  detected: 0,
  monoUs,
});

async function* batches(...all: Partial<RecordedBatch>[]): AsyncGenerator<RecordedBatch> {
  await Promise.resolve();
  for (const batch of all) yield { events: [], content: Buffer.alloc(0), unkeptBytes: 0, lostBytes: 0, ...batch };
}

async function collected<T>(all: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const each of all) list.push(each);
  return list;
}

async function played(...all: Partial<RecordedBatch>[]): Promise<string[]> {
  const scenes: Scene[] = await collected(play(batches(...all)));
  return scenes.flatMap((scene) =>
    scene.kind === 'data' ? [`${scene.channel} ${scene.stream} ${scene.bytes.toString()} ${scene.missing}`] : [],
  );
}

const SESSION = [
  { events: [OPENED, SHELL, data(1, 'input', 3, 1_500_000)], content: Buffer.from('ls\r') },
  {
    events: [data(1, 'stdout', 9, 1_500_400), { type: 'channel.resized', channel: 1, columns: 90, rows: 20, monoUs: 2_000_000 }],
    content: Buffer.from('\x1b[31mü\r\n'),
  },
  { events: [data(2, 'stdout', 5, 2_100_000)], content: Buffer.from('other') },
  {
    events: [data(1, 'stdout', 26, 2_500_000), { type: 'channel.closed', channel: 1, exitStatus: 3, exitSignal: '', monoUs: 3_000_000 }],
    content: Buffer.from('\x1b]52;c;aGVsbG8=\x07\x1b[6nsafe\r\n'),
  },
] as const;

describe('playing a session on a host', () => {
  test('each channel.data has the bytes that are next, in one batch or over several', async () => {
    const content = Buffer.from('abcdef');
    expect(await played({ events: [OPENED, data(1, 'stdout', 2), data(2, 'stderr', 4)], content })).toEqual([
      '1 stdout ab 0',
      '2 stderr cdef 0',
    ]);
    expect(
      await played({ events: [OPENED], content: Buffer.from('abc') }, { events: [data(1, 'stdout', 5)], content: Buffer.from('de') }),
    ).toEqual(['1 stdout abcde 0']);
  });

  test('bytes that were not kept, or lost, are counted where they were', async () => {
    expect(
      await played(
        { events: [OPENED, data(1, 'stdout', 2)], content: Buffer.from('ab') },
        { events: [data(1, 'stdout', 7)], unkeptBytes: 7 },
        { events: [data(1, 'stdout', 3), data(1, 'stderr', 1)], lostBytes: 4 },
        { events: [data(1, 'stdout', 2)], content: Buffer.from('cd') },
      ),
    ).toEqual(['1 stdout ab 0', '1 stdout  7', '1 stdout  3', '1 stderr  1', '1 stdout cd 0']);
  });

  test('an event that lies about its length takes no more than there is', async () => {
    expect(await played({ events: [OPENED, data(1, 'stdout', 1e12)], content: Buffer.from('ab') })).toEqual([`1 stdout ab ${1e12 - 2}`]);
  });

  test('channels are found with their kind, terminal and output', async () => {
    expect(await findChannels(play(batches(...SESSION)))).toEqual([{ channel: 1, kind: 'shell', isTerminal: true, outputBytes: 35 }]);
  });
});

describe('an asciicast', () => {
  const cast = (version: 2 | 3): Promise<unknown[]> =>
    collected(asciicast(terminalFrames(play(batches(...SESSION)), 1), version, 'a title'));

  test('of version 2 counts seconds from the start', async () => {
    expect(await cast(2)).toEqual([
      { version: 2, width: 100, height: 30, timestamp: 1_795_165_200, title: 'a title', env: { TERM: 'xterm' } },
      [0.5, 'i', 'ls\r'],
      [0.5004, 'o', '\x1b[31mü\r\n'],
      [1, 'r', '90x20'],
      [1.5, 'o', 'safe\r\n'],
    ]);
  });

  test('of version 3 counts from the event before, and ends with the exit status', async () => {
    expect(await cast(3)).toEqual([
      { version: 3, term: { cols: 100, rows: 30, type: 'xterm' }, timestamp: 1_795_165_200, title: 'a title' },
      [0.5, 'i', 'ls\r'],
      [0.0004, 'o', '\x1b[31mü\r\n'],
      [0.4996, 'r', '90x20'],
      [0.5, 'o', 'safe\r\n'],
      [0.5, 'x', '3'],
    ]);
  });

  test('of a channel without a terminal has its line feeds as new lines, and says what is missing', async () => {
    const opened = { type: 'channel.opened', channel: 1, kind: 'exec', monoUs: 0 };
    const frames = terminalFrames(
      play(
        batches(
          { events: [OPENED, opened, data(1, 'stdout', 4)], content: Buffer.from('a\nb\n') },
          { events: [data(1, 'stderr', 9)], unkeptBytes: 9 },
        ),
      ),
      1,
    );
    expect((await collected(asciicast(frames, 3, 't'))).slice(1)).toEqual([
      [0, 'o', 'a\r\nb\r\n'],
      [0, 'o', '\r\n[9 bytes are on record by count and hash only]\r\n'],
    ]);
  });
});
