/**
 * The terminal modes of a `pty-req` as the client wrote them. The transport's parser begins one byte too late: it takes modes for none,
 * or the request for broken, and ends the connection. Beside channel-internals.ts, held to one version of the package by a test.
 */
import type { Connection } from 'ssh2';
import { protocolOf } from './channel-internals.ts';

type Payloads = { _onPayload: (payload: Buffer) => unknown };

const SSH_MSG_CHANNEL_REQUEST = 98;
/** Message, channel, length of the name, name, whether a reply is wanted. */
const NAME_AT = 5;
const PTY_REQ = Buffer.from('\0\0\0\u0007pty-req', 'latin1');
const TERM_AT = NAME_AT + PTY_REQ.length + 1;
/** Columns, rows, width, height. */
const SIZE_BYTES = 16;
const LENGTH_BYTES = 4;
/** All modes that there are take less. */
const MAX_MODES_BYTES = 4_096;

const asked = new WeakMap<Connection, Buffer>();

/** To be called before the client has authenticated: each exchange of keys takes up who reads its packets. */
export function keepTerminalModes(connection: Connection): void {
  // The field exists in the version that is installed; a test says so.
  const protocol = protocolOf(connection) as unknown as Payloads | undefined;
  if (protocol === undefined) return;
  const read = protocol._onPayload;
  protocol._onPayload = (payload) => {
    if (payload[0] !== SSH_MSG_CHANNEL_REQUEST || !PTY_REQ.equals(payload.subarray(NAME_AT, NAME_AT + PTY_REQ.length)))
      return read(payload);
    const modesAt = placeOfModes(payload);
    if (modesAt === undefined) return read(payload);
    const modes = payload.subarray(modesAt + LENGTH_BYTES);
    asked.set(connection, Buffer.from(modes.subarray(0, MAX_MODES_BYTES)));
    payload.writeUInt32BE(0, modesAt);
    return read(payload.subarray(0, modesAt + LENGTH_BYTES));
  };
}

/** Those of the `pty-req` that is being answered. Too long ones are cut, and as such no modes. */
export function encodedModes(connection: Connection): Buffer {
  const modes = asked.get(connection) ?? Buffer.alloc(0);
  asked.delete(connection);
  return modes;
}

/** Where their length stands, in a request that has all of its fields and nothing else. */
function placeOfModes(payload: Buffer): number | undefined {
  if (payload.length < TERM_AT + LENGTH_BYTES) return undefined;
  const at = TERM_AT + LENGTH_BYTES + payload.readUInt32BE(TERM_AT) + SIZE_BYTES;
  if (payload.length < at + LENGTH_BYTES || payload.length !== at + LENGTH_BYTES + payload.readUInt32BE(at)) return undefined;
  return at;
}
