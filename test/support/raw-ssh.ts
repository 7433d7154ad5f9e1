// Messages of SSH that no client would send, on the connection of one that has logged in (RFC 4254).
import type { Client, Connection, ServerChannel } from 'ssh2';

type Packets = { readonly allocStart: number; alloc(bytes: number): Buffer; finalize(packet: Buffer): Buffer };
type Hidden = {
  readonly _protocol: { readonly _packetRW: { readonly write: Packets }; readonly _cipher: { encrypt(packet: Buffer): void } };
};

export const MSG = {
  GLOBAL_REQUEST: 80,
  CHANNEL_OPEN: 90,
  CHANNEL_OPEN_CONFIRMATION: 91,
  CHANNEL_WINDOW_ADJUST: 93,
  CHANNEL_DATA: 94,
  CHANNEL_EXTENDED_DATA: 95,
  CHANNEL_EOF: 96,
  CHANNEL_CLOSE: 97,
  CHANNEL_REQUEST: 98,
  CHANNEL_SUCCESS: 99,
} as const;

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export function sshText(value: string | Buffer): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  return Buffer.concat([uint32(bytes.length), bytes]);
}

/** Sends one message as it is: all of them in one segment of TCP where they are sent in one turn. */
export function sendRaw(client: Client | Connection, type: number, ...fields: readonly (Buffer | number)[]): void {
  // The fields exist in the version that is installed: the gateway's own test says so.
  const { _packetRW: packets, _cipher: cipher } = (client as unknown as Hidden)._protocol;
  const payload = Buffer.concat([Buffer.of(type), ...fields.map((field) => (typeof field === 'number' ? uint32(field) : field))]);
  const packet = packets.write.alloc(payload.length);
  payload.copy(packet, packets.write.allocStart);
  cipher.encrypt(packets.write.finalize(packet));
}

/** CHANNEL_REQUEST. */
export function request(client: Client, channel: number, type: string, wantReply: boolean, ...fields: readonly (Buffer | number)[]): void {
  sendRaw(client, MSG.CHANNEL_REQUEST, channel, sshText(type), Buffer.of(wantReply ? 1 : 0), ...fields);
}

/** The same from a host, which wants no answer. */
export function serverRequest(channel: ServerChannel, type: string, ...fields: readonly Buffer[]): void {
  // As above.
  const { _client: connection, outgoing } = channel as unknown as {
    readonly _client: Connection;
    readonly outgoing: { readonly id: number };
  };
  sendRaw(connection, MSG.CHANNEL_REQUEST, outgoing.id, sshText(type), Buffer.of(0), ...fields);
}
