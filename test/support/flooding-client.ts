/** A client of SSH that sends any bytes as a packet, and reads or does not read as the test says: what stock clients never do. */
import type { Socket } from 'node:net';
import type { Client } from 'ssh2';
import { sshString } from '../../core/ssh/wire.ts';

export const SSH_MSG = {
  DISCONNECT: 1,
  IGNORE: 2,
  DEBUG: 4,
  KEXINIT: 20,
  USERAUTH_REQUEST: 50,
  GLOBAL_REQUEST: 80,
  CHANNEL_OPEN: 90,
  CHANNEL_WINDOW_ADJUST: 93,
  CHANNEL_DATA: 94,
  CHANNEL_EOF: 96,
  CHANNEL_CLOSE: 97,
  CHANNEL_REQUEST: 98,
} as const;

type Handlers = Record<string, ((...given: readonly unknown[]) => void) | undefined>;
type Transport = {
  readonly _packetRW: {
    readonly write: {
      readonly allocStartKEX: number;
      alloc(bytes: number, whileKeysAreExchanged: boolean): Buffer;
      finalize(packet: Buffer, whileKeysAreExchanged: boolean): Buffer;
    };
  };
  readonly _cipher: { encrypt(packet: Buffer): void };
  readonly _handlers: Handlers;
  /** Ours, while keys are exchanged. */
  readonly _kexinit: unknown;
  rekey(): void;
};

/** What came of an attempt to open a channel. */
export type Opening =
  | { readonly kind: 'opened'; readonly channel: number }
  | { readonly kind: 'refused'; readonly reason: number; readonly text: string };

type OpenOptions = { readonly type?: string; readonly window?: number; readonly packet?: number; readonly rest?: Buffer };

const NOTHING = Buffer.alloc(0);

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export class FloodingClient {
  readonly client: Client;
  readonly socket: Socket;
  /** How many messages of each kind came. */
  readonly heard = new Map<string, number>();
  readonly stderr = new Map<number, string>();
  readonly statuses = new Map<number, number>();
  /** The words of SSH_MSG_DISCONNECT. */
  disconnected: string | undefined;
  /** Whether what channels carry is kept. */
  keep = true;
  receivedBytes = 0;
  closed = false;
  readonly #stdout = new Map<number, Buffer[]>();
  readonly #transport: Transport;
  readonly #openings = new Map<number, (opening: Opening) => void>();

  /** Takes over a client that has logged in: of channels, the package's own part hears nothing any more. */
  constructor(client: Client) {
    // The fields exist in the version that is installed; the gateway holds them to it by a test.
    const { _sock: socket, _protocol: transport } = client as unknown as { readonly _sock: Socket; readonly _protocol: Transport };
    this.client = client;
    this.socket = socket;
    this.#transport = transport;
    client.on('error', () => undefined);
    socket.once('close', () => {
      this.closed = true;
    });
    this.#listen(transport._handlers);
  }

  /** One packet of any payload; numbers below 256 are bytes. */
  send(...parts: readonly (Buffer | number)[]): void {
    const payload = Buffer.concat(parts.map((part) => (typeof part === 'number' ? Buffer.of(part) : part)));
    const { write } = this.#transport._packetRW;
    const packet = write.alloc(payload.length, true);
    payload.copy(packet, write.allocStartKEX);
    this.#transport._cipher.encrypt(write.finalize(packet, true));
  }

  /** Many packets, never more than the socket takes. */
  async flood(times: number, one: (index: number) => void): Promise<void> {
    for (let index = 0; index < times && !this.closed && this.socket.writable; index += 1) {
      one(index);
      if (this.socket.writableNeedDrain) await this.#drained();
    }
  }

  open(id: number, { type = 'session', window = 2_097_152, packet = 32_768, rest = NOTHING }: OpenOptions = {}): Promise<Opening> {
    return new Promise((resolve) => {
      this.#openings.set(id, resolve);
      this.send(SSH_MSG.CHANNEL_OPEN, sshString(type), uint32(id), uint32(window), uint32(packet), rest);
    });
  }

  /** A session channel; its number at the gateway. */
  async session(id: number, window?: number): Promise<number> {
    const opening = await this.open(id, window === undefined ? {} : { window });
    if (opening.kind === 'refused') throw new Error(`the channel was refused: ${opening.text}`);
    return opening.channel;
  }

  /** `channel` is the gateway's number, here and below. */
  request(channel: number, type: string, wantReply: boolean, rest: Buffer = NOTHING): void {
    this.send(SSH_MSG.CHANNEL_REQUEST, uint32(channel), sshString(type), wantReply ? 1 : 0, rest);
  }

  exec(channel: number, command: string): void {
    this.request(channel, 'exec', true, sshString(command));
  }

  adjust(channel: number, bytes: number): void {
    this.send(SSH_MSG.CHANNEL_WINDOW_ADJUST, uint32(channel), uint32(bytes));
  }

  write(channel: number, bytes: Buffer): void {
    this.send(SSH_MSG.CHANNEL_DATA, uint32(channel), sshString(bytes));
  }

  globalRequest(name: string, wantReply: boolean, rest: Buffer = NOTHING): void {
    this.send(SSH_MSG.GLOBAL_REQUEST, sshString(name), wantReply ? 1 : 0, rest);
  }

  /** Begins an exchange of keys; nothing else may be sent until it is over. */
  rekey(): void {
    this.#transport.rekey();
  }

  get exchangesKeys(): boolean {
    return this.#transport._kexinit !== undefined;
  }

  stdout(id: number): string {
    return Buffer.concat(this.#stdout.get(id) ?? []).toString();
  }

  count(name: string): number {
    return this.heard.get(name) ?? 0;
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.socket.off('drain', done);
        this.socket.off('close', done);
        resolve();
      };
      this.socket.on('drain', done);
      this.socket.on('close', done);
    });
  }

  #listen(handlers: Handlers): void {
    const count = (name: string): void => void this.heard.set(name, this.count(name) + 1);
    handlers['DISCONNECT'] = (_, _reason, text) => {
      this.disconnected = String(text);
      this.socket.end();
    };
    handlers['CHANNEL_OPEN_CONFIRMATION'] = (_, info) => {
      // As the package's own parser hands it over.
      const { recipient, sender } = info as { readonly recipient: number; readonly sender: number };
      count('opened');
      this.#openings.get(recipient)?.({ kind: 'opened', channel: sender });
      this.#openings.delete(recipient);
    };
    handlers['CHANNEL_OPEN_FAILURE'] = (_, recipient, reason, text) => {
      count('refused');
      this.#openings.get(Number(recipient))?.({ kind: 'refused', reason: Number(reason), text: String(text) });
      this.#openings.delete(Number(recipient));
    };
    // As above, here and below.
    handlers['CHANNEL_DATA'] = (_, channel, data) => this.#took(Number(channel), data as Buffer);
    handlers['CHANNEL_EXTENDED_DATA'] = (_, channel, data) => {
      const bytes = data as Buffer;
      this.receivedBytes += bytes.length;
      this.stderr.set(Number(channel), (this.stderr.get(Number(channel)) ?? '') + bytes.toString());
    };
    handlers['CHANNEL_REQUEST'] = (_, channel, type, _wantReply, data) => {
      count(String(type));
      if (type === 'exit-status') this.statuses.set(Number(channel), Number(data));
    };
    const counted = ['CHANNEL_SUCCESS', 'CHANNEL_FAILURE', 'CHANNEL_EOF', 'CHANNEL_CLOSE', 'CHANNEL_WINDOW_ADJUST'];
    for (const name of [...counted, 'REQUEST_SUCCESS', 'REQUEST_FAILURE', 'USERAUTH_FAILURE']) handlers[name] = () => count(name);
  }

  #took(id: number, bytes: Buffer): void {
    this.receivedBytes += bytes.length;
    if (!this.keep) return;
    const kept = this.#stdout.get(id) ?? [];
    kept.push(Buffer.from(bytes));
    this.#stdout.set(id, kept);
  }
}
