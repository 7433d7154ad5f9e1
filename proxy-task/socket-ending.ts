import type { Socket } from 'node:net';
import type { Clock } from './ports.ts';

/** How long a peer may take to read the last words before the connection is cut. */
const LINGER_MS = 2_000;

/**
 * Writes the last bytes, closes, and cuts the connection when the peer does not close too. What the peer still sends is
 * read and dropped: closing on unread bytes would reset the connection and lose the last words.
 */
export function endSocket(socket: Socket, lastBytes: Buffer | undefined, clock: Pick<Clock, 'after'>): void {
  if (socket.destroyed) return;
  const timer = clock.after(LINGER_MS, () => socket.destroy());
  socket.once('close', () => timer.cancel());
  socket.on('error', () => socket.destroy());
  if (lastBytes === undefined) socket.end();
  else socket.end(lastBytes);
  socket.resume();
}
