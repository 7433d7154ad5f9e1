/** What an sftp client asks. Text that cannot be judged (no UTF-8, NUL, too long) is undefined. */
import { MalformedMessage } from './malformed-message.ts';
import { type Attributes, readAttributes } from './sftp-attributes.ts';
import { FieldReader } from './sftp-fields.ts';
import { FXP, MAX_DATA_BYTES, MAX_HANDLE_BYTES, MAX_PACKET_BYTES, MAX_PATH_BYTES } from './sftp-packet.ts';

type Path = string | undefined;

export type SftpRequest =
  | { readonly kind: 'open'; readonly path: Path; readonly flags: number; readonly attributes: Attributes }
  | { readonly kind: 'close'; readonly handle: string }
  | { readonly kind: 'fstat' | 'readdir' | 'fsync' | 'fstatvfs'; readonly handle: string }
  /** `lengthAt`: where its length stands in the buffer. */
  | { readonly kind: 'read'; readonly handle: string; readonly offset: number; readonly length: number; readonly lengthAt: number }
  /** The data are the last `bytes` of the packet. */
  | { readonly kind: 'write'; readonly handle: string; readonly offset: number; readonly bytes: number }
  | {
      readonly kind: 'stat' | 'lstat' | 'opendir' | 'readlink' | 'statvfs' | 'realpath' | 'expandPath' | 'remove' | 'removeFolder';
      readonly path: Path;
    }
  | { readonly kind: 'makeFolder' | 'setstat' | 'lsetstat'; readonly path: Path; readonly attributes: Attributes }
  | { readonly kind: 'fsetstat'; readonly handle: string; readonly attributes: Attributes }
  | { readonly kind: 'rename'; readonly from: Path; readonly to: Path; readonly posix: boolean }
  | { readonly kind: 'limits' | 'names' }
  | { readonly kind: 'link' }
  | { readonly kind: 'unknown' };

/** The extensions that are let through, and the version of each that is understood (OpenSSH's PROTOCOL §4). */
export const EXTENSIONS = {
  'posix-rename@openssh.com': '1',
  'statvfs@openssh.com': '2',
  'fstatvfs@openssh.com': '2',
  'fsync@openssh.com': '1',
  'lsetstat@openssh.com': '1',
  'limits@openssh.com': '1',
  'expand-path@openssh.com': '1',
  'users-groups-by-id@openssh.com': '1',
} as const;
export type ExtensionName = keyof typeof EXTENSIONS;

const MAX_NAME_BYTES = 256;

export function isExtension(name: string): name is ExtensionName {
  return Object.hasOwn(EXTENSIONS, name);
}

/** The request of the packet, whose id follows the type byte at `start`. `allowed` are extensions that the host has. Throws MalformedMessage. */
export function decodeRequest(buffer: Buffer, start: number, end: number, allowed: ReadonlySet<string>): SftpRequest {
  const reader = new FieldReader(buffer, start + 5, end);
  const request = readRequest(buffer[start] ?? 0, reader, end, allowed);
  if (request.kind !== 'unknown' && request.kind !== 'link') reader.finish();
  return request;
}

function readRequest(type: number, reader: FieldReader, end: number, allowed: ReadonlySet<string>): SftpRequest {
  switch (type) {
    case FXP.OPEN:
      return { kind: 'open', path: readPath(reader), flags: reader.uint32(), attributes: readAttributes(reader) };
    case FXP.CLOSE:
      return { kind: 'close', handle: readHandle(reader) };
    case FXP.READ:
      return readRead(reader);
    case FXP.WRITE:
      return readWrite(reader, end);
    case FXP.LSTAT:
      return { kind: 'lstat', path: readPath(reader) };
    case FXP.FSTAT:
      return { kind: 'fstat', handle: readHandle(reader) };
    case FXP.SETSTAT:
      return { kind: 'setstat', path: readPath(reader), attributes: readAttributes(reader) };
    case FXP.FSETSTAT:
      return { kind: 'fsetstat', handle: readHandle(reader), attributes: readAttributes(reader) };
    case FXP.OPENDIR:
      return { kind: 'opendir', path: readPath(reader) };
    case FXP.READDIR:
      return { kind: 'readdir', handle: readHandle(reader) };
    case FXP.REMOVE:
      return { kind: 'remove', path: readPath(reader) };
    case FXP.MKDIR:
      return { kind: 'makeFolder', path: readPath(reader), attributes: readAttributes(reader) };
    case FXP.RMDIR:
      return { kind: 'removeFolder', path: readPath(reader) };
    case FXP.REALPATH:
      return { kind: 'realpath', path: readPath(reader) };
    case FXP.STAT:
      return { kind: 'stat', path: readPath(reader) };
    case FXP.RENAME:
      return { kind: 'rename', from: readPath(reader), to: readPath(reader), posix: false };
    case FXP.READLINK:
      return { kind: 'readlink', path: readPath(reader) };
    case FXP.SYMLINK:
      return { kind: 'link' };
    case FXP.EXTENDED: {
      const name = reader.text(MAX_NAME_BYTES) ?? '';
      return isExtension(name) && allowed.has(name) ? readExtended(name, reader) : { kind: 'unknown' };
    }
    default:
      return { kind: 'unknown' };
  }
}

function readExtended(name: ExtensionName, reader: FieldReader): SftpRequest {
  switch (name) {
    case 'posix-rename@openssh.com':
      return { kind: 'rename', from: readPath(reader), to: readPath(reader), posix: true };
    case 'statvfs@openssh.com':
      return { kind: 'statvfs', path: readPath(reader) };
    case 'fstatvfs@openssh.com':
      return { kind: 'fstatvfs', handle: readHandle(reader) };
    case 'fsync@openssh.com':
      return { kind: 'fsync', handle: readHandle(reader) };
    case 'lsetstat@openssh.com':
      return { kind: 'lsetstat', path: readPath(reader), attributes: readAttributes(reader) };
    case 'limits@openssh.com':
      return { kind: 'limits' };
    case 'expand-path@openssh.com':
      return { kind: 'expandPath', path: readPath(reader) };
    case 'users-groups-by-id@openssh.com':
      reader.bytes(MAX_PACKET_BYTES);
      reader.bytes(MAX_PACKET_BYTES);
      return { kind: 'names' };
  }
}

function readRead(reader: FieldReader): SftpRequest {
  const handle = readHandle(reader);
  const offset = reader.uint64();
  const lengthAt = reader.at;
  return { kind: 'read', handle, offset, length: reader.uint32(), lengthAt };
}

function readWrite(reader: FieldReader, end: number): SftpRequest {
  const handle = readHandle(reader);
  const offset = reader.uint64();
  const bytes = reader.uint32();
  if (bytes > MAX_DATA_BYTES || reader.at + bytes !== end) throw new MalformedMessage(`a write of ${bytes} bytes`);
  reader.skip(bytes);
  return { kind: 'write', handle, offset, bytes };
}

function readPath(reader: FieldReader): Path {
  return reader.text(MAX_PATH_BYTES);
}

/** Each byte as one character: handles are bytes that only the host reads. */
function readHandle(reader: FieldReader): string {
  return reader.bytes(MAX_HANDLE_BYTES).toString('latin1');
}
