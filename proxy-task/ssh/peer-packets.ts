/**
 * How small the packets of a peer may be. The transport cuts what it sends to what the peer says it takes at most: one that takes
 * nothing would keep it cutting for ever, and with it every session of this process; one that takes a few bytes would have each of
 * them wrapped in a packet of its own.
 */
import type { Client, Connection } from 'ssh2';
import { protocolOf } from './channel-internals.ts';

/** Every client and server that is known to us takes 16 KiB or more (RFC 4253 §6.1 wants 32 KiB). */
const MIN_PACKET_BYTES = 1_024;
/** SSH_OPEN_CONNECT_FAILED (RFC 4254 §5.1). */
const CONNECT_FAILED = 2;

type Opening = { readonly sender: number; readonly packetSize: number };
type Handlers = {
  CHANNEL_OPEN?: (protocol: unknown, opening: Opening) => void;
  CHANNEL_OPEN_CONFIRMATION?: (protocol: unknown, opening: Opening) => void;
};
type Hidden = { readonly _handlers: Handlers; channelOpenFail(recipient: number, reason: number, description: string): void };

/** A client that opens a channel with packets that are too small is refused that channel. To be called before it may open any. */
export function refuseSmallPackets(connection: Connection): void {
  const protocol = hidden(connection);
  const open = protocol._handlers.CHANNEL_OPEN;
  protocol._handlers.CHANNEL_OPEN = (self, opening) => {
    if (opening.packetSize >= MIN_PACKET_BYTES) open?.(self, opening);
    else protocol.channelOpenFail(opening.sender, CONNECT_FAILED, `packets of less than ${MIN_PACKET_BYTES} bytes`);
  };
}

/** A host that answers with packets that are too small is none: `broken` ends its connection. To be called once it is connected to. */
export function distrustSmallPackets(client: Client, broken: () => void): void {
  const protocol = hidden(client);
  const confirmed = protocol._handlers.CHANNEL_OPEN_CONFIRMATION;
  protocol._handlers.CHANNEL_OPEN_CONFIRMATION = (self, opening) => {
    if (opening.packetSize >= MIN_PACKET_BYTES) confirmed?.(self, opening);
    else broken();
  };
}

function hidden(connection: Client | Connection): Hidden {
  const protocol = protocolOf(connection);
  if (protocol === undefined) throw new Error('the transport has not begun');
  // The fields exist in the version that is installed; a test says so.
  return protocol as unknown as Hidden;
}
