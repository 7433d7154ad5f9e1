/** One SSH connection as something that can be busy: then whoever writes to its channels waits, so that nothing piles up in memory. */
import type { Client, Connection } from 'ssh2';
import { exchangesKeys, socketOf } from './channel-internals.ts';
import { useBulkCipher } from './transport/bulk-cipher.ts';
import { lendPackets } from './transport/lent-packets.ts';
import { reusePackets } from './transport/sent-packets.ts';

/** Several packets of SSH at once cost one call to the kernel; more would only wait in memory. */
const MAX_UNSENT_BYTES = 256 * 1024;

export class RelayWire {
  readonly #connection: Client | Connection;
  readonly #waiting = new Set<() => void>();
  #gathering = false;

  constructor(connection: Client | Connection) {
    this.#connection = connection;
    const wake = (): void => this.#wake();
    socketOf(connection)?.prependListener('data', () => {
      lendPackets(connection);
      useBulkCipher(connection);
    });
    socketOf(connection)?.on('drain', wake);
    // Both ends say so after each exchange of keys; their types differ.
    (connection as Connection).on('handshake', wake);
  }

  /** A window of the peer's may be gigabytes wide; what the kernel does not take is ours to keep. */
  get isBusy(): boolean {
    const socket = socketOf(this.#connection);
    if (socket === undefined || exchangesKeys(this.#connection)) return true;
    return socket.writableNeedDrain && socket.writableLength >= MAX_UNSENT_BYTES;
  }

  /** Calls back once, when there is room again. */
  whenReady(ready: () => void): void {
    this.#waiting.add(ready);
  }

  /** Gathers what this turn of the event loop still writes into few packets of the network: the transport writes each of its own. */
  gather(): void {
    if (this.#gathering) return;
    const socket = socketOf(this.#connection);
    if (socket === undefined) return;
    this.#gathering = true;
    reusePackets(this.#connection);
    socket.cork();
    setImmediate(() => {
      this.#gathering = false;
      socket.uncork();
      useBulkCipher(this.#connection);
    });
  }

  #wake(): void {
    if (this.isBusy) return;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const ready of waiting) ready();
  }
}
