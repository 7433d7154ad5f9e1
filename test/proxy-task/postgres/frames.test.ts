import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { clientFrameLimits, FrameSplitter, HEADER_BYTES, upstreamFrameLimits } from '../../../proxy-task/postgres/frames.ts';
import { encodeMessage } from '../../../proxy-task/postgres/messages/message-writer.ts';

const LIMITS = clientFrameLimits(100_000);
const CLIENT_TYPES = Array.from('QPBDECHSFdcfXp');
const UPSTREAM_TYPES = Array.from('RKSZTDCIEN123nstAGHWdcVv');

type Seen = { type: string; body: string };

function collector(limits = LIMITS): { splitter: FrameSplitter; seen: Seen[] } {
  const seen: Seen[] = [];
  const splitter = new FrameSplitter({
    limits,
    onFrame: (type, buffer, start, end) => {
      expect(buffer[start - HEADER_BYTES]).toBe(type);
      seen.push({ type: String.fromCharCode(type), body: buffer.toString('hex', start, end) });
    },
  });
  return { splitter, seen };
}

const frames = fc.array(fc.record({ type: fc.constantFrom(...CLIENT_TYPES), body: fc.uint8Array({ maxLength: 60 }) }), { maxLength: 12 });
const wireOf = (list: readonly { type: string; body: Uint8Array }[]): Buffer =>
  Buffer.concat(list.map(({ type, body }) => encodeMessage(type, body)));
const seenOf = (list: readonly { type: string; body: Uint8Array }[]): Seen[] =>
  list.map(({ type, body }) => ({ type, body: Buffer.from(body).toString('hex') }));

describe('any split of the bytes yields the same frames', () => {
  test('wherever it is cut, also where the buffer is used again', () => {
    fc.assert(
      fc.property(frames, fc.array(fc.nat(80), { maxLength: 40 }), (list, cuts) => {
        const { splitter, seen } = collector();
        const wire = wireOf(list);
        const shared = Buffer.alloc(200);
        let at = 0;
        for (let i = 0; at < wire.length; i++) {
          const bytes = Math.min(wire.length - at, (cuts[i % (cuts.length || 1)] ?? 0) + 1);
          wire.copy(shared, 7, at, at + bytes);
          splitter.push(shared, 7, 7 + bytes);
          shared.fill(0xee);
          at += bytes;
        }
        expect(seen).toEqual(seenOf(list));
        expect(splitter.heldBytes).toBe(0);
      }),
    );
  });

  test('byte by byte', () => {
    const { splitter, seen } = collector();
    const list = [
      { type: 'Q', body: Buffer.from('select 1\0') },
      { type: 'S', body: Buffer.alloc(0) },
      { type: 'd', body: Buffer.alloc(70_000, 7) },
    ];
    for (const byte of wireOf(list)) splitter.push(Buffer.from([byte]));
    expect(seen).toEqual(seenOf(list));
  });

  test('with pauses at any frame, and bytes that come while paused', () => {
    fc.assert(
      fc.property(
        frames,
        fc.array(fc.boolean(), { minLength: 1, maxLength: 10 }),
        fc.integer({ min: 1, max: 50 }),
        (list, pauses, step) => {
          const seen: Seen[] = [];
          let passed = 0;
          const splitter = new FrameSplitter({
            limits: LIMITS,
            onFrame: (type, buffer, start, end) => {
              expect(splitter.paused).toBe(false);
              seen.push({ type: String.fromCharCode(type), body: buffer.toString('hex', start, end) });
              if (pauses[passed++ % pauses.length] === true) splitter.pause();
            },
          });
          const wire = wireOf(list);
          for (let at = 0; at < wire.length; at += step) {
            splitter.push(wire, at, Math.min(wire.length, at + step));
            if (at % 3 === 0) splitter.resume();
          }
          while (splitter.heldBytes > 0 || splitter.paused) splitter.resume();
          expect(seen).toEqual(seenOf(list));
        },
      ),
    );
  });

  test('when bytes are pushed while a paused chunk has a rest', () => {
    const seen: string[] = [];
    const splitter = new FrameSplitter({
      limits: LIMITS,
      onFrame: (_type, buffer, start, end) => {
        seen.push(buffer.toString('latin1', start, end));
        if (seen.length > 1) return;
        splitter.pause();
        splitter.push(encodeMessage('Q', Buffer.from('third')));
      },
    });
    splitter.push(Buffer.concat([encodeMessage('Q', Buffer.from('first')), encodeMessage('Q', Buffer.from('second'))]));
    expect(seen).toEqual(['first']);
    splitter.resume();
    expect(seen).toEqual(['first', 'second', 'third']);
  });

  test('when the callback pushes and resumes itself', () => {
    const seen: string[] = [];
    const splitter = new FrameSplitter({
      limits: LIMITS,
      onFrame: (_type, buffer, start, end) => {
        seen.push(buffer.toString('latin1', start, end));
        if (seen.length === 1) {
          splitter.pause();
          splitter.push(encodeMessage('Q', Buffer.from('third')));
          splitter.resume();
        }
      },
    });
    splitter.push(Buffer.concat([encodeMessage('Q', Buffer.from('first')), encodeMessage('Q', Buffer.from('second'))]));
    expect(seen).toEqual(['first', 'second', 'third']);
  });
});

describe('what is no frame is refused before it is kept', () => {
  const header = (type: string, length: number): Buffer => {
    const bytes = Buffer.alloc(HEADER_BYTES);
    bytes.write(type, 'latin1');
    bytes.writeInt32BE(length, 1);
    return bytes;
  };

  test.each([
    ['negative', 'Q', -1],
    ['below its own size', 'Q', 3],
    ['above the limit of statements', 'Q', 100_000 + 64 * 1024 + 5],
    ['above the limit of control messages', 'S', 64 * 1024 + 5],
    ['giant', 'd', 0x7fffffff],
  ])('a length that is %s', (_name, type, length) => {
    const { splitter, seen } = collector();
    expect(() => splitter.push(header(type, length))).toThrow(expect.objectContaining({ code: 'malformed-message' }));
    expect(seen).toEqual([]);
    const cut = collector();
    cut.splitter.push(header(type, length), 0, 4);
    expect(() => cut.splitter.push(header(type, length), 4, 5)).toThrow(expect.objectContaining({ code: 'malformed-message' }));
  });

  test('the largest allowed lengths are taken', () => {
    const { splitter } = collector();
    splitter.push(header('Q', 100_000 + 64 * 1024 + 4));
    expect(splitter.heldBytes).toBe(HEADER_BYTES);
  });

  test('every type byte is either known or refused, in both directions', () => {
    for (const [limits, known] of [
      [LIMITS, CLIENT_TYPES],
      [upstreamFrameLimits(), UPSTREAM_TYPES],
    ] as const) {
      for (let type = 0; type < 256; type++) {
        const { splitter, seen } = collector(limits);
        const frame = Buffer.from([type, 0, 0, 0, 4]);
        if (known.includes(String.fromCharCode(type))) {
          splitter.push(frame);
          expect(seen).toHaveLength(1);
        } else {
          expect(() => splitter.push(frame)).toThrow(expect.objectContaining({ code: 'malformed-message' }));
        }
      }
    }
  });

  test('after an error nothing passes any more', () => {
    const { splitter, seen } = collector();
    expect(() => splitter.push(Buffer.from([0, 0, 0, 0, 4]))).toThrow(expect.objectContaining({ code: 'malformed-message' }));
    expect(() => splitter.push(encodeMessage('S'))).toThrow(expect.objectContaining({ code: 'malformed-message' }));
    expect(seen).toEqual([]);
  });

  test('after an error of the callback nothing passes any more', () => {
    let calls = 0;
    const splitter = new FrameSplitter({
      limits: LIMITS,
      onFrame: () => {
        calls += 1;
        throw new Error('bug');
      },
    });
    expect(() => splitter.push(Buffer.concat([encodeMessage('S'), encodeMessage('S')]))).toThrow('bug');
    expect(() => splitter.push(encodeMessage('S'))).toThrow(expect.objectContaining({ code: 'malformed-message' }));
    expect(calls).toBe(1);
  });

  test('random bytes end in frames or MalformedMessage', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const { splitter } = collector();
        try {
          splitter.push(Buffer.from(bytes));
        } catch (error) {
          expect(error).toMatchObject({ code: 'malformed-message' });
        }
      }),
    );
  });
});

test('a frame inside a chunk is a view on it', () => {
  const chunk = encodeMessage('Q', Buffer.from('x\0'));
  const buffers: Buffer[] = [];
  new FrameSplitter({ limits: LIMITS, onFrame: (_type, buffer) => buffers.push(buffer) }).push(chunk);
  expect(buffers[0]).toBe(chunk);
});

describe('a statement that is too long', () => {
  /** Q and P hold 20 bytes here, all other types what they always hold. */
  const short = LIMITS.slice();
  for (const type of 'QP') short[type.charCodeAt(0)] = 20;

  test('is skipped whole and told once, wherever it is cut, and what follows it is passed', () => {
    fc.assert(
      fc.property(frames, fc.array(fc.boolean(), { minLength: 1, maxLength: 5 }), fc.integer({ min: 1, max: 90 }), (list, pauses, step) => {
        const seen: Seen[] = [];
        let passed = 0;
        const pass = (frame: Seen): void => {
          seen.push(frame);
          if (pauses[passed++ % pauses.length] === true) splitter.pause();
        };
        const splitter = new FrameSplitter({
          limits: short,
          onFrame: (type, buffer, start, end) => pass({ type: String.fromCharCode(type), body: buffer.toString('hex', start, end) }),
          onTooLong: (type) => pass({ type: String.fromCharCode(type), body: 'too long' }),
        });
        const wire = wireOf(list);
        for (let at = 0; at < wire.length; at += step) {
          splitter.push(wire, at, Math.min(wire.length, at + step));
          if (at % 3 === 0) splitter.resume();
        }
        while (splitter.heldBytes > 0 || splitter.paused) splitter.resume();
        expect(seen).toEqual(
          seenOf(list).map((frame, index) => {
            const long = 'QP'.includes(frame.type) && (list[index]?.body.length ?? 0) > 20;
            return long ? { ...frame, body: 'too long' } : frame;
          }),
        );
      }),
    );
  });

  test('is malformed above what PostgreSQL itself takes, and where nobody asks for it', () => {
    const header = Buffer.from([0x51, 0x40, 0, 0, 0]);
    const told: number[] = [];
    const splitter = new FrameSplitter({ limits: short, onFrame: () => undefined, onTooLong: (type) => told.push(type) });
    expect(() => splitter.push(header)).toThrow(/above its limit/);
    expect(() => new FrameSplitter({ limits: short, onFrame: () => undefined }).push(encodeMessage('Q', Buffer.alloc(30)))).toThrow(
      /above its limit/,
    );
    expect(told).toEqual([]);
  });
});
