/**
 * Packets as they go out (RFC 4253 §6), put together in memory that is used again once the kernel has taken them: the transport's own
 * way takes new memory for each.
 */
import { randomFillSync } from 'node:crypto';
import type { Client, Connection } from 'ssh2';
import { protocolOf, socketOf, type OutgoingCipher, type Protocol } from '../channel-internals.ts';
import { BLOCK_BYTES, giveBlock, takeBlock } from './memory.ts';

const LENGTH_BYTES = 4;
const TAG_BYTES = 16;
const LEAST_PADDING_BYTES = 4;
/** Smaller ones share memory that Node divides anyway. */
const LEAST_BYTES = 2_048;

/** Padding is random (RFC 4253 §6): each byte is used once. */
const padding = Buffer.allocUnsafeSlow(16 * 1024);
let paddingUsed = padding.length;

/** AES-GCM: 4 + 16 + 16 bytes. ChaCha20-Poly1305: 4 + 8 + 16. */
const BLOCK_BYTES_BY_LEAST: ReadonlyMap<number, number> = new Map([
  [36, 16],
  [28, 8],
]);

type Block = { readonly memory: Buffer; used: number; unsent: number };

const reusing = new WeakSet<OutgoingCipher>();

/** Until keys are exchanged again: to be called before packets of data are sent. Other ciphers than the two of our lists are left alone. */
export function reusePackets(connection: Client | Connection): void {
  const protocol = protocolOf(connection);
  const cipher = protocol?._cipher;
  if (protocol === undefined || cipher === undefined || reusing.has(cipher)) return;
  reusing.add(cipher);
  const blockBytes = blockBytesOf(cipher);
  if (blockBytes === undefined) return;
  const memory = new PacketMemory(connection, protocol, cipher, blockBytes);
  cipher.allocPacket = (bytes) => memory.allocate(bytes);
  cipher._onWrite = (packet) => memory.write(packet);
}

/** What a packet without its tag is a multiple of; undefined where the transport's own code is all there is. */
function blockBytesOf(cipher: OutgoingCipher): number | undefined {
  if (cipher._instance === undefined) return undefined;
  // The least packet, its length and its tag tell the two ciphers from each other and from the rest.
  return BLOCK_BYTES_BY_LEAST.get(cipher.allocPacket(1).length);
}

class PacketMemory {
  readonly #connection: Client | Connection;
  readonly #protocol: Protocol;
  readonly #writeElsewhere: (packet: Buffer) => void;
  readonly #blockBytes: number;
  #block: Block | undefined;

  constructor(connection: Client | Connection, protocol: Protocol, cipher: OutgoingCipher, blockBytes: number) {
    this.#connection = connection;
    this.#protocol = protocol;
    this.#writeElsewhere = cipher._onWrite.bind(cipher);
    this.#blockBytes = blockBytes;
  }

  /** A packet with everything but its payload, and room for the tag. */
  allocate(payloadBytes: number): Buffer {
    const least = 1 + payloadBytes + LEAST_PADDING_BYTES;
    const bytes = Math.ceil(least / this.#blockBytes) * this.#blockBytes;
    const packet = this.#take(LENGTH_BYTES + bytes + TAG_BYTES);
    packet.writeUInt32BE(bytes, 0);
    const paddingBytes = bytes - 1 - payloadBytes;
    packet[LENGTH_BYTES] = paddingBytes;
    fillWithPadding(packet, LENGTH_BYTES + 1 + payloadBytes, paddingBytes);
    return packet;
  }

  /** Sends a packet that is encrypted; one of a block comes straight after it was taken. */
  write(packet: Buffer): void {
    const block = this.#block;
    if (block === undefined || packet.buffer !== block.memory.buffer) {
      this.#writeElsewhere(packet);
      return;
    }
    const socket = socketOf(this.#connection);
    if (socket?.writable === true) socket.write(packet, () => this.#sent(block));
    else this.#sent(block);
  }

  #take(bytes: number): Buffer {
    // While keys are exchanged packets wait for the new ones, and no one says when they are sent.
    if (bytes < LEAST_BYTES || bytes > BLOCK_BYTES || this.#protocol._kexinit !== undefined) return Buffer.allocUnsafe(bytes);
    if (this.#block === undefined || this.#block.used + bytes > BLOCK_BYTES) this.#block = { memory: takeBlock(), used: 0, unsent: 0 };
    const block = this.#block;
    const packet = block.memory.subarray(block.used, block.used + bytes);
    block.used += bytes;
    block.unsent += 1;
    return packet;
  }

  #sent(block: Block): void {
    block.unsent -= 1;
    if (block.unsent > 0) return;
    if (this.#block === block) this.#block = undefined;
    giveBlock(block.memory);
  }
}

function fillWithPadding(packet: Buffer, at: number, bytes: number): void {
  if (paddingUsed + bytes > padding.length) {
    randomFillSync(padding);
    paddingUsed = 0;
  }
  padding.copy(packet, at, paddingUsed, paddingUsed + bytes);
  paddingUsed += bytes;
}
