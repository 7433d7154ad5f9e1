/**
 * Packets of sftp version 3 (draft-ietf-secsh-filexfer-02), with the extensions of OpenSSH's PROTOCOL §4: a length, a type, and
 * for all but the first two a request id.
 */
import { MalformedMessage } from './malformed-message.ts';

export const SFTP_VERSION = 3;

export const FXP = {
  INIT: 1,
  VERSION: 2,
  OPEN: 3,
  CLOSE: 4,
  READ: 5,
  WRITE: 6,
  LSTAT: 7,
  FSTAT: 8,
  SETSTAT: 9,
  FSETSTAT: 10,
  OPENDIR: 11,
  READDIR: 12,
  REMOVE: 13,
  MKDIR: 14,
  RMDIR: 15,
  REALPATH: 16,
  STAT: 17,
  RENAME: 18,
  READLINK: 19,
  SYMLINK: 20,
  STATUS: 101,
  HANDLE: 102,
  DATA: 103,
  NAME: 104,
  ATTRS: 105,
  EXTENDED: 200,
  EXTENDED_REPLY: 201,
} as const;

export const FX = { OK: 0, EOF: 1, NO_SUCH_FILE: 2, PERMISSION_DENIED: 3, FAILURE: 4, OP_UNSUPPORTED: 8 } as const;

/** Flags of OPEN (draft §6.3). */
export const FXF = { READ: 1, WRITE: 2, APPEND: 4, CREAT: 8, TRUNC: 16, EXCL: 32 } as const;
export const KNOWN_FXF = 63;

/** OpenSSH's `SFTP_MAX_MSG_LENGTH`: what follows the length field. Anything longer is no packet. */
export const MAX_PACKET_BYTES = 256 * 1024;
/** What OpenSSH reads or writes at most by one request: the packet less its header. */
export const MAX_DATA_BYTES = MAX_PACKET_BYTES - 1024;
/** draft §6.2. */
export const MAX_HANDLE_BYTES = 256;
/** PATH_MAX of Linux. A longer path is answered with an error, before anybody is asked. */
export const MAX_PATH_BYTES = 4096;

const LENGTH_BYTES = 4;
/** A first buffer for a cut packet: it grows with what arrives, never with what a length promises. */
const FIRST_ASSEMBLY_BYTES = 40 * 1024;

/** A packet whose type byte is at `start`, and its length field before that. The buffer is the callee's to write into. */
export type OnPacket = (buffer: Buffer, start: number, end: number) => void;

/**
 * Cuts a byte stream into packets. One that is whole in its chunk is passed where it is; only a cut one is copied, once. After an
 * error it must not be used again.
 */
export class PacketSplitter {
  readonly #onPacket: OnPacket;
  #assembly: Buffer | undefined;
  #assembled = 0;

  constructor(onPacket: OnPacket) {
    this.#onPacket = onPacket;
  }

  /** Bytes of a packet that is not whole yet. */
  get heldBytes(): number {
    return this.#assembled;
  }

  /** Takes the chunk over. Throws MalformedMessage, and what `onPacket` throws. */
  push(chunk: Buffer): void {
    let at = this.#assembly === undefined ? 0 : this.#assemble(chunk);
    while (chunk.length - at >= LENGTH_BYTES) {
      const end = at + LENGTH_BYTES + packetBytes(chunk, at);
      if (end > chunk.length) break;
      this.#onPacket(chunk, at + LENGTH_BYTES, end);
      at = end;
    }
    if (at < chunk.length) this.#begin(chunk, at);
  }

  #begin(chunk: Buffer, at: number): void {
    const bytes = chunk.length - at;
    this.#assembly = Buffer.allocUnsafeSlow(Math.max(bytes, this.#firstBytes(chunk, at)));
    chunk.copy(this.#assembly, 0, at);
    this.#assembled = bytes;
  }

  #firstBytes(chunk: Buffer, at: number): number {
    if (chunk.length - at < LENGTH_BYTES) return LENGTH_BYTES;
    return Math.min(LENGTH_BYTES + packetBytes(chunk, at), FIRST_ASSEMBLY_BYTES);
  }

  /** Goes on with a cut packet, and passes it once it is whole; where the chunk goes on after it. */
  #assemble(chunk: Buffer): number {
    let at = this.#fill(chunk, 0, LENGTH_BYTES);
    if (this.#assembly === undefined || this.#assembled < LENGTH_BYTES) return at;
    const total = LENGTH_BYTES + packetBytes(this.#assembly, 0);
    at = this.#fill(chunk, at, total);
    if (this.#assembled < total) return at;
    const packet = this.#assembly;
    this.#assembly = undefined;
    this.#assembled = 0;
    this.#onPacket(packet, LENGTH_BYTES, total);
    return at;
  }

  #fill(chunk: Buffer, at: number, total: number): number {
    const bytes = Math.min(chunk.length - at, total - this.#assembled);
    if (bytes <= 0 || this.#assembly === undefined) return at;
    const needed = this.#assembled + bytes;
    if (needed > this.#assembly.length) {
      const larger = Buffer.allocUnsafeSlow(Math.min(total, Math.max(needed, this.#assembly.length * 2, FIRST_ASSEMBLY_BYTES)));
      this.#assembly.copy(larger, 0, 0, this.#assembled);
      this.#assembly = larger;
    }
    chunk.copy(this.#assembly, this.#assembled, at, at + bytes);
    this.#assembled = needed;
    return at + bytes;
  }
}

function packetBytes(buffer: Buffer, at: number): number {
  const bytes = buffer.readUInt32BE(at);
  if (bytes === 0 || bytes > MAX_PACKET_BYTES) throw new MalformedMessage(`an sftp packet of ${bytes} bytes`);
  return bytes;
}
