import { describe, expect, test } from 'vitest';
import { JOURNAL_START } from '../../core/evidence/journal-chain.ts';
import { parseSealedWriter, sealedWriterBody, type SealedWriter } from '../../core/state/sealed-writer.ts';

const POSITION = { nextSeq: 7, prev: 'a'.repeat(64), spine: { batch: 3, hash: 'b'.repeat(64) } };
const through = (state: SealedWriter): SealedWriter | undefined => parseSealedWriter(JSON.parse(JSON.stringify(sealedWriterBody(state))));

describe('the position of a writer', () => {
  test.each<SealedWriter>([
    { position: JOURNAL_START, open: new Map() },
    { position: POSITION, open: new Map([['s1', '2026-11-20']]) },
    { position: POSITION, ended: 'fenced', open: new Map() },
    { position: POSITION, ended: 'closed' },
  ])('is read back as it was written: %j', (state) => expect(through(state)).toEqual(state));

  test('leaves out a list of open recordings that no item can hold', () => {
    const open = new Map(Array.from({ length: 20_000 }, (_, at) => [`s_01M7W4G7B5${at}`, '2026-11-20']));
    expect(through({ position: POSITION, open })).toEqual({ position: POSITION });
  });

  test.each([
    ['nothing', undefined],
    ['no position', {}],
    ['a negative number', { position: { ...POSITION, nextSeq: -1 } }],
    ['a hash that is none', { position: { ...POSITION, prev: 'x' } }],
    ['an end of another kind', { position: POSITION, ended: 'gone' }],
    ['a session that could be a path', { position: POSITION, open: { '../s1': '2026-11-20' } }],
    ['a day that is none', { position: POSITION, open: { s1: 'today' } }],
  ])('is none where it holds %s', (_, body) => expect(parseSealedWriter(body)).toBeUndefined());
});
