/**
 * The commits at the beginning of a pack, with their parents. An id is the hash of what it names, which is computed here: whatever
 * is wrong or left out in a pack, a commit that is found in it has the parents that are read here, and no others.
 */
import { createHash } from 'node:crypto';
import { inflateSync, type Inflate } from 'node:zlib';
import { OBJECT_FORMATS, type ObjectFormat } from './git-ref.ts';
import { MalformedMessage } from './messages/malformed-message.ts';
import { applyDelta } from './messages/pack-delta.ts';
import { PACK_HEADER_BYTES, readPackEntry, readPackHeader, type PackEntry } from './messages/pack-entry.ts';

const MAX_COMMITS = 10_000;
const MAX_OBJECT_BYTES = 1024 * 1024;
/**
 * Bytes that may be inflated for one pack, with those of an object that had not come whole and is tried again: the work that
 * packets of one byte can cause, and the memory that bases of deltas can take.
 */
const MAX_INFLATED_BYTES = 16 * 1024 * 1024;
/** What a try costs besides. */
const TRY_BYTES = 512;
/** zlib's own bound for what it makes of data that cannot be compressed is less (`deflateBound`). */
const MAX_OVERHEAD_BYTES = 256;
const INFLATE_CHUNK_BYTES = 4_096;

type Kept = { readonly kind: 'commit' | 'tag'; readonly content: Buffer };

export class GitPackCommits {
  readonly #format: ObjectFormat;
  readonly #parents = new Map<string, readonly string[]>();
  readonly #byOffset = new Map<number, Kept>();
  readonly #byId = new Map<string, Kept>();
  #at = 0;
  #left: number | undefined;
  #inflated = 0;
  #state: 'reading' | 'stopped' | 'complete' = 'reading';

  constructor(format: ObjectFormat) {
    this.#format = format;
  }

  /**
   * `reading` while more may be learned from more bytes; `complete` when the pack has come whole; `stopped` where something else
   * than commits and tags begins: git, and all clients known to us, write those first.
   */
  get state(): 'reading' | 'stopped' | 'complete' {
    return this.#state;
  }

  /** Of a commit that was found. */
  parentsOf(id: string): readonly string[] | undefined {
    return this.#parents.get(id);
  }

  /** Reads on in the pack, of which all bytes so far are given. What is no pack stops it: then nothing more is found. */
  read(pack: Buffer): void {
    if (this.#state !== 'reading') return;
    try {
      this.#readOn(pack);
    } catch (error) {
      if (!(error instanceof MalformedMessage)) throw error;
      // A host refuses such a pack too. What was found before is true all the same.
      this.#state = 'stopped';
    }
  }

  #readOn(pack: Buffer): void {
    if (this.#left === undefined) {
      this.#left = readPackHeader(pack);
      this.#at = PACK_HEADER_BYTES;
    }
    while (this.#left !== undefined && this.#left > 0) {
      const entry = readPackEntry(pack, this.#at, OBJECT_FORMATS[this.#format] / 2);
      if (entry === undefined) return;
      const base = this.#baseOf(entry);
      const kind = base?.kind ?? entry.kind;
      if ((kind !== 'commit' && kind !== 'tag') || this.#parents.size === MAX_COMMITS || entry.size > MAX_OBJECT_BYTES) {
        this.#state = 'stopped';
        return;
      }
      const inflated = this.#inflate(pack, entry);
      if (inflated === undefined) return;
      this.#keep(kind, base === undefined ? inflated.content : this.#undelta(base.content, inflated.content));
      this.#at = entry.end + inflated.usedBytes;
      this.#left -= 1;
    }
    if (this.#left === 0 && pack.length >= this.#at + OBJECT_FORMATS[this.#format] / 2) this.#state = 'complete';
  }

  /** Only what came before: git writes bases first, and a base on the host is not seen from here. */
  #baseOf(entry: PackEntry): Kept | undefined {
    if (entry.kind === 'offsetDelta') return this.#byOffset.get(this.#at - entry.back);
    return entry.kind === 'refDelta' ? this.#byId.get(entry.base) : undefined;
  }

  #inflate(pack: Buffer, { end, size }: PackEntry): { readonly content: Buffer; readonly usedBytes: number } | undefined {
    const mostBytes = size + Math.ceil(size / 256) + MAX_OVERHEAD_BYTES;
    this.#inflated += size + TRY_BYTES;
    if (this.#inflated > MAX_INFLATED_BYTES) throw new MalformedMessage('a pack that takes too much to read');
    try {
      // With `info` the result has another shape than the one that is declared.
      const { buffer, engine } = inflateSync(pack.subarray(end, end + mostBytes), {
        info: true,
        maxOutputLength: Math.max(1, size),
        chunkSize: INFLATE_CHUNK_BYTES,
      }) as unknown as { readonly buffer: Buffer; readonly engine: Inflate };
      if (buffer.length !== size) throw new MalformedMessage('an object of another size than its pack says');
      return { content: buffer, usedBytes: engine.bytesWritten };
    } catch (error) {
      if (error instanceof MalformedMessage) throw error;
      // Everything else that zlib says of the data: more than announced, or none of its own.
      if (!isCutShort(error) || pack.length >= end + mostBytes)
        throw new MalformedMessage('an object that cannot be inflated', { cause: error });
      return undefined;
    }
  }

  #undelta(base: Buffer, delta: Buffer): Buffer {
    const content = applyDelta(base, delta, MAX_OBJECT_BYTES);
    this.#inflated += content.length;
    return content;
  }

  #keep(kind: Kept['kind'], content: Buffer): void {
    const id = createHash(this.#format).update(`${kind} ${content.length}\0`).update(content).digest('hex');
    const kept: Kept = { kind, content };
    this.#byOffset.set(this.#at, kept);
    this.#byId.set(id, kept);
    if (kind === 'commit') this.#parents.set(id, parentsIn(content, this.#format));
  }
}

/** Whether `from` is an ancestor of `to`, or the same, by the commits of the pack alone. `steps` bounds the work of several such questions. */
export function isProvenDescendant(commits: Pick<GitPackCommits, 'parentsOf'>, to: string, from: string, steps: { left: number }): boolean {
  const seen = new Set([to]);
  // A set is walked in the order in which it grows.
  for (const id of seen) {
    if (id === from) return true;
    if (steps.left <= 0) return false;
    for (const parent of commits.parentsOf(id) ?? []) {
      steps.left -= 1;
      seen.add(parent);
    }
  }
  return false;
}

/** The lines between that of the tree and that of the author. */
function parentsIn(content: Buffer, format: ObjectFormat): readonly string[] {
  const digits = OBJECT_FORMATS[format];
  const parents: string[] = [];
  const lineBytes = 'parent '.length + digits + 1;
  for (let at = 'tree '.length + digits + 1; ; at += lineBytes) {
    const match = /^parent ([\da-f]+)\n$/u.exec(content.toString('latin1', at, at + lineBytes));
    if (match?.[1]?.length !== digits) return parents;
    parents.push(match[1]);
  }
}

function isCutShort(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'Z_BUF_ERROR';
}
