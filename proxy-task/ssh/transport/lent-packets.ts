/**
 * Packets as they come in (RFC 4253 §6), opened where they lie: the transport's own way takes new memory for each, and more of it than
 * anything else does. The data of a channel is lent: it holds until the call that hands it over returns.
 */
import type { Client, Connection } from 'ssh2';
import { channelOf, protocolOf, readsDirectly, type Decipher, type Protocol } from '../channel-internals.ts';
import { BLOCK_BYTES, giveBlock, takeBlock } from './memory.ts';

const LENGTH_BYTES = 4;
const TAG_BYTES = 16;
/** What OpenSSH takes too: one command may be long. The transport by itself takes 35,000 bytes. */
const MOST_PACKET_BYTES = BLOCK_BYTES - LENGTH_BYTES - TAG_BYTES;
const LEAST_PADDING_BYTES = 4;
const SSH_MSG_CHANNEL_DATA = 94;
const SSH_MSG_CHANNEL_EXTENDED_DATA = 95;

const lending = new WeakSet<Decipher>();
const followed = new WeakSet<Protocol>();

/** Whether packets of the connection are opened where they lie, so that the memory of its reads may be used again at once. */
export function isLending(connection: Client | Connection): boolean {
  const decipher = protocolOf(connection)?._decipher;
  return decipher !== undefined && lending.has(decipher);
}

/**
 * To be called before the transport is given what came in: from then on its packets are opened where they lie, if its cipher can do
 * so and no packet is half read. Each exchange of keys is followed.
 */
export function lendPackets(connection: Client | Connection): void {
  const protocol = protocolOf(connection);
  const decipher = protocol?._decipher;
  if (protocol === undefined || decipher === undefined || lending.has(decipher) || isMidPacket(decipher)) return;
  const cipher = cipherOf(decipher);
  if (cipher === undefined) return;
  lending.add(decipher);
  if (!followed.has(protocol)) copyForOthers(connection, protocol);
  const reader = new PacketReader(protocol, decipher, cipher, () => lendPackets(connection));
  decipher.decrypt = (data, start, end) => reader.read(data, start, end);
}

/** Channels that are read as streams keep what they are given. */
function copyForOthers(connection: Client | Connection, protocol: Protocol): void {
  followed.add(protocol);
  const handlers = protocol._handlers;
  for (const name of ['CHANNEL_DATA', 'CHANNEL_EXTENDED_DATA'] as const) {
    const hand = handlers[name];
    handlers[name] = (from, recipient, bytes, type) => {
      const channel = channelOf(connection, recipient);
      hand(from, recipient, channel !== undefined && readsDirectly(channel) ? bytes : Buffer.from(bytes), type);
    };
  }
}

type Cipher = {
  /** Of what follows the length, without the tag. */
  packetBytes(length: Buffer): number;
  /** In place. Throws where the tag is not its own. */
  open(packet: Buffer, tag: Buffer): void;
  readonly blockBytes: number;
};

/** Undefined where the transport's own code is all there is: other ciphers, or none of them built for this machine. */
function cipherOf(decipher: Decipher): Cipher | undefined {
  const { _instance: native } = decipher;
  if (native === undefined) return undefined;
  if (decipher._lenBuf !== undefined && native.decryptLen !== undefined) {
    const { decryptLen } = native;
    return {
      packetBytes: (length) => decryptLen.call(native, length, decipher.inSeqno),
      open: (packet, tag) => native.decrypt(packet, tag, decipher.inSeqno),
      blockBytes: 8,
    };
  }
  if (decipher._tag === undefined) return undefined;
  return {
    packetBytes: (length) => length.readUInt32BE(0),
    open: (packet, tag) => native.decrypt(packet, packet.length, tag),
    blockBytes: 16,
  };
}

function isMidPacket({ _lenPos: chacha = 0, _lenBytes: gcm = 0 }: Decipher): boolean {
  return chacha > 0 || gcm > 0;
}

class PacketReader {
  readonly #protocol: Protocol;
  readonly #decipher: Decipher;
  readonly #cipher: Cipher;
  readonly #keysChanged: () => void;
  /** A packet of which only the beginning has come. */
  #part: Buffer | undefined;
  #partBytes = 0;
  /** What is known of it: zero before its length is read. */
  #whole = 0;

  constructor(protocol: Protocol, decipher: Decipher, cipher: Cipher, keysChanged: () => void) {
    this.#protocol = protocol;
    this.#decipher = decipher;
    this.#cipher = cipher;
    this.#keysChanged = keysChanged;
  }

  /** The transport's contract: undefined where all is read, else where somebody else goes on. Throws what ends the connection. */
  read(data: Buffer, start: number, end: number): number | undefined {
    let at = start;
    while (at < end) {
      let packet: Buffer;
      if (this.#partBytes === 0 && end - at >= LENGTH_BYTES && end - at >= this.#measure(data.subarray(at, at + LENGTH_BYTES))) {
        packet = data.subarray(at, at + this.#whole);
        at += this.#whole;
        this.#whole = 0;
        const next = this.#deliver(packet, at);
        if (next !== undefined) return next;
        continue;
      }
      at = this.#keep(data, at, end);
      if (this.#whole === 0 || this.#partBytes < this.#whole) continue;
      const part = this.#part;
      if (part === undefined) throw new Error('a packet without memory');
      packet = part.subarray(0, this.#whole);
      this.#part = undefined;
      this.#partBytes = 0;
      this.#whole = 0;
      try {
        const next = this.#deliver(packet, at);
        if (next !== undefined) return next;
      } finally {
        giveBlock(part);
      }
    }
    return undefined;
  }

  /** Bytes of the whole packet, length and tag included. */
  #measure(length: Buffer): number {
    const bytes = this.#cipher.packetBytes(length);
    if (bytes > MOST_PACKET_BYTES) throw new Error(`Bad packet length: ${bytes}, more than ${MOST_PACKET_BYTES}`);
    if (bytes < this.#cipher.blockBytes || bytes % this.#cipher.blockBytes !== 0) throw new Error(`Bad packet length: ${bytes}`);
    this.#whole = LENGTH_BYTES + bytes + TAG_BYTES;
    return this.#whole;
  }

  /** Takes what belongs to the packet that is being gathered; returns where the rest begins. */
  #keep(data: Buffer, at: number, end: number): number {
    this.#part ??= takeBlock();
    // Behind a length that has been read already where the packet lay.
    const wanted = this.#whole === 0 ? LENGTH_BYTES : this.#whole;
    const bytes = Math.min(wanted - this.#partBytes, end - at);
    this.#part.set(data.subarray(at, at + bytes), this.#partBytes);
    this.#partBytes += bytes;
    if (this.#whole === 0 && this.#partBytes === LENGTH_BYTES) this.#measure(this.#part.subarray(0, LENGTH_BYTES));
    return at + bytes;
  }

  #deliver(packet: Buffer, at: number): number | undefined {
    const decipher = this.#decipher;
    const body = packet.subarray(LENGTH_BYTES, packet.length - TAG_BYTES);
    try {
      this.#cipher.open(body, packet.subarray(packet.length - TAG_BYTES));
    } catch (cause) {
      throw new Error('Bad MAC: the packet is not what the peer sent', { cause });
    }
    decipher.inSeqno = (decipher.inSeqno + 1) >>> 0;
    const padding = body[0] ?? 0;
    const payload = body.subarray(1, body.length - padding);
    if (padding < LEAST_PADDING_BYTES || 1 + padding > body.length) throw new Error('Bad padding');
    const type = payload[0];
    const isLent = type === SSH_MSG_CHANNEL_DATA || type === SSH_MSG_CHANNEL_EXTENDED_DATA;
    // Of anything else the transport keeps parts, of an exchange of keys all.
    const next = decipher._onPayload(isLent ? payload : Buffer.from(payload));
    if (this.#protocol._decipher !== decipher) this.#keysChanged();
    if (next === undefined) return undefined;
    return next === false ? at : next;
  }
}
