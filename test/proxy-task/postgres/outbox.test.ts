import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Outbox } from '../../../proxy-task/postgres/outbox.ts';
import { SinkPool } from '../../../proxy-task/postgres/sink-pool.ts';

/** One thing that goes out: a range of the read buffer, a message of our own, or bytes that are made in the sink. */
const part = fc.record({
  from: fc.constantFrom('shared', 'own', 'sink'),
  bytes: fc.uint8Array({ minLength: 1, maxLength: 40 }),
  times: fc.constantFrom(1, 1, 1, 30, 3000),
});

function fill(outbox: Outbox, shared: Buffer, parts: readonly { from: string; bytes: Uint8Array; times: number }[]): Buffer {
  let at = 0;
  const expected: Buffer[] = [];
  for (const { from, bytes, times } of parts) {
    const message = Buffer.concat(Array.from({ length: times }, () => bytes));
    if (from === 'shared' && at + message.length <= shared.length) {
      message.copy(shared, at);
      outbox.add(shared, at, at + message.length);
      at += message.length;
    } else if (from === 'sink') {
      const { sink } = outbox;
      const start = sink.length;
      sink.append(message);
      outbox.add(sink.bytes, start, sink.length);
    } else outbox.addMessage(message);
    expected.push(message);
  }
  return Buffer.concat(expected);
}

test('what goes out is what was added, in order, although the read buffer and returned sinks are written again', () => {
  const pool = new SinkPool();
  const shared = Buffer.allocUnsafeSlow(256 * 1024);
  fc.assert(
    fc.property(fc.array(fc.array(part, { maxLength: 12 }), { maxLength: 5 }), (batches) => {
      const outbox = new Outbox(pool);
      const sent = batches.map((parts) => {
        const expected = fill(outbox, shared, parts);
        const outgoing = outbox.take(shared);
        shared.fill(0xee);
        return { expected, outgoing };
      });
      // Sinks that are still lent are nobody else's; those that went back may be.
      const next = pool.take();
      next.append(Buffer.alloc(64 * 1024, 0xdd));
      for (const { expected, outgoing } of sent) expect(Buffer.concat(outgoing.pieces).equals(expected)).toBe(true);
      for (const { outgoing } of sent) if (outgoing.sink !== undefined) pool.put(outgoing.sink);
      pool.put(next);
      expect(outboxIsEmpty(outbox)).toBe(true);
    }),
  );
});

function outboxIsEmpty(outbox: Outbox): boolean {
  return outbox.isEmpty && outbox.take().pieces.length === 0;
}

test('a small answer is one piece, and its sink is free again at once', () => {
  const pool = new SinkPool();
  const outbox = new Outbox(pool);
  outbox.addMessage(Buffer.from('before'));
  const { sink } = outbox;
  sink.append(Buffer.from('masked'));
  outbox.add(sink.bytes, 0, sink.length);
  outbox.addMessage(Buffer.from('after'));
  const outgoing = outbox.take();
  expect(outgoing.pieces.map(String)).toEqual(['beforemaskedafter']);
  expect(outgoing.sink).toBeUndefined();
  expect(pool.take()).toBe(sink);
});

test('a sink that a long row made larger is not kept', () => {
  const pool = new SinkPool();
  const sink = pool.take();
  sink.append(Buffer.alloc(1024 * 1024));
  pool.put(sink);
  expect(pool.take()).not.toBe(sink);
});
