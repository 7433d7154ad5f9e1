/** Reads of connections to hosts, all into one buffer: Node by itself takes new memory for each. */
import { connect, type Socket } from 'node:net';
import type { Client } from 'ssh2';
import { isLending, lendPackets } from './lent-packets.ts';

/** With what was left of a packet, all of it fits into one block, and into one buffer of the recording. */
const READ_BYTES = 192 * 1024;
/** Whoever reads is done with it before anybody else reads: it is all one call. */
const read = Buffer.allocUnsafeSlow(READ_BYTES);

/** A connection for the transport of `client`, who says it by `data` as any socket does. */
export function connectLent(to: { readonly host: string; readonly port: number }, client: () => Client): Socket {
  const socket = connect({
    ...to,
    noDelay: true,
    onread: {
      buffer: read,
      callback: (bytes) => {
        const chunk = read.subarray(0, bytes);
        lendPackets(client());
        // Until keys are exchanged the transport keeps what it is given.
        socket.emit('data', isLending(client()) ? chunk : Buffer.from(chunk));
        return true;
      },
    },
  });
  return socket;
}
