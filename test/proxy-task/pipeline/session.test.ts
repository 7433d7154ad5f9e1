import { beforeEach, describe, expect, test } from 'vitest';
import { PlainPorts, PlainSession } from '../../support/plain-protocol.ts';

let plain: PlainPorts;
let session: PlainSession;
let closed: number;

beforeEach(() => {
  plain = new PlainPorts();
  closed = 0;
  session = new PlainSession({ ...plain.options(), onClosed: () => (closed += 1) });
  session.start();
});

function tickAfter(ms: number): void {
  plain.clock.advance(ms);
  session.tick(plain.clock.now());
}

/** The recording is closed within microtasks. */
const settled = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

describe('a session ends', () => {
  test('with its token at a boundary, and otherwise after the grace, saying that something ran', async () => {
    session.atBoundary = false;
    session.running = true;
    session.busy = true;
    tickAfter(50_000);
    expect(session.left).toBeUndefined();
    tickAfter(4_999);
    expect(session.left).toBeUndefined();
    tickAfter(1);
    expect(session.left?.reason).toBe('expired');
    await settled();
    expect(session.told).toMatchObject({ refusal: { code: '57P01', message: /\(unknown\)$/u }, isRecorded: true });
  });

  test('at the first boundary after its token, not before a newer one', () => {
    session.renew(101_000);
    session.busy = true;
    tickAfter(50_000);
    expect(session.left).toBeUndefined();
    tickAfter(50_000);
    expect(session.left?.reason).toBe('expired');
  });

  test('when it has lasted as long as its target lets it, whatever its token says', () => {
    session.renew(10_000_000);
    session.busy = true;
    tickAfter(99_999);
    expect(session.left).toBeUndefined();
    tickAfter(1);
    expect(session.left?.reason).toBe('expired');
  });

  test('when nothing was heard for too long, unless something is under way', () => {
    session.busy = true;
    tickAfter(20_000);
    expect(session.left).toBeUndefined();
    session.busy = false;
    session.touch();
    tickAfter(19_999);
    expect(session.left).toBeUndefined();
    tickAfter(1);
    expect(session.left?.reason).toBe('idle');
  });

  test('when the state of others is lost; while it is only stale, what waits goes on waiting', async () => {
    plain.view = 'stale';
    tickAfter(1_000);
    expect(session.current).toBe(0);
    plain.view = 'current';
    tickAfter(1_000);
    expect(session.current).toBe(1);
    session.running = true;
    plain.view = 'lost';
    tickAfter(1_000);
    await settled();
    expect(session.told?.refusal).toEqual({ code: '57P01', message: 'the gateway cannot read its state (unknown)' });
    expect(plain.events.at(-1)).toMatchObject({ type: 'session.closed', abnormal: true });
  });

  test('when an operator says so, with whether something ran', async () => {
    session.running = true;
    plain.endedByOperator?.('olga', 'left the company');
    await settled();
    expect(session.told?.refusal).toEqual({ code: 'ZG020', message: 'olga: left the company (unknown)' });
    expect(plain.endedByOperator).toBeUndefined();
  });

  test('at its next boundary when the gateway stops', () => {
    session.atBoundary = false;
    session.drain();
    expect(session.left).toBeUndefined();
    session.atBoundary = true;
    session.drain();
    expect(session.left?.reason).toBe('drained');
  });

  test('once, and the first reason stands', async () => {
    session.end(undefined, 'first', false);
    session.end(undefined, 'second', true);
    session.endUnrecorded('third');
    await settled();
    expect(plain.events.filter(({ type }) => type === 'session.closed')).toEqual([
      { type: 'session.closed', reason: 'first', abnormal: false, statements: 0, rows: 0, bytes: 0 },
    ]);
    expect(closed).toBe(1);
  });
});

describe('the end of a session', () => {
  test('is told once it is on record', async () => {
    let close = (): void => undefined;
    plain.closing = new Promise((resolve) => {
      close = resolve;
    });
    session.end({ code: '57P01', message: 'bye' }, 'over', false);
    expect(plain.events.slice(-2).map(({ type }) => type)).toEqual(['error', 'session.closed']);
    await settled();
    expect(session.told).toBeUndefined();
    close();
    await settled();
    expect(session.told).toEqual({ refusal: { code: '57P01', message: 'bye' }, isRecorded: true });
    expect(closed).toBe(1);
  });

  test('that cannot be recorded is told as that, and nothing that waited for its record goes out', async () => {
    plain.recorderFails = true;
    session.end({ code: '57P01', message: 'bye' }, 'over', false);
    await settled();
    expect(session.told).toEqual({ refusal: { code: 'ZG030', message: 'unrecorded (unknown)' }, isRecorded: false });
    expect(closed).toBe(1);
    expect(plain.errors).toEqual([]);
  });

  test('by a recorder that fails waits for nothing of that recorder', () => {
    plain.closing = new Promise(() => undefined);
    session.endUnrecorded('no room');
    expect(session.left).toEqual({ reason: 'no room', canRecord: false });
    expect(session.told).toEqual({ refusal: { code: 'ZG030', message: 'unrecorded (no)' }, isRecorded: false });
  });

  test('by a recorder that fails says what an unrecorded answer makes of it', () => {
    session.endUnrecorded('no room', 'unknown');
    expect(session.told?.refusal?.message).toBe('unrecorded (unknown)');
  });
});
