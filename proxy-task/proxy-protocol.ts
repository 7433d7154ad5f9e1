/**
 * The header that a load balancer puts before a client's first byte (PROXY protocol, version 2: haproxy.org, `proxy-protocol.txt`
 * §2.2). Only what an NLB sends is understood: TCP over IPv4 or IPv6, and LOCAL for its own health checks.
 */
import { SocketAddress } from 'node:net';

export type ProxyHeader =
  /** The load balancer's own connection. */
  { readonly kind: 'local' } | { readonly kind: 'proxied'; readonly address: string; readonly port: number };

/** What every header begins with: no other protocol that is spoken here does. */
export const PROXY_FIRST_BYTE = 0x0d;
/** Signature, command, transport and length. */
export const PROXY_PREFIX_BYTES = 16;

const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
const LOCAL = 0x20;
const PROXY = 0x21;
const TCP_OVER_IPV4 = 0x11;
const TCP_OVER_IPV6 = 0x21;
const IPV4_BYTES = 4;
const IPV6_BYTES = 16;
/** Addresses take 36 bytes; AWS adds the id of an endpoint and a checksum. Far below what a startup may buffer. */
const MAX_BODY_BYTES = 1_024;

/** How many bytes follow these 16; undefined where they do not begin a header, or one that is too long to be honest. */
export function proxyBodyBytes(prefix: Buffer): number | undefined {
  if (prefix.length < PROXY_PREFIX_BYTES || !prefix.subarray(0, SIGNATURE.length).equals(SIGNATURE)) return undefined;
  const bodyBytes = prefix.readUInt16BE(14);
  return bodyBytes > MAX_BODY_BYTES ? undefined : bodyBytes;
}

/** The whole header, in its two parts; undefined where it says nothing that an NLB says. */
export function decodeProxyHeader(prefix: Buffer, body: Buffer): ProxyHeader | undefined {
  if (proxyBodyBytes(prefix) !== body.length) return undefined;
  const [command, transport] = [prefix[12], prefix[13]];
  // What follows is to be skipped, whatever it is.
  if (command === LOCAL) return { kind: 'local' };
  if (command !== PROXY) return undefined;
  if (transport === TCP_OVER_IPV4) return proxied(body, IPV4_BYTES, ipv4);
  if (transport === TCP_OVER_IPV6) return proxied(body, IPV6_BYTES, ipv6);
  return undefined;
}

/** Source address, destination address, source port, destination port, then what is optional. */
function proxied(body: Buffer, addressBytes: number, textOf: (address: Buffer) => string): ProxyHeader | undefined {
  if (body.length < 2 * addressBytes + 4) return undefined;
  return { kind: 'proxied', address: textOf(body.subarray(0, addressBytes)), port: body.readUInt16BE(2 * addressBytes) };
}

function ipv4(address: Buffer): string {
  return address.join('.');
}

/** In the one form of RFC 5952, so that comparisons with texts hold. */
function ipv6(address: Buffer): string {
  const groups = Array.from({ length: IPV6_BYTES / 2 }, (_, at) => address.readUInt16BE(2 * at).toString(16));
  return new SocketAddress({ address: groups.join(':'), family: 'ipv6' }).address;
}
