import { describe, expect, test } from 'vitest';
import type { Mail, MailEntry } from '../../../core/state/control.ts';
import { posted } from '../../../core/state/mail.ts';

const EMPTY: Mail = { entries: [] };
const end = (session: string, atMs = 0, id = 'e'): MailEntry => ({
  id,
  atMs,
  kind: 'end',
  session,
  by: 'olga@bank.example',
  reason: 'strange',
});
const renew = (session: string, token: string, atMs = 0, id = 'r'): MailEntry => ({ id, atMs, kind: 'renew', session, token });
const after = (mail: Mail, ...entries: readonly MailEntry[]): Mail =>
  entries.reduce((box, entry) => {
    const next = posted(box, entry, entry.atMs);
    if (next === 'full') throw new Error('full');
    return next;
  }, mail);

describe('a mailbox', () => {
  test('keeps what is for different sessions, and an end beside a renewal', () => {
    expect(after(EMPTY, end('s1'), end('s2'), renew('s1', 't')).entries).toEqual([end('s1'), end('s2'), renew('s1', 't')]);
  });

  test('keeps the first end of a session and the last renewal', () => {
    const mail = after(EMPTY, end('s1', 0, 'first'), renew('s1', 'old', 0, 'a'), end('s1', 1, 'second'), renew('s1', 'new', 1, 'b'));
    expect(mail.entries).toEqual([end('s1', 0, 'first'), renew('s1', 'new', 1, 'b')]);
  });

  test('drops what is older than ten minutes', () => {
    expect(after(EMPTY, end('s1'), end('s2', 599_999)).entries).toHaveLength(2);
    expect(after(EMPTY, end('s1'), end('s2', 600_000)).entries).toEqual([end('s2', 600_000)]);
    expect(after(EMPTY, end('s1', 0, 'old'), end('s1', 600_000, 'new')).entries).toEqual([end('s1', 600_000, 'new')]);
  });

  test('is full before it is larger than an item, and has room again later', () => {
    const long = 'x'.repeat(16_384);
    let mail = EMPTY;
    let count = 0;
    for (;;) {
      const next = posted(mail, renew(`s${count}`, long), 0);
      if (next === 'full') break;
      mail = next;
      count += 1;
    }
    expect(count).toBeGreaterThan(10);
    expect(Buffer.byteLength(JSON.stringify(mail))).toBeLessThan(400_000);
    expect(posted(mail, renew('s0', long), 0)).not.toBe('full');
    expect(posted(mail, renew('other', long, 600_000), 600_000)).toEqual({ entries: [renew('other', long, 600_000)] });
  });
});
