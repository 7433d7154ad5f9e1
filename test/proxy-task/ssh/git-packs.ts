/** Packs made by hand, with what no client would send where a test needs it. */
import { createHash } from 'node:crypto';
import { deflateSync } from 'node:zlib';

export type PackObject = { readonly type: number; readonly content: Buffer; readonly id: string };
export type Entry = { readonly type: number; readonly size: number; readonly prefix?: Buffer; readonly data: Buffer };

const TYPES = { commit: 1, tree: 2, blob: 3, tag: 4 } as const;
const TREE = '4b825dc642cb6eb9a060e54bf8d69288fbee4904';

export function object(kind: keyof typeof TYPES, content: Buffer | string, hash = 'sha1'): PackObject {
  const bytes = Buffer.from(content);
  const id = createHash(hash).update(`${kind} ${bytes.length}\0`).update(bytes).digest('hex');
  return { type: TYPES[kind], content: bytes, id };
}

export function commit(parents: readonly string[], message: string, hash = 'sha1'): PackObject {
  const tree = hash === 'sha1' ? TREE : 'e'.repeat(64);
  const lines = [
    `tree ${tree}`,
    ...parents.map((parent) => `parent ${parent}`),
    'author a <a@x> 1 +0000',
    'committer a <a@x> 1 +0000',
    '',
    message,
  ];
  return object('commit', lines.join('\n'), hash);
}

/** A line of commits from `from` on, the last first, as git sends them. */
export function history(from: string, count: number): readonly PackObject[] {
  const commits: PackObject[] = [];
  for (let index = 0; index < count; index += 1) commits.unshift(commit([commits[0]?.id ?? from], `change ${index}`));
  return commits;
}

export function entryOf({ type, content }: PackObject): Entry {
  return { type, size: content.length, data: deflateSync(content) };
}

/** `content` as a delta of literals and one copy of the whole base. */
export function deltaOf(base: PackObject, extra: string): { readonly delta: Buffer; readonly content: Buffer } {
  const added = Buffer.from(extra);
  const content = Buffer.concat([base.content, added]);
  const copy = Buffer.alloc(1 + 1 + 2);
  copy.writeUInt8(0x80 | 0x01 | 0x10 | 0x20, 0);
  copy.writeUInt8(0, 1);
  copy.writeUInt16LE(base.content.length, 2);
  const literal = Buffer.concat([Buffer.of(added.length), added]);
  return { delta: Buffer.concat([size(base.content.length), size(content.length), copy, literal]), content };
}

export function header(count: number, version = 2): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.write('PACK');
  bytes.writeUInt32BE(version, 4);
  bytes.writeUInt32BE(count, 8);
  return bytes;
}

export function entryBytes({ type, size: bytes, prefix = Buffer.alloc(0), data }: Entry): Buffer {
  const head = [(type << 4) | (bytes & 0x0f)];
  for (let rest = Math.floor(bytes / 16); rest > 0; rest = Math.floor(rest / 128)) {
    head[head.length - 1] = (head.at(-1) ?? 0) | 0x80;
    head.push(rest & 0x7f);
  }
  return Buffer.concat([Buffer.from(head), prefix, data]);
}

/** The distance of an offset delta as git writes it. */
export function offset(back: number): Buffer {
  const bytes = [back & 0x7f];
  for (let rest = Math.floor(back / 128); rest > 0; rest = Math.floor(rest / 128)) {
    rest -= 1;
    bytes.unshift(0x80 | (rest & 0x7f));
  }
  return Buffer.from(bytes);
}

export function packOf(objects: readonly (PackObject | Entry)[], hash = 'sha1'): Buffer {
  const entries = objects.map((item) => entryBytes('data' in item ? item : entryOf(item)));
  const body = Buffer.concat([header(objects.length), ...entries]);
  return Buffer.concat([body, createHash(hash).update(body).digest()]);
}

function size(bytes: number): Buffer {
  const found: number[] = [];
  for (let rest = bytes; ; rest = Math.floor(rest / 128)) {
    found.push(rest >= 128 ? 0x80 | (rest & 0x7f) : rest);
    if (rest < 128) return Buffer.from(found);
  }
}
