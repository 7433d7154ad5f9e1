/** ATTRS (draft-ietf-secsh-filexfer-02 §5). */
import { MalformedMessage } from './malformed-message.ts';
import { type Field, type FieldReader, uint32, uint64 } from './sftp-fields.ts';

const SIZE = 1;
const OWNER = 2;
const PERMISSIONS = 4;
const TIMES = 8;
const EXTENDED = 0x80000000;
const KNOWN = SIZE + OWNER + PERMISSIONS + TIMES + EXTENDED;
/** Extended pairs that are stepped over; nothing that is known has one. */
const MAX_EXTENDED = 16;
const MAX_EXTENDED_BYTES = 1024;
/** Run as the file's owner, or its group. */
const SET_ID_BITS = 0o6000;
const MODE_BITS = 0o7777;

export type Attributes = {
  readonly size?: number;
  readonly owner?: { readonly uid: number; readonly gid: number };
  readonly permissions?: number;
  /** Seconds since 1970. */
  readonly times?: { readonly accessed: number; readonly modified: number };
};

/** Extended pairs are read and forgotten: what is passed on has none. Throws MalformedMessage. */
export function readAttributes(reader: FieldReader): Attributes {
  const flags = reader.uint32();
  if ((flags & ~KNOWN) !== 0) throw new MalformedMessage('attributes of a kind that sftp 3 does not know');
  const size = (flags & SIZE) === 0 ? {} : { size: reader.uint64() };
  const owner = (flags & OWNER) === 0 ? {} : { owner: { uid: reader.uint32(), gid: reader.uint32() } };
  const permissions = (flags & PERMISSIONS) === 0 ? {} : { permissions: reader.uint32() };
  const times = (flags & TIMES) === 0 ? {} : { times: { accessed: reader.uint32(), modified: reader.uint32() } };
  if ((flags & EXTENDED) !== 0) skipExtended(reader);
  return { ...size, ...owner, ...permissions, ...times };
}

export function attributeFields({ size, owner, permissions, times }: Attributes): readonly Field[] {
  const flags =
    (size === undefined ? 0 : SIZE) |
    (owner === undefined ? 0 : OWNER) |
    (permissions === undefined ? 0 : PERMISSIONS) |
    (times === undefined ? 0 : TIMES);
  return [
    uint32(flags),
    ...(size === undefined ? [] : [uint64(size)]),
    ...(owner === undefined ? [] : [uint32(owner.uid), uint32(owner.gid)]),
    ...(permissions === undefined ? [] : [uint32(permissions)]),
    ...(times === undefined ? [] : [uint32(times.accessed), uint32(times.modified)]),
  ];
}

/** What whoever may write a file may set on it too: its times, and who may read, write and run it, but not as whom it runs. */
export function areOrdinary({ owner, permissions = 0 }: Attributes): boolean {
  return owner === undefined && (permissions & SET_ID_BITS) === 0;
}

/** In words, for people: `mode 4755, owner 0:0`. */
export function describeAttributes({ owner, permissions, times }: Attributes): string {
  const said = [
    ...(permissions === undefined ? [] : [`mode ${(permissions & MODE_BITS).toString(8).padStart(4, '0')}`]),
    ...(owner === undefined ? [] : [`owner ${owner.uid}:${owner.gid}`]),
    ...(times === undefined ? [] : [`times ${times.accessed} and ${times.modified}`]),
  ];
  return said.length === 0 ? 'nothing' : said.join(', ');
}

function skipExtended(reader: FieldReader): void {
  const count = reader.uint32();
  if (count > MAX_EXTENDED) throw new MalformedMessage(`${count} extended attributes`);
  for (let i = 0; i < 2 * count; i++) reader.bytes(MAX_EXTENDED_BYTES);
}
