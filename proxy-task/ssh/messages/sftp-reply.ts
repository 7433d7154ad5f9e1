/** What an sftp server answers (draft-ietf-secsh-filexfer-02 §7). */
import { isUtf8 } from 'node:buffer';
import { MalformedMessage } from './malformed-message.ts';
import { readAttributes } from './sftp-attributes.ts';
import { encodePacket, FieldReader, string, uint32, uint64 } from './sftp-fields.ts';
import { FX, FXP, MAX_DATA_BYTES, MAX_HANDLE_BYTES, MAX_PACKET_BYTES, SFTP_VERSION } from './sftp-packet.ts';
import { EXTENSIONS, isExtension } from './sftp-request.ts';

/** Pairs of a VERSION that are looked at. */
const MAX_EXTENSIONS = 64;
const MAX_EXTENSION_BYTES = 1024;
const MAX_MESSAGE_BYTES = 1024;

export type Status = { readonly code: number; readonly message: string };

/** `start` is where the type byte stands. Throws MalformedMessage. */
export function decodeStatus(buffer: Buffer, start: number, end: number): Status {
  const reader = new FieldReader(buffer, start + 5, end);
  const code = reader.uint32();
  // Servers of before version 3 leave the words out.
  if (reader.atEnd) return { code, message: '' };
  const words = reader.bytes(MAX_PACKET_BYTES).subarray(0, MAX_MESSAGE_BYTES);
  reader.bytes(MAX_PACKET_BYTES);
  reader.finish();
  return { code, message: isUtf8(words) ? words.toString('utf8') : words.toString('latin1') };
}

/** Each byte of the handle as one character. Throws MalformedMessage. */
export function decodeHandle(buffer: Buffer, start: number, end: number): string {
  const reader = new FieldReader(buffer, start + 5, end);
  const handle = reader.bytes(MAX_HANDLE_BYTES);
  reader.finish();
  return handle.toString('latin1');
}

/** Where the bytes of a DATA begin; they reach to its end. Throws MalformedMessage. */
export function dataStart(buffer: Buffer, start: number, end: number): number {
  const reader = new FieldReader(buffer, start + 5, end);
  const bytes = reader.uint32();
  if (bytes > MAX_DATA_BYTES || reader.at + bytes !== end) throw new MalformedMessage(`data of ${bytes} bytes`);
  return reader.at;
}

/** The first name; undefined where it is no text. Throws MalformedMessage. */
export function decodeNames(buffer: Buffer, start: number, end: number): { readonly count: number; readonly first: string | undefined } {
  const reader = new FieldReader(buffer, start + 5, end);
  const count = reader.uint32();
  let first: string | undefined;
  for (let i = 0; i < count; i++) {
    if (i === 0) first = reader.text(MAX_PACKET_BYTES);
    else reader.bytes(MAX_PACKET_BYTES);
    reader.bytes(MAX_PACKET_BYTES);
    readAttributes(reader);
  }
  reader.finish();
  return { count, first };
}

/** The size that ATTRS says, where it says one. Throws MalformedMessage. */
export function decodeSize(buffer: Buffer, start: number, end: number): number | undefined {
  const reader = new FieldReader(buffer, start + 5, end);
  const { size } = readAttributes(reader);
  reader.finish();
  return size;
}

/** VERSION: only version 3 is spoken. The names are those that are let through and that the host has. Throws MalformedMessage. */
export function decodeVersion(buffer: Buffer, start: number, end: number): ReadonlySet<string> {
  const reader = new FieldReader(buffer, start + 1, end);
  const version = reader.uint32();
  if (version !== SFTP_VERSION) throw new MalformedMessage(`the host speaks version ${version} of sftp`);
  const allowed = new Set<string>();
  for (let seen = 0; !reader.atEnd; seen++) {
    if (seen === MAX_EXTENSIONS) throw new MalformedMessage('too many extensions of sftp');
    const name = reader.text(MAX_EXTENSION_BYTES) ?? '';
    const version = reader.text(MAX_EXTENSION_BYTES);
    if (isExtension(name) && EXTENSIONS[name] === version) allowed.add(name);
  }
  return allowed;
}

export function encodeInit(): Buffer {
  return encodePacket(FXP.INIT, uint32(SFTP_VERSION));
}

export function encodeVersion(allowed: ReadonlySet<string>): Buffer {
  const pairs = Object.entries(EXTENSIONS).filter(([name]) => allowed.has(name));
  return encodePacket(FXP.VERSION, uint32(SFTP_VERSION), ...pairs.flatMap((pair) => pair.map(string)));
}

export function encodeStatus(id: number, code: number, message: string): Buffer {
  return encodePacket(FXP.STATUS, uint32(id), uint32(code), string(message), string('en'));
}

/** The reply of `limits@openssh.com`, with what is let through where the host would take more. Throws MalformedMessage. */
export function lowerLimits(buffer: Buffer, start: number, end: number, maxHandles: number): Buffer {
  const reader = new FieldReader(buffer, start + 1, end);
  const id = reader.uint32();
  const [packet, read, write, handles] = [reader.uint64(), reader.uint64(), reader.uint64(), reader.uint64()];
  reader.finish();
  // Zero is no limit that is told.
  const lower = (told: number, limit: number): number => (told === 0 ? limit : Math.min(told, limit));
  return encodePacket(
    FXP.EXTENDED_REPLY,
    uint32(id),
    uint64(lower(packet, MAX_PACKET_BYTES)),
    uint64(lower(read, MAX_DATA_BYTES)),
    uint64(lower(write, MAX_DATA_BYTES)),
    uint64(lower(handles, maxHandles)),
  );
}

/** Whether a status says that what was asked for was done. */
export function isOk({ code }: Status): boolean {
  return code === FX.OK;
}
