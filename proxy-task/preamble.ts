/** Whom a connection comes from behind a load balancer that rewrites addresses. */
import { BlockList, isIPv6 } from 'node:net';
import { SallyportError } from '../core/errors.ts';
import { ConnectionLost, type ByteSource } from './postgres/byte-source.ts';
import { isLoopback } from './postgres/startup.ts';
import { decodeProxyHeader, PROXY_FIRST_BYTE, PROXY_PREFIX_BYTES, proxyBodyBytes } from './proxy-protocol.ts';

/** A range of addresses is written in a way that is not understood. */
export class RangeInvalid extends SallyportError {
  readonly code = 'range-invalid';
}

/** The addresses of the load balancer, as `10.0.0.0/24`. Throws RangeInvalid. */
export function loadBalancerRanges(cidrs: readonly string[]): BlockList {
  const ranges = new BlockList();
  for (const cidr of cidrs) {
    const [network = '', bits = '', ...rest] = cidr.split('/');
    try {
      if (!/^\d{1,3}$/u.test(bits) || rest.length > 0) throw new Error('no prefix length');
      ranges.addSubnet(network, Number(bits), isIPv6(network) ? 'ipv6' : 'ipv4');
    } catch (cause) {
      throw new RangeInvalid(`"${cidr}" is not a range of addresses such as 10.0.0.0/24`, { cause });
    }
  }
  return ranges;
}

/**
 * The client's address from the header that must come first. A header from anywhere but the load balancer is forged, and one that
 * is missing means that somebody found a way round it: both end the connection without a word.
 */
export function readProxyPreamble(ranges: BlockList): (source: ByteSource, peer: string) => Promise<string> {
  return async (source, peer) => {
    if (!isWithin(ranges, peer)) throw new ConnectionLost('a connection that does not come from the load balancer');
    // A client that speaks first says less than a header has, and waits for an answer.
    if ((await source.peekByte()) !== PROXY_FIRST_BYTE) throw new ConnectionLost('no header of the load balancer');
    const prefix = await source.exactly(PROXY_PREFIX_BYTES);
    const bodyBytes = proxyBodyBytes(prefix);
    if (bodyBytes === undefined) throw new ConnectionLost('no header of the load balancer');
    const header = decodeProxyHeader(prefix, await source.exactly(bodyBytes));
    if (header === undefined) throw new ConnectionLost('a header that the load balancer does not send');
    if (header.kind === 'local') return peer;
    // Loopback is where TLS is not demanded: nobody comes from there through a load balancer.
    if (isLoopback(header.address)) throw new ConnectionLost('a header that names loopback');
    return header.address;
  };
}

function isWithin(ranges: BlockList, peer: string): boolean {
  const address = peer.startsWith('::ffff:') ? peer.slice('::ffff:'.length) : peer;
  return ranges.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}
