// Evidence that a sealer and a sweeper elsewhere put together: spines in pieces, torn segments, heads before their segments.
import { beforeEach, describe, expect, test } from 'vitest';
import { findingText } from '../../../core/evidence/findings.ts';
import { placeOf, segmentPath, spinePiecePath, tornSegmentPath } from '../../../core/evidence/layout.ts';
import { listRecordings, readRecording, type RecordedBatch } from '../../../core/evidence/recordings.ts';
import type { LostContent, SpineEvent } from '../../../core/evidence/spine.ts';
import { type Verification, verifyEvidence } from '../../../core/evidence/verify.ts';
import { ChainedLines, segmentOf, tornSegmentOf } from '../../support/chained-lines.ts';
import { memorySource, opened } from '../../support/evidence.ts';
import { sealedPieces } from '../../support/sealed-pieces.ts';

const DAY = '2026-11-20';
const SEGMENT = segmentPath(DAY, 's1', 0);
const TORN = tornSegmentPath(DAY, 's1', 1);
const opening = (writer: string): SpineEvent => ({ type: 'writer.opened', writer, boot: 'b', program: '0.1.0', previous: [] });

/** Five batches; 1 and 3 have content. */
function recording(session: string): ChainedLines {
  return new ChainedLines({ kind: 'session', id: session })
    .add([opened(session)])
    .add([{ type: 'transaction', status: 'I' }], Buffer.from('first rows'))
    .add([{ type: 'transaction', status: 'T' }])
    .add([{ type: 'transaction', status: 'I' }], Buffer.from('second rows'))
    .add([{ type: 'transaction', status: 'I' }]);
}

type Body = {
  /** What `recording.sealed` says, where it is not what is true. */
  readonly lost?: LostContent | undefined;
  readonly segment?: number;
  /** Batches whose content is not in the torn segment; its first is batch 2. */
  readonly marked?: readonly number[];
};

const s1 = recording('s1');

/**
 * A task `t1` that died with `s1` open, of which batches 0–1 are in a segment and 2–4 were only in its journal, without the
 * content of 3; and the sweeper that ended it.
 */
function body({ lost = { batches: 1, bytes: 11 }, segment = 1, marked = [1] }: Body = {}): Map<string, Buffer> {
  const task = new ChainedLines({ kind: 'writer', id: 't1' })
    .add([opening('t1')])
    .add([{ type: 'recording.opened', session: 's1', day: DAY }])
    .add([{ type: 'recording.head', session: 's1', segment: 0, head: { batch: 0, hash: firstHash() } }])
    .add([{ type: 'recording.head', session: 's1', segment: 1, head: s1.head }]);
  const { head } = task;
  const sweeper = new ChainedLines({ kind: 'writer', id: 'sweep-1' })
    .add([opening('sweep-1')])
    .add([
      {
        type: 'recording.sealed',
        session: 's1',
        writer: 't1',
        segment,
        head: s1.head,
        ...(lost.batches === 0 ? {} : { lost }),
        abnormal: true,
        reason: 'the writer ended without closing',
      },
      { type: 'writer.fenced', writer: 't1', head },
    ])
    .add([{ type: 'writer.closed', writer: 'sweep-1' }]);
  const files = sealedPieces(
    new Map([
      ['t1', task.lines],
      ['sweep-1', sweeper.lines],
    ]),
    2,
  );
  files.set(SEGMENT, segmentOf(s1.batches.slice(0, 2)));
  files.set(TORN, tornSegmentOf(s1.batches.slice(2), marked));
  return files;
}

function firstHash(): string {
  return new ChainedLines({ kind: 'session', id: 's1' }).add([opened('s1')]).head.hash;
}

let files: Map<string, Buffer>;

beforeEach(() => {
  files = body();
});

const verify = (): Promise<Verification> => verifyEvidence(memorySource(files));

const allPaths = (): string[] => [...files.keys()];

function at(path: string): Buffer {
  const bytes = files.get(path);
  if (bytes === undefined) throw new Error(`no ${path}`);
  return bytes;
}

/** The findings after a change, each with what it is about. */
async function findings(change: () => unknown): Promise<string[]> {
  change();
  const result = await verify();
  return result.findings.map((finding) => `${finding.about}: ${findingText(finding)}`);
}

describe('evidence of a writer that died', () => {
  test('is intact and complete; what was lost is named with the abnormal end', async () => {
    const result = await verify();
    expect(result.findings.map(findingText)).toEqual([]);
    expect(result).toMatchObject({ intact: true, complete: true, batches: 5, events: 5, open: [], openWriters: [], pending: 0 });
    expect(result.abnormal).toEqual([{ session: 's1', reason: 'the writer ended without closing', lost: { batches: 1, bytes: 11 } }]);
  });

  test('names no loss where all content was in the journal', async () => {
    files = body({ lost: { batches: 0, bytes: 0 }, marked: [] });
    const result = await verify();
    expect(result.findings).toEqual([]);
    expect(result.abnormal).toEqual([{ session: 's1', reason: 'the writer ended without closing' }]);
  });

  test('every byte of every piece and segment counts', async () => {
    for (const path of allPaths()) {
      const whole = at(path);
      for (let byte = 0; byte < whole.length; byte += path.startsWith('sessions') ? 1 : 7) {
        const changed = Buffer.from(whole);
        changed.writeUInt8(changed.readUInt8(byte) ^ 1, byte);
        files.set(path, changed);
        const result = await verify();
        expect([path, byte, result.intact && result.complete]).toEqual([path, byte, false]);
      }
      files.set(path, whole);
    }
  });

  test('no file of it can be missing', async () => {
    for (const path of allPaths()) {
      const whole = at(path);
      files.delete(path);
      expect([path, (await verify()).complete]).toEqual([path, false]);
      files.set(path, whole);
    }
  });

  test('no file of it can be cut', async () => {
    for (const path of allPaths()) {
      const whole = at(path);
      for (let bytes = 0; bytes < whole.length; bytes += 1) {
        files.set(path, whole.subarray(0, bytes));
        const result = await verify();
        expect([path, bytes, result.intact && result.complete]).toEqual([path, bytes, false]);
      }
      files.set(path, whole);
    }
  });
});

describe('pieces of a spine', () => {
  const [first, second] = [spinePiecePath('t1', 0), spinePiecePath('t1', 2)];

  test.each<[string, () => unknown, string]>([
    [
      'a gap before the last',
      () => files.delete(first),
      'complete: writers/t1/000000000002.log, byte 0, batch 2, events 2: batches 0–1 are missing',
    ],
    ['the last missing', () => files.delete(second), 'complete: writers/t1/000000000000.log: batch 2 is missing: checkpoints'],
    ['two swapped', () => swap(first, second), 'intact: writers/t1/000000000000.log, byte 0: the piece starts with batch 2, not with'],
    [
      'one renamed',
      () => rename(second, spinePiecePath('t1', 3)),
      'intact: writers/t1/000000000003.log, byte 0: the piece starts with batch 2',
    ],
    [
      'one repeated',
      () => files.set(spinePiecePath('t1', 4), at(second)),
      'intact: writers/t1/000000000004.log, byte 0: the piece starts with',
    ],
    [
      'one that overlaps',
      () => files.set(first, Buffer.concat([at(first), at(second)])),
      'intact: writers/t1/000000000002.log, byte 0, batch 2, event 2: batch 4 should',
    ],
    [
      'an empty one',
      () => files.set(spinePiecePath('t1', 4), Buffer.alloc(0)),
      'intact: writers/t1/000000000004.log: the piece holds no batch',
    ],
    ['a half one', () => files.set(second, at(second).subarray(0, -5)), 'stand behind the last whole batch of the piece'],
    ['junk behind one', () => files.set(second, Buffer.concat([at(second), Buffer.from('x\n')])), 'the line is not that of a batch'],
    [
      'one of another writer',
      () => files.set(first, at(spinePiecePath('sweep-1', 0))),
      'this batch is of writer sweep-1, not of writer t1',
    ],
    [
      'the whole file beside them',
      () => files.set('writers/t1.log', Buffer.concat([at(first), at(second)])),
      'a spine that stands as one file too',
    ],
    [
      'one behind the fence',
      () => files.set(spinePiecePath('t1', 4), later()),
      'the spine goes on behind batch 3, where a later writer ended it',
    ],
  ])('%s is found', async (_, change, expected) => {
    expect((await findings(change)).join('\n')).toContain(expected.replace(', events 2:', ', event 2:'));
  });

  test('as one file they verify too', async () => {
    files.set('writers/t1.log', Buffer.concat([at(first), at(second)]));
    files.delete(first);
    files.delete(second);
    expect((await verify()).findings).toEqual([]);
  });

  /** A fifth batch of `t1` that continues its chain. */
  function later(): Buffer {
    const lines = Buffer.concat([at(first), at(second)])
      .toString()
      .trim()
      .split('\n');
    const chain = new ChainedLines({ kind: 'writer', id: 't1' });
    for (const line of lines) {
      const { events } = JSON.parse(line) as { events: object[] }; // What this test wrote itself.
      chain.add(events);
    }
    chain.add([{ type: 'recording.opened', session: 's9', day: DAY }]);
    return segmentOf(chain.batches.slice(4));
  }
});

describe('a torn segment', () => {
  const wrong = 'no spine says that another writer put this segment together';

  test.each<[string, () => unknown, readonly string[]]>([
    ['missing', () => files.delete(TORN), ['complete: sessions/2026-11-20/s1/000001.torn: the torn segment is missing']],
    [
      'with another number',
      () => rename(TORN, tornSegmentPath(DAY, 's1', 2)),
      ['complete: sessions/2026-11-20/s1/000001.seg: the segment is missing'],
    ],
    [
      'in the middle',
      () => files.set(segmentPath(DAY, 's1', 2), at(SEGMENT)),
      ['intact: sessions/2026-11-20/s1/000002.seg: a torn segment is the last'],
    ],
    [
      'twice',
      () => files.set(tornSegmentPath(DAY, 's1', 2), at(TORN)),
      ['intact: sessions/2026-11-20/s1/000002.torn: a recording has one torn segment'],
    ],
    ['in place of a segment', () => rename(SEGMENT, tornSegmentPath(DAY, 's1', 0)), [wrong]],
    ['that is read as a segment', () => rename(TORN, segmentPath(DAY, 's1', 1)), ['the torn segment is missing']],
    [
      'without batches',
      () => files.set(TORN, Buffer.alloc(0)),
      ['intact: sessions/2026-11-20/s1/000001.torn: the torn segment holds no batch'],
    ],
    [
      'that lost more than was named',
      () => (files = body({ marked: [1], lost: { batches: 1, bytes: 10 } })),
      ['complete: sessions/2026-11-20/s1/000001.torn: the content of 1'],
    ],
    [
      'that lost what nobody named',
      () => (files = body({ lost: { batches: 0, bytes: 0 } })),
      ['complete: sessions/2026-11-20/s1/000001.torn: the content of 1'],
    ],
    [
      'that has what was named as lost',
      () => (files = body({ marked: [] })),
      ['intact: sessions/2026-11-20/s1/000001.torn: the content of 0'],
    ],
    ['whose seal names another number', () => (files = body({ segment: 2 })), [wrong]],
    ['with a mark that says nothing', () => replace(TORN, '\n-\n', '\n*\n'), ['the line does not say whether its content follows']],
    ['whose mark has more in its line', () => replace(TORN, '\n-\n', '\n--'), ['the line does not say whether its content follows']],
    ['with content behind the mark of a loss', () => replace(TORN, '\n-\n', '\n-\nsecond rows\n'), ['the line is not that of a batch']],
    [
      'with a batch behind its end',
      () => files.set(TORN, Buffer.concat([at(TORN), segmentOf(s1.batches.slice(4))])),
      ['repeated or out of order'],
    ],
  ])('%s is found', async (_, change, expected) => {
    const said = (await findings(change)).join('\n');
    for (const each of expected) expect(said).toContain(each);
  });

  test('of a recording that its own writer closed is found', async () => {
    files.set(tornSegmentPath(DAY, 's2', 0), at(TORN));
    expect((await verify()).findings.map(({ what }) => what)).toEqual(['no spine names this recording']);
  });

  test('changed content that it has is found', async () => {
    files = body({ marked: [], lost: { batches: 0, bytes: 0 } });
    expect(await findings(() => replace(TORN, 'second rows', 'second rowz'))).toEqual([
      expect.stringContaining('the content of the batch does not have the hash that its line names'),
    ]);
  });
});

describe('a segment that its writer put just as it was ended', () => {
  const late = segmentPath(DAY, 's1', 1);

  test('may stand beside the torn one, and is named', async () => {
    files.set(late, segmentOf(s1.batches.slice(2, 4)));
    const result = await verify();
    expect(result.findings).toEqual([]);
    expect(result.notes.join()).toContain(`${late} was put by its writer just as it was ended`);
  });

  test.each<[string, () => Buffer, string]>([
    ['another recording', () => segmentOf(recording('s2').batches.slice(2)), 'the batch is not in the torn segment of this number'],
    ['batches of an earlier segment', () => at(SEGMENT), 'the batch is not in the torn segment of this number'],
    ['nothing', () => Buffer.alloc(0), 'the segment beside a torn one holds no batch'],
    [
      'changed content',
      () => Buffer.from(segmentOf(s1.batches.slice(2)).toString().replace('second rows', 'second rowz')),
      'does not have the hash',
    ],
    ['half a batch', () => segmentOf(s1.batches.slice(2)).subarray(0, -5), 'bytes stand behind the last whole batch'],
  ])('with %s is found', async (_, bytes, expected) => {
    expect((await findings(() => files.set(late, bytes()))).join('\n')).toContain(expected);
  });

  test('is played with its content, and what only the torn one has behind it', async () => {
    files.set(late, segmentOf(s1.batches.slice(2, 4)));
    const batches = await played();
    expect(batches.map(({ content }) => content.toString())).toEqual(['', 'first rows', '', 'second rows', '']);
    expect(batches.map(({ lostBytes }) => lostBytes)).toEqual([0, 0, 0, 0, 0]);
  });
});

describe('a recording that is open', () => {
  const spine = (segment: number, key?: string): ChainedLines =>
    new ChainedLines({ kind: 'writer', id: 't1' })
      .add([{ ...opening('t1'), ...(key === undefined ? {} : { key }) }])
      .add([{ type: 'recording.opened', session: 's1', day: DAY }])
      .add([{ type: 'recording.head', session: 's1', segment, head: s1.head }]);
  const live = (segment: number, key?: string): void => {
    files = sealedPieces(new Map([['t1', spine(segment, key).lines]]), 2);
    files.set(SEGMENT, segmentOf(s1.batches.slice(0, 2)));
  };

  test('may have batches that are in a journal only, and they are counted', async () => {
    live(1);
    const result = await verify();
    expect(result.findings).toEqual([]);
    expect(result).toMatchObject({ open: ['s1'], openWriters: ['t1'], pending: 3 });
    expect(result.notes.join()).toContain('not yet in the evidence: 3 batches');
  });

  test('lacks a segment where its spine says that this one is in the evidence', async () => {
    live(2);
    expect(await findings(() => undefined)).toEqual([
      'complete: sessions/2026-11-20/s1/000001.seg: the segment is missing: the spine of t1 names those before 2',
    ]);
    live(1);
    files.delete(SEGMENT);
    expect((await verify()).complete).toBe(false);
  });

  test('has no such grace where its writer seals for itself', async () => {
    live(1, 'a'.repeat(64));
    expect((await findings(() => undefined)).join()).toContain('the recording ends at batch 1, but the spine of t1 names batch 4');
  });

  test('has no such grace when it was closed', async () => {
    const totals = { events: 5, contentBytes: 21, statements: 0, rows: 0, bytes: 0 };
    const closed = spine(1).add([
      { type: 'recording.closed', session: 's1', segment: 1, head: s1.head, abnormal: false, reason: '', ...totals },
    ]);
    files = sealedPieces(new Map([['t1', closed.lines]]), 2);
    files.set(SEGMENT, segmentOf(s1.batches.slice(0, 2)));
    expect((await verify()).complete).toBe(false);
    files.set(segmentPath(DAY, 's1', 1), segmentOf(s1.batches.slice(2)));
    expect((await verify()).findings).toEqual([]);
  });
});

async function played(): Promise<RecordedBatch[]> {
  const source = memorySource(files);
  const [only] = await listRecordings(source);
  const batches: RecordedBatch[] = [];
  if (only !== undefined) for await (const batch of readRecording(source, only)) batches.push(batch);
  return batches;
}

describe('playing', () => {
  test('reads spines in pieces and goes on into the torn segment, which says what was lost', async () => {
    const batches = await played();
    expect(batches.map(({ content }) => content.toString())).toEqual(['', 'first rows', '', '', '']);
    expect(batches.map(({ lostBytes }) => lostBytes)).toEqual([0, 0, 0, 11, 0]);
  });

  test('a recording of which there is only a torn segment is played', async () => {
    files.delete(SEGMENT);
    files.set(tornSegmentPath(DAY, 's1', 0), tornSegmentOf(s1.batches, []));
    expect((await played()).map(({ content }) => content.toString())).toEqual(['', 'first rows', '', 'second rows', '']);
  });
});

test.each([
  ['writers/t1/000000000002.log', { kind: 'spinePiece', writer: 't1', firstBatch: 2 }],
  ['writers/t1.log', { kind: 'writer', writer: 't1' }],
  [TORN, { kind: 'segment', day: DAY, session: 's1', segment: 1, torn: true }],
  [SEGMENT, { kind: 'segment', day: DAY, session: 's1', segment: 0, torn: false }],
  ['writers/t1/2.log', undefined],
  ['writers/t1/000000000002.torn', undefined],
  ['writers//000000000002.log', undefined],
  ['writers/t1/x/000000000002.log', undefined],
  ['sessions/2026-11-20/s1/1.torn', undefined],
])('%s has its place', (path, place) => {
  expect(placeOf(path)).toEqual(place);
});

function swap(one: string, other: string): void {
  const kept = at(one);
  files.set(one, at(other));
  files.set(other, kept);
}

function rename(from: string, to: string): void {
  files.set(to, at(from));
  files.delete(from);
}

function replace(path: string, from: string, to: string): void {
  const text = at(path).toString('latin1');
  expect(text).toContain(from);
  files.set(path, Buffer.from(text.replace(from, to), 'latin1'));
}
