import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { CancelKeys, taskSlotOf } from '../../../proxy-task/postgres/cancel-keys.ts';
import { CancelThrottle } from '../../../proxy-task/postgres/cancel-throttle.ts';

const keysOf = (taskSlot: number): CancelKeys => new CancelKeys({ taskSlot, macKey: randomBytes(32) });

function issue(keys: CancelKeys, minor: 0 | 2): { session: number; key: { processId: number; secret: Buffer } } {
  const issued = keys.issue(minor);
  if (issued === undefined) throw new Error('no number left');
  return issued;
}

describe('a cancel key', () => {
  test.each([
    [0, 4],
    [2, 32],
  ] as const)('of protocol 3.%i has %i bytes of secret and names its session', (minor, bytes) => {
    const keys = keysOf(0xffff);
    const { session, key } = issue(keys, minor);
    expect(key.secret).toHaveLength(bytes);
    expect(taskSlotOf(key)).toBe(0xffff);
    expect(keys.verify(key)).toBe(session);
    // As it comes back from the wire.
    const processId = Buffer.alloc(4);
    processId.writeInt32BE(key.processId);
    expect(keys.verify({ processId: processId.readInt32BE(), secret: Buffer.from(key.secret) })).toBe(session);
  });

  test('with any bit changed cancels nothing', () => {
    const keys = keysOf(7);
    for (const minor of [0, 2] as const) {
      const { key } = issue(keys, minor);
      for (let bit = 0; bit < key.secret.length * 8; bit++) {
        const secret = Buffer.from(key.secret);
        secret[bit >> 3] = (secret[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(keys.verify({ ...key, secret })).toBeUndefined();
      }
      for (let bit = 0; bit < 32; bit++) expect(keys.verify({ ...key, processId: key.processId ^ (1 << bit) })).toBeUndefined();
    }
  });

  test('of 3.2 cannot be cut to four bytes, nor one of 3.0 made longer', () => {
    const keys = keysOf(7);
    const long = issue(keys, 2).key;
    const short = issue(keys, 0).key;
    expect(keys.verify({ ...long, secret: long.secret.subarray(0, 4) })).toBeUndefined();
    expect(keys.verify({ ...short, secret: Buffer.concat([short.secret, Buffer.alloc(28)]) })).toBeUndefined();
  });

  test('is void when its session ended, also after its number came back', () => {
    const keys = keysOf(1);
    const { session, key } = issue(keys, 2);
    keys.release(session);
    expect(keys.verify(key)).toBeUndefined();
    let again = issue(keys, 2);
    while (again.session !== session) {
      keys.release(again.session);
      again = issue(keys, 2);
    }
    expect(keys.verify(key)).toBeUndefined();
    expect(keys.verify(again.key)).toBe(session);
  });

  test('of another task or process cancels nothing here', () => {
    const keys = keysOf(1);
    issue(keys, 0);
    expect(keys.verify(issue(keysOf(2), 0).key)).toBeUndefined();
    expect(keys.verify(issue(keysOf(1), 0).key)).toBeUndefined();
  });
});

test('65,535 sessions have numbers of their own, and the next has none', () => {
  const keys = keysOf(3);
  const sessions = new Set<number>();
  for (let i = 0; i < 0xffff; i++) sessions.add(issue(keys, 0).session);
  expect(sessions.size).toBe(0xffff);
  expect(keys.issue(0)).toBeUndefined();
  keys.release(4711);
  expect(issue(keys, 0).session).toBe(4711);
});

describe('attempts to cancel', () => {
  const limits = { perAddress: 2, overall: 5, windowMs: 1_000 };
  const clockAt = (): { now: number; monoUs(): number } => ({
    now: 0,
    monoUs() {
      return this.now;
    },
  });

  test('are counted per address, and anew in the next window', () => {
    const clock = clockAt();
    const throttle = new CancelThrottle(clock, limits);
    expect([1, 2, 3].map(() => throttle.allows('10.0.0.1'))).toEqual([true, true, false]);
    expect(throttle.allows('10.0.0.2')).toBe(true);
    clock.now = 1_000_000;
    expect(throttle.allows('10.0.0.1')).toBe(true);
  });

  test('from one /64 of IPv6 count together', () => {
    const throttle = new CancelThrottle(clockAt(), limits);
    expect(['2001:db8::1', '2001:db8:0:0:ffff::2', '2001:db8::3'].map((address) => throttle.allows(address))).toEqual([true, true, false]);
    expect(throttle.allows('2001:db8:0:1::1')).toBe(true);
  });

  test('are bounded over all addresses', () => {
    const throttle = new CancelThrottle(clockAt(), limits);
    const allowed = Array.from({ length: 20 }, (_, i) => throttle.allows(`10.0.1.${i}`));
    expect(allowed.filter(Boolean)).toHaveLength(5);
  });
});
