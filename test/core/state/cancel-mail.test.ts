import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readCancelMail, withCancel } from '../../../core/state/cancel-mail.ts';
import type { CancelMail } from '../../../core/state/control.ts';

const entry = (id: string, atMs: number) => ({ id, atMs, processId: -5, secretHex: '00ff00ff' });

test('what is over is dropped, what waits stays', () => {
  const held: CancelMail = { entries: [entry('old', 0), entry('new', 1)] };
  expect(withCancel(held, entry('next', 60_000))).toEqual({ entries: [entry('new', 1), entry('next', 60_000)] });
});

test('a full list pushes nothing out', () => {
  let mail: CancelMail = { entries: [] };
  for (let at = 0; ; at += 1) {
    const next = withCancel(mail, entry(`e${at}`, 0));
    if (next === 'full') break;
    mail = next;
  }
  expect(mail.entries).toHaveLength(256);
  expect(mail.entries[0]?.id).toBe('e0');
  // A protocol 3.2 key has 256 bytes at most: the item stays below the 400 KB that DynamoDB takes.
  expect(JSON.stringify(mail).length + 256 * 512).toBeLessThan(380_000);
});

test('what was written is read back', () => {
  const entries = fc.array(
    fc.record({
      id: fc.string(),
      atMs: fc.integer(),
      processId: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
      secretHex: fc.uint8Array({ minLength: 4, maxLength: 256 }).map((bytes) => Buffer.from(bytes).toString('hex')),
    }),
  );
  fc.assert(
    fc.property(entries, (list) => {
      expect(readCancelMail(JSON.parse(JSON.stringify({ entries: list })))).toEqual({ entries: list });
    }),
  );
});

test.each([
  ['nothing', undefined],
  ['no list', { entries: {} }],
  ['a secret that is too short', { entries: [{ ...entry('a', 0), secretHex: '00ff' }] }],
  ['a secret that is no hex', { entries: [{ ...entry('a', 0), secretHex: 'zzzzzzzz' }] }],
  ['one entry that is none', { entries: [entry('a', 0), null] }],
  ['a process id that is no integer', { entries: [{ ...entry('a', 0), processId: 1.5 }] }],
])('%s is no list of cancels', (_what, body) => {
  expect(readCancelMail(body)).toBeUndefined();
});
