import type { Socket } from 'node:net';
import { SallyportError } from '../../core/errors.ts';
import { MalformedMessage } from './messages/malformed-message.ts';

/** The peer closed or the connection broke before the message in hand was there. */
export class ConnectionLost extends SallyportError {
  readonly code = 'connection-lost';
}

/** Anything that delivers bytes to `take` until it is stopped: a socket's data events, or its shared read buffer. */
export type ByteFeed = (take: (chunk: Buffer) => void) => { stop(): void };

/** A typed message of the handshake: small, whole, copied. */
export type HandshakeMessage = { readonly type: string; readonly body: Buffer };

/**
 * Reads a handshake in the order in which it is written: one reader, whole messages, a bound on what is buffered. Not
 * for the data path, which never copies like this.
 */
export class ByteSource {
  readonly #socket: Socket;
  readonly #maxBufferedBytes: number;
  readonly #feed: { stop(): void };
  #buffered: Buffer = Buffer.alloc(0);
  #lost: Error | undefined;
  #wake: (() => void) | undefined;

  constructor(socket: Socket, options: { readonly maxBufferedBytes: number; readonly feed?: ByteFeed }) {
    this.#socket = socket;
    this.#maxBufferedBytes = options.maxBufferedBytes;
    this.#feed = (options.feed ?? dataEvents(socket))((chunk) => this.#take(chunk));
    socket.on('error', this.#onError);
    socket.on('close', this.#onClose);
    socket.on('end', this.#onClose);
    if (socket.destroyed || socket.readableEnded) this.#onClose();
  }

  get bufferedBytes(): number {
    return this.#buffered.length;
  }

  /** The next byte, left in place. Rejects with ConnectionLost. */
  async peekByte(): Promise<number> {
    await this.#atLeast(1);
    return this.#buffered[0] ?? 0;
  }

  /** Rejects with ConnectionLost. */
  async exactly(bytes: number): Promise<Buffer> {
    await this.#atLeast(bytes);
    const taken = this.#buffered.subarray(0, bytes);
    this.#buffered = this.#buffered.subarray(bytes);
    return taken;
  }

  /** The body of a packet without a type byte; `minBytes` and `maxBytes` count its length field too. Rejects with MalformedMessage, ConnectionLost. */
  async packet(minBytes: number, maxBytes: number): Promise<Buffer> {
    const length = (await this.exactly(4)).readInt32BE(0);
    if (length < minBytes || length > maxBytes) throw new MalformedMessage('a startup packet of impossible length');
    return this.exactly(length - 4);
  }

  /** A typed message. Rejects with MalformedMessage, ConnectionLost. */
  async message(maxBodyBytes: number): Promise<HandshakeMessage> {
    const header = await this.exactly(5);
    const bodyBytes = header.readInt32BE(1) - 4;
    if (bodyBytes < 0 || bodyBytes > maxBodyBytes) throw new MalformedMessage('a message of impossible length');
    return { type: String.fromCharCode(header[0] ?? 0), body: await this.exactly(bodyBytes) };
  }

  /** Stops reading, leaves the socket paused, and returns what was read beyond the last message. */
  detach(): Buffer {
    this.#feed.stop();
    this.#socket.pause();
    this.#socket.off('error', this.#onError);
    this.#socket.off('close', this.#onClose);
    this.#socket.off('end', this.#onClose);
    const rest = this.#buffered;
    this.#buffered = Buffer.alloc(0);
    return rest;
  }

  /** Fails the read in hand and all later ones. */
  fail(reason: Error): void {
    this.#lost ??= reason;
    this.#wake?.();
  }

  readonly #onError = (cause: Error): void => this.fail(new ConnectionLost('the connection broke', { cause }));
  readonly #onClose = (): void => this.fail(new ConnectionLost('the peer closed the connection'));

  #take(chunk: Buffer): void {
    if (this.#buffered.length + chunk.length > this.#maxBufferedBytes) {
      // What was dropped leaves a hole, so nothing before it may be read as if the stream went on.
      this.#buffered = Buffer.alloc(0);
      this.#feed.stop();
      this.#socket.pause();
      this.fail(new MalformedMessage('more bytes than a handshake has'));
      return;
    }
    this.#buffered = this.#buffered.length === 0 ? chunk : Buffer.concat([this.#buffered, chunk]);
    this.#wake?.();
  }

  async #atLeast(bytes: number): Promise<void> {
    while (this.#buffered.length < bytes) {
      if (this.#lost !== undefined) throw this.#lost;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
  }
}

/** Data events of a socket without a read buffer of its own. */
function dataEvents(socket: Socket): ByteFeed {
  return (take) => {
    socket.on('data', take);
    socket.resume();
    return { stop: () => socket.off('data', take) };
  };
}
