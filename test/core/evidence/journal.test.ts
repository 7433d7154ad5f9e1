import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NO_BATCH } from '../../../core/evidence/batch.ts';
import { commitHash, decodeRecords, encodeRecords, type JournalRecord } from '../../../core/evidence/journal.ts';

const bytes = fc.uint8Array({ maxLength: 40 }).map((each) => Buffer.from(each));
const session = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_-]{0,20}$/u);
const content = fc.option(bytes, { nil: undefined }).map((each) => (each === undefined ? {} : { content: each }));
const count = fc.nat({ max: 1_000_000 });

const RECORD: fc.Arbitrary<JournalRecord> = fc.oneof(
  fc.record({ kind: fc.constant('spine' as const), line: bytes }),
  fc
    .tuple(fc.record({ kind: fc.constant('batch' as const), session, segment: count, line: bytes }), content)
    .map(([record, more]) => ({ ...record, ...more })),
  fc
    .tuple(
      fc.record({
        kind: fc.constant('staged' as const),
        session,
        segment: count,
        key: fc.string(),
        bytes: count,
        sha256: fc.constant('a'.repeat(64)),
      }),
      content,
    )
    .map(([record, more]) => ({ ...record, ...more })),
  fc.record({ kind: fc.constant('sealed' as const), session, segment: count, next: count }),
);

describe('the records of a commit', () => {
  test('are read back as they were written', () => {
    fc.assert(
      fc.property(fc.array(RECORD, { maxLength: 8 }), (records) => {
        expect(decodeRecords(encodeRecords(records))).toEqual(records);
      }),
    );
  });

  test('are not read where any of them is cut', () => {
    fc.assert(
      fc.property(RECORD, fc.nat(), (record, pick) => {
        const body = encodeRecords([record]);
        const cut = body.subarray(0, 1 + (pick % (body.length - 1)));
        expect(decodeRecords(cut)).toBeUndefined();
      }),
    );
  });

  test.each([
    '{}',
    'x',
    '{"kind":"spine"}',
    '{"kind":"spine","line":-1}',
    '{"kind":"batch","line":0,"session":"s1"}',
    '{"kind":"batch","line":0,"segment":0,"session":"../s1"}',
    '{"kind":"batch","content":1,"line":0,"segment":0,"session":"s1"}',
    '{"kind":"staged","segment":0,"session":"s1","key":"k","bytes":1,"sha256":"short"}',
    '{"kind":"sealed","segment":0,"session":"s1"}',
    '{"kind":"other","segment":0,"session":"s1"}',
  ])('%s is none', (line) => {
    expect(decodeRecords(Buffer.from(`${line}\n`))).toBeUndefined();
  });

  test('are bound to their writer, their place and the commit before', () => {
    const commit = { writer: 't1', seq: 1, prev: NO_BATCH, body: Buffer.from('a') };
    const others = [
      { ...commit, writer: 't2' },
      { ...commit, seq: 2 },
      { ...commit, prev: 'a'.repeat(64) },
      { ...commit, body: Buffer.from('b') },
    ];
    expect(new Set([commit, ...others].map(commitHash)).size).toBe(5);
  });
});
