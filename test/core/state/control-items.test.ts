import { describe, expect, test } from 'vitest';
import { readLiveSession, readLockList, readMail, readWriter } from '../../../core/state/control-items.ts';

const session = { session: 's', writer: 'w', principal: 'corp/a', target: 'bank', source: '10.0.0.1', openedAtMs: 1, day: '2026-11-20' };
const writer = { writer: 'w', slot: 1, state: 'live', leaseUntilMs: 5, nextSeq: 0, generation: 2, image: 'sha256:x' };
const lock = { subject: 'corp/a', by: 'olga', reason: 'r', lockedAtMs: 1 };
const entry = { id: 'e', atMs: 1, kind: 'end', session: 's', by: 'olga', reason: 'r' };

describe('what another deployable wrote', () => {
  test('is read as it was written', () => {
    expect(readLiveSession(session)).toEqual(session);
    expect(readLiveSession({ ...session, human: 'h', owner: 'o' })).toEqual({ ...session, human: 'h', owner: 'o' });
    expect(readWriter(writer)).toEqual(writer);
    expect(readLockList({ locks: [lock] })).toEqual({ locks: [lock] });
    expect(readMail({ entries: [entry, { ...entry, kind: 'renew', token: 't' }] })?.entries).toHaveLength(2);
  });

  test.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['a list', []],
    ['a text', 'x'],
    ['an empty object', {}],
  ])('%s is none of them', (_, value) => {
    for (const read of [readLiveSession, readLockList, readMail, readWriter]) expect(read(value)).toBeUndefined();
  });

  test('is refused whole where a part of it is wrong', () => {
    expect(readLiveSession({ ...session, openedAtMs: '1' })).toBeUndefined();
    expect(readLiveSession({ ...session, human: 1 })).toBeUndefined();
    expect(readWriter({ ...writer, state: 'gone' })).toBeUndefined();
    expect(readWriter({ ...writer, slot: -1 })).toBeUndefined();
    expect(readLockList({ locks: [lock, { ...lock, by: undefined }] })).toBeUndefined();
    expect(readMail({ entries: [entry, { ...entry, kind: 'restart' }] })).toBeUndefined();
    expect(readMail({ entries: [{ ...entry, kind: 'renew' }] })).toBeUndefined();
  });
});
