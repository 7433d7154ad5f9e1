/**
 * What the SSH transport has but its package does not offer: messages that it sends only in some states of its streams, and the
 * state of its connection. One place, held to one version of the package by a test.
 */
import type { Socket } from 'node:net';
import { Duplex, Readable } from 'node:stream';
import type { Channel, Client, Connection, Session } from 'ssh2';
import { writeExitSignal, writeSignal } from './signal-messages.ts';

type Packets = {
  readonly allocStart: number;
  readonly allocStartKEX: number;
  alloc(bytes: number, duringKeyExchange?: boolean): Buffer;
  finalize(packet: Buffer, duringKeyExchange?: boolean): Buffer;
};

/** What opens packets; ours to replace once keys are exchanged. Which fields there are tells the cipher. */
export type Decipher = {
  inSeqno: number;
  decrypt(data: Buffer, start: number, end: number): number | undefined;
  /** What the transport reads next, or false where its keys have changed; undefined where it goes on. */
  _onPayload(payload: Buffer): number | false | undefined;
  /** The cipher built for this machine. */
  readonly _instance:
    | { decrypt(packet: Buffer, ...more: readonly unknown[]): void; readonly decryptLen?: (length: Buffer, packetNumber: number) => number }
    | undefined;
  /** ChaCha20-Poly1305 encrypts the length; so much of it has come. */
  readonly _lenBuf?: Buffer;
  readonly _lenPos?: number;
  /** AES-GCM. */
  readonly _tag?: Buffer;
  readonly _lenBytes?: number;
};

export type OutgoingCipher = {
  allocPacket(payloadBytes: number): Buffer;
  encrypt(packet: Buffer): void;
  _onWrite(packet: Buffer): void;
  readonly _instance: unknown;
};

type NameList = { readonly array: readonly string[] };
type Direction = { readonly cipher: NameList; readonly mac: NameList; readonly compress: NameList; readonly lang: NameList };

/** The algorithms of one end, for its next exchange of keys. */
export type Offer = {
  readonly constructor: unknown;
  readonly lists: { readonly kex: NameList; readonly serverHostKey: NameList; readonly cs: Direction; readonly sc: Direction };
};

type DataHandler = (protocol: unknown, recipient: number, bytes: Buffer, type?: number) => void;

export type Protocol = {
  authPK: (
    username: string,
    key: unknown,
    algorithm: string | undefined,
    sign?: (data: Buffer, done: (signature: Buffer) => void) => void,
  ) => void;
  readonly _authsQueue: string[];
  readonly _kex: {
    readonly sessionID: Buffer;
    readonly negotiated: { readonly cs: { readonly cipher: string }; readonly sc: { readonly cipher: string } };
  };
  _offer: Offer;
  rekey(): void;
  /** Ours, while keys are exchanged. */
  readonly _kexinit: unknown;
  readonly _packetRW: { readonly write: Packets };
  readonly _cipher: OutgoingCipher;
  readonly _decipher: Decipher | undefined;
  readonly _handlers: { CHANNEL_DATA: DataHandler; CHANNEL_EXTENDED_DATA: DataHandler };
  exitStatus(channel: number, status: number): void;
  windowChange(channel: number, rows: number, columns: number, height: number, width: number): void;
};

type HiddenConnection = { readonly _sock: Socket | undefined; readonly _protocol: Protocol | undefined };

type HiddenChannel = {
  readonly incoming: { readonly window: number; readonly state: string };
  readonly outgoing: { readonly id: number; readonly state: string };
  _chunk: Buffer | undefined;
  _chunkcb: unknown;
  _chunkErr: Buffer | undefined;
  _chunkcbErr: unknown;
  eof(): void;
};

/** SSH_DISCONNECT_BY_APPLICATION (RFC 4253 §11.1). */
export const BY_APPLICATION = 11;
const SSH_MSG_DISCONNECT = 1;
const MAX_DESCRIPTION_BYTES = 1_024;

function hidden(connection: Client | Connection): HiddenConnection {
  // The fields exist in the version that is installed; a test says so.
  return connection as unknown as HiddenConnection;
}

function hiddenChannel(channel: Channel): HiddenChannel {
  // As above.
  return channel as unknown as HiddenChannel;
}

export function socketOf(connection: Client | Connection): Socket | undefined {
  return hidden(connection)._sock;
}

export function protocolOf(connection: Client | Connection): Protocol | undefined {
  return hidden(connection)._protocol;
}

/** While keys are exchanged everything that is sent piles up in memory. */
export function exchangesKeys(connection: Client | Connection): boolean {
  return hidden(connection)._protocol?._kexinit !== undefined;
}

/** Whether the channel's sending side still takes anything; `eof` takes requests, but no data. */
export function sendingState(channel: Channel): 'open' | 'eof' | 'closed' {
  const { state } = hiddenChannel(channel).outgoing;
  return state === 'open' || state === 'eof' ? state : 'closed';
}

/** Whether the peer has sent more than its window allows (RFC 4254 §5.2): nothing else would bound what is kept for a slow reader. */
function hasOverrunWindow(channel: Channel): boolean {
  return hiddenChannel(channel).incoming.window < 0;
}

/**
 * The package keeps what it could not send for want of window, and forgets to drop it: a later wait of the other stream would
 * send it again. To be called before each write, when none is under way.
 */
export function forgetSentChunks(channel: Channel): void {
  const state = hiddenChannel(channel);
  state._chunk = undefined;
  state._chunkcb = undefined;
  state._chunkErr = undefined;
  state._chunkcbErr = undefined;
}

/** Ends data towards the peer; requests may follow. */
export function sendEof(channel: Channel): void {
  hiddenChannel(channel).eof();
}

/** Also after the end of data, where the package would send nothing. */
export function sendExitStatus(connection: Connection, channel: Channel, status: number): void {
  if (sendingState(channel) !== 'closed') hidden(connection)._protocol?.exitStatus(hiddenChannel(channel).outgoing.id, status);
}

/** `signal` without SIG (RFC 4254 §6.10). */
export function sendExitSignal(connection: Connection, channel: Channel, signal: string, coreDumped: boolean, message: string): void {
  const { _protocol: protocol } = hidden(connection);
  if (protocol === undefined || sendingState(channel) === 'closed') return;
  writeExitSignal(protocol, hiddenChannel(channel).outgoing.id, signal, coreDumped, message);
}

export function sendSignal(connection: Client, channel: Channel, signal: string): void {
  const { _protocol: protocol } = hidden(connection);
  if (protocol !== undefined && sendingState(channel) !== 'closed') writeSignal(protocol, hiddenChannel(channel).outgoing.id, signal);
}

export function sendWindowChange(
  connection: Client,
  channel: Channel,
  size: { readonly rows: number; readonly cols: number; readonly height: number; readonly width: number },
): void {
  if (sendingState(channel) === 'closed') return;
  hidden(connection)._protocol?.windowChange(hiddenChannel(channel).outgoing.id, size.rows, size.cols, size.height, size.width);
}

/** SSH_MSG_DISCONNECT with a reason that clients show; the package sends none. Then the connection ends. */
export function disconnect(connection: Connection, reason: string): void {
  const socket = socketOf(connection);
  if (socket?.writable !== true) return;
  sendDisconnect(connection, BY_APPLICATION, reason);
  socket.end();
}

/** The message alone (RFC 4253 §11.1), which may be sent at any time, between keys too. `reason` as the RFC numbers them. */
export function sendDisconnect(connection: Connection, reason: number, words: string): void {
  const protocol = protocolOf(connection);
  if (protocol === undefined) return;
  const description = Buffer.from(words).subarray(0, MAX_DESCRIPTION_BYTES);
  const { write } = protocol._packetRW;
  const packet = write.alloc(1 + 4 + 4 + description.length + 4, true);
  let at = write.allocStartKEX;
  at = packet.writeUInt8(SSH_MSG_DISCONNECT, at);
  at = packet.writeUInt32BE(reason, at);
  at = packet.writeUInt32BE(description.length, at);
  at += description.copy(packet, at);
  packet.writeUInt32BE(0, at);
  protocol._cipher.encrypt(write.finalize(packet, true));
}

/** How the peer said that its program ended. */
export type ToldExit = { readonly status: number } | { readonly signal: string; readonly coreDumped: boolean; readonly message: string };

/** Undefined before it did. */
export function toldExit(channel: Channel): ToldExit | undefined {
  // As above: the field exists in the version that is installed.
  const { _exit: told } = channel as unknown as {
    readonly _exit: { readonly code?: number | null; readonly signal?: string; readonly dump?: boolean; readonly desc?: string };
  };
  if (told.code === undefined) return undefined;
  if (told.code !== null) return { status: told.code };
  return { signal: told.signal ?? '', coreDumped: told.dump === true, message: told.desc ?? '' };
}

/** The channel of a number of ours; undefined while it is not open. */
export function channelOf(connection: Client | Connection, number: number): Channel | undefined {
  // As above: a channel that is not open yet is another thing there.
  const { _chanMgr: channels } = connection as unknown as { readonly _chanMgr: { get(id: number): unknown } };
  const found = channels.get(number);
  return found instanceof Duplex ? (found as Channel) : undefined;
}

const direct = new WeakSet<Channel>();

/** Whether what comes in on it may be handed over where it lies: nobody keeps it. */
export function readsDirectly(channel: Channel): boolean {
  return direct.has(channel);
}

/** Takes bytes that are lent: they hold until it returns. False: no more than the peer's window still allows, until `readOn`. */
export type Consume = (bytes: Buffer, stream: 'stdout' | 'stderr') => boolean;

/**
 * Reads a channel. `overrun` is called when the peer sends more than its window allows, instead of keeping it. While the channel is
 * paused it keeps what comes.
 */
export function readChannel(channel: Channel, consume: Consume, overrun: () => void): void {
  direct.add(channel);
  const { stderr } = channel;
  readStream(channel, channel, (bytes) => consume(bytes, 'stdout'), overrun);
  if (stderr instanceof Readable) readStream(channel, stderr, (bytes) => consume(bytes, 'stderr'), overrun);
}

/** Opens the peer's window again, where it was not while somebody took no more. */
export function readOn(channel: Channel): void {
  channel._read(0);
}

function readStream(channel: Channel, stream: Readable, consume: (bytes: Buffer) => boolean, overrun: () => void): void {
  const push = stream.push.bind(stream);
  let isOver = false;
  stream.on('data', consume);
  // The transport hands over each packet by this call, and opens the window by what it returns; a stream that waits keeps a copy.
  stream.push = (chunk: Buffer | null, encoding?: BufferEncoding): boolean => {
    // What comes after the end of data is nobody's (RFC 4254 §5.3).
    if (isOver) return false;
    isOver = chunk === null;
    if (chunk === null) return push(chunk, encoding);
    if (hasOverrunWindow(channel)) {
      overrun();
      return false;
    }
    if (stream.readableFlowing !== true || stream.readableLength > 0) return push(Buffer.from(chunk), encoding);
    return consume(chunk);
  };
}

/**
 * Ends a session channel on which nothing was started: the package neither answers its close nor forgets it, so that a client that
 * opens and closes would fill the memory.
 */
export function closeUnstarted(connection: Connection, session: Session): void {
  // As above: the fields exist in the version that is installed.
  const { _chanInfo: info } = session as unknown as {
    readonly _chanInfo: { readonly incoming: { readonly id: number }; readonly outgoing: { readonly id: number } };
  };
  const { _chanMgr: channels, _protocol: protocol } = connection as unknown as {
    readonly _chanMgr: { remove(id: number): void };
    readonly _protocol: { channelClose(id: number): void };
  };
  if (socketOf(connection)?.writable === true) protocol.channelClose(info.outgoing.id);
  channels.remove(info.incoming.id);
}
