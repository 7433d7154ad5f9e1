// Headers as a load balancer writes them (PROXY protocol, version 2).
import { BlockList, isIPv6 } from 'node:net';

const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');

/** `tlvs` follow the addresses, as AWS adds the id of an endpoint. */
export function proxyHeader(
  source: string,
  options: { readonly port?: number; readonly tlvs?: Buffer; readonly command?: number } = {},
): Buffer {
  const v6 = isIPv6(source);
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(options.port ?? 50_000, 0);
  ports.writeUInt16BE(5_432, 2);
  const body = Buffer.concat([bytesOf(source), bytesOf(v6 ? '2001:db8::1' : '10.0.0.1'), ports, options.tlvs ?? Buffer.alloc(0)]);
  return withBody(options.command ?? 0x21, v6 ? 0x21 : 0x11, body);
}

export function localHeader(): Buffer {
  return withBody(0x20, 0x00, Buffer.alloc(0));
}

export function withBody(command: number, transport: number, body: Buffer, length = body.length): Buffer {
  const head = Buffer.from([command, transport, length >> 8, length & 0xff]);
  return Buffer.concat([SIGNATURE, head, body]);
}

export function ranges(...cidrs: readonly string[]): BlockList {
  const list = new BlockList();
  for (const cidr of cidrs)
    list.addSubnet(cidr.split('/')[0] ?? '', Number(cidr.split('/')[1]), isIPv6(cidr.split('/')[0] ?? '') ? 'ipv6' : 'ipv4');
  return list;
}

function bytesOf(address: string): Buffer {
  if (!isIPv6(address)) return Buffer.from(address.split('.').map(Number));
  const [head = '', tail] = address.split('::');
  const groups = head === '' ? [] : head.split(':');
  const end = tail === undefined || tail === '' ? [] : tail.split(':');
  while (groups.length + end.length < 8) groups.push('0');
  return Buffer.from([...groups, ...end].flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff]));
}
