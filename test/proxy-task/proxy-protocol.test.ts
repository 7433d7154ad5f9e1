import { connect } from 'node:net';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LISTENER_LIMITS, type Listener } from '../../proxy-task/listener.ts';
import { loadBalancerRanges, readProxyPreamble } from '../../proxy-task/preamble.ts';
import { decodeProxyHeader, PROXY_PREFIX_BYTES, proxyBodyBytes } from '../../proxy-task/proxy-protocol.ts';
import { listenForPostgres } from '../../proxy-task/postgres/listener.ts';
import { encodeStartupMessage } from '../../proxy-task/postgres/messages/startup-packet.ts';
import type { ClientCandidate } from '../../proxy-task/postgres/startup.ts';
import { systemClock } from '../../proxy-task/system-clock.ts';
import { localHeader, proxyHeader, withBody } from '../support/proxy-headers.ts';

const decoded = (whole: Buffer) => decodeProxyHeader(whole.subarray(0, PROXY_PREFIX_BYTES), whole.subarray(PROXY_PREFIX_BYTES));

describe('a header', () => {
  test.each([
    ['of a client over IPv4', proxyHeader('203.0.113.9', { port: 1234 }), { kind: 'proxied', address: '203.0.113.9', port: 1234 }],
    ['of a client over IPv6', proxyHeader('2001:db8::7', { port: 65_535 }), { kind: 'proxied', address: '2001:db8::7', port: 65_535 }],
    [
      'with the id of an endpoint',
      proxyHeader('203.0.113.9', { tlvs: Buffer.from('ea000401aabbcc', 'hex') }),
      { kind: 'proxied', address: '203.0.113.9', port: 50_000 },
    ],
    ['of a health check', localHeader(), { kind: 'local' }],
    ['of a health check that says more', withBody(0x20, 0x11, Buffer.alloc(12)), { kind: 'local' }],
  ])('%s is understood', (_what, header, said) => {
    expect(decoded(header)).toEqual(said);
  });

  test.each([
    ['of version 1', Buffer.from('PROXY TCP4 203.0.113.9 10.0.0.1 1 2\r\n')],
    ['of another version', withBody(0x11, 0x11, Buffer.alloc(12))],
    ['with an unknown command', withBody(0x22, 0x11, Buffer.alloc(12))],
    ['without a transport', withBody(0x21, 0x00, Buffer.alloc(12))],
    ['of UDP', withBody(0x21, 0x12, Buffer.alloc(12))],
    ['of a Unix socket', withBody(0x21, 0x31, Buffer.alloc(216))],
    ['with too few bytes for its addresses', withBody(0x21, 0x21, Buffer.alloc(35))],
    ['that is longer than it says', withBody(0x21, 0x11, Buffer.alloc(13), 12)],
    ['that is shorter than it says', withBody(0x21, 0x11, Buffer.alloc(12), 13)],
  ])('%s is refused', (_what, header) => {
    expect(decoded(header)).toBeUndefined();
  });

  test('that wants more than a kilobyte is refused before a byte of it is kept', () => {
    expect(proxyBodyBytes(withBody(0x21, 0x11, Buffer.alloc(0), 1_025))).toBeUndefined();
    expect(proxyBodyBytes(withBody(0x21, 0x11, Buffer.alloc(0), 1_024))).toBe(1_024);
  });

  test('of any address is read as it was written, and any other bytes never throw', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.ipV4(),
          fc.ipV6().filter((address) => !address.includes('.')),
        ),
        fc.integer({ min: 0, max: 65_535 }),
        (address, port) => {
          const header = decoded(proxyHeader(address, { port }));
          expect(header).toMatchObject({ kind: 'proxied', port });
          if (!address.includes(':')) expect(header).toMatchObject({ address });
        },
      ),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        const whole = Buffer.from(bytes);
        if (whole.length >= PROXY_PREFIX_BYTES) decoded(whole);
        proxyBodyBytes(whole);
      }),
    );
  });
});

describe('behind a load balancer', () => {
  let listener: Listener;
  let refusals: string[];
  let cidrs: readonly string[];

  beforeEach(() => {
    refusals = [];
    cidrs = ['127.0.0.0/8'];
  });
  afterEach(() => listener.stop());

  async function send(...pieces: readonly Buffer[]): Promise<{ readonly outcome: ClientCandidate | undefined; readonly answered: Buffer }> {
    let outcome: ClientCandidate | undefined;
    listener = await listenForPostgres({
      host: '127.0.0.1',
      port: 0,
      limits: LISTENER_LIMITS,
      startup: { timeoutMs: 5_000 },
      clock: systemClock,
      readPreamble: readProxyPreamble(loadBalancerRanges(cidrs)),
      onClient: (candidate) => {
        outcome = candidate;
      },
      onCancel: () => undefined,
      onRefused: ({ source, reason }) => refusals.push(`${source}: ${reason}`),
      onError: (error) => refusals.push(String(error)),
    });
    const client = connect(listener.port, '127.0.0.1');
    const answered: Buffer[] = [];
    client.on('data', (bytes) => answered.push(bytes));
    client.on('error', () => undefined);
    for (const piece of pieces) client.write(piece);
    await new Promise((resolve) => client.once('close', resolve));
    return { outcome, answered: Buffer.concat(answered) };
  }

  const hello = encodeStartupMessage(0, [
    ['user', 'agent'],
    ['database', 'bank'],
  ]);

  test('a client is recorded under its own address, and needs TLS although the balancer is near', async () => {
    const { outcome, answered } = await send(proxyHeader('203.0.113.9'), hello);
    expect(outcome).toBeUndefined();
    expect(answered.toString()).toContain('TLS only');
    expect(refusals.join()).toContain('203.0.113.9');
  });

  test.each([
    ['no header', [hello], 'no header of the load balancer'],
    ['a header of version 1', [Buffer.from('PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n'), hello], 'no header of the load balancer'],
    ['a malformed header', [withBody(0x21, 0x12, Buffer.alloc(12)), hello], 'a header that the load balancer does not send'],
    ['a header that names loopback, where TLS is not demanded', [proxyHeader('127.0.0.1'), hello], 'a header that names loopback'],
    ['a header that names loopback over IPv6', [proxyHeader('::1'), hello], 'a header that names loopback'],
    ['a header that names loopback as IPv4 in IPv6', [proxyHeader('::ffff:7f00:1'), hello], 'a header that names loopback'],
  ])('%s ends the connection without a word', async (_what, pieces, reason) => {
    const { outcome, answered } = await send(...pieces);
    expect(outcome).toBeUndefined();
    expect(answered).toHaveLength(0);
    expect(refusals.join()).toContain(reason);
  });

  test('a header from anywhere else is forged, and ends the connection without a word', async () => {
    cidrs = ['10.0.0.0/24', 'fd00::/8'];
    const { outcome, answered } = await send(proxyHeader('203.0.113.9'), hello);
    expect(outcome).toBeUndefined();
    expect(answered).toHaveLength(0);
    expect(refusals).toEqual(['127.0.0.1: a connection that does not come from the load balancer']);
  });

  test.each(['10.0.0.0', '10.0.0.0/33', '10.0.0/8', 'x/8', '/8', '10.0.0.0/8/8 '])('a range written as "%s" is refused', (cidr) => {
    expect(() => loadBalancerRanges([cidr])).toThrow('10.0.0.0/24');
  });
});
