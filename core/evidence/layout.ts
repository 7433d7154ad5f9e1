/** Where evidence stands under its root; the same names for directories and buckets. */
export const FORMAT_PATH = 'format.json';
/** The exact content of `format.json`. */
export const FORMAT_TEXT = '{"format":"sallyport-evidence","version":1}\n';

/** Ids become parts of paths and of JSON without escapes: letters, digits, `_`, `-`. */
export function isId(id: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/.test(id);
}

/** `2026-11-20` */
export function isDay(day: unknown): day is string {
  return typeof day === 'string' && /^\d{4}-\d\d-\d\d$/.test(day);
}

export function writerPath(writer: string): string {
  return `writers/${writer}.log`;
}

/** `day` as `2026-11-20`, the UTC day on which the session was opened. */
export function segmentPath(day: string, session: string, segment: number): string {
  return `sessions/${day}/${session}/${String(segment).padStart(6, '0')}.seg`;
}

/** The leaves up to this size of the tree, since the leaves file before. */
export function leavesPath(day: string, size: number): string {
  return `checkpoints/${day}/${sizeName(size)}.leaves`;
}

export function checkpointPath(day: string, size: number): string {
  return `checkpoints/${day}/${sizeName(size)}.ckpt`;
}

/** Where a spine is not one file that grows: the batches from this one on, up to the next piece. No piece is empty. */
export function spinePiecePath(writer: string, firstBatch: number): string {
  return `writers/${writer}/${sizeName(firstBatch)}.log`;
}

/**
 * The last segment of a recording whose writer died, put together from its journal: like a segment, but the line of a batch
 * whose content is kept is followed by a line `+` and the content with its line feed, or by a line `-` where the content was
 * lost with the writer. It has the number behind the last segment, and `recording.sealed` names that number and all that was
 * lost. A segment of the same number may stand beside it, put by the dead writer just as it was ended: that is right as long
 * as the torn one has all of its batches too.
 */
export function tornSegmentPath(day: string, session: string, segment: number): string {
  return `sessions/${day}/${session}/${String(segment).padStart(6, '0')}.torn`;
}

export function keyPath(keyId: string): string {
  return `keys/${keyId}.pem`;
}

/** A leaf of the tree: one batch of one writer's spine. */
export type Leaf = { readonly writer: string; readonly batch: number; readonly hash: string };

/** The bytes of a leaf, which its file keeps as a line. */
export function leafLine(leaf: Leaf): string {
  return `{"batch":${leaf.batch},"hash":"${leaf.hash}","writer":"${leaf.writer}"}`;
}

/** Undefined where the line is not exactly one that `leafLine` writes. */
export function parseLeaf(line: string): Leaf | undefined {
  const match = /^\{"batch":(0|[1-9]\d{0,14}),"hash":"([0-9a-f]{64})","writer":"([A-Za-z0-9_-]+)"\}$/.exec(line);
  if (match === null) return undefined;
  const [, batch = '', hash = '', writer = ''] = match;
  return { batch: Number(batch), hash, writer };
}

export type Place =
  | { readonly kind: 'format' }
  | { readonly kind: 'key'; readonly keyId: string }
  | { readonly kind: 'writer'; readonly writer: string }
  /** A part of a spine, from its batch `firstBatch` on. */
  | { readonly kind: 'spinePiece'; readonly writer: string; readonly firstBatch: number }
  /** `torn` where it was put together after its writer died. */
  | { readonly kind: 'segment'; readonly day: string; readonly session: string; readonly segment: number; readonly torn: boolean }
  | { readonly kind: 'leaves'; readonly size: number }
  | { readonly kind: 'checkpoint'; readonly size: number }
  /** Left by a write that did not finish; not evidence. */
  | { readonly kind: 'unfinished' };

/** What a path under the root is; undefined where nothing of ours has such a name. */
export function placeOf(path: string): Place | undefined {
  if (path === FORMAT_PATH) return { kind: 'format' };
  if (path.endsWith('.tmp')) return { kind: 'unfinished' };
  const match =
    /^(?:keys\/(?<keyId>[0-9a-f]{64})\.pem|writers\/(?<writer>[A-Za-z0-9_-]+)(?:\/(?<firstBatch>\d{12,}))?\.log|sessions\/(?<day>\d{4}-\d\d-\d\d)\/(?<session>[A-Za-z0-9_-]+)\/(?<segment>\d{6,})\.(?<ending>seg|torn)|checkpoints\/\d{4}-\d\d-\d\d\/(?<size>\d{12,})\.(?<what>leaves|ckpt))$/.exec(
      path,
    );
  const { keyId, writer, firstBatch, day, session, segment, ending, size, what } = match?.groups ?? {};
  if (keyId !== undefined) return { kind: 'key', keyId };
  if (writer !== undefined && firstBatch !== undefined) return { kind: 'spinePiece', writer, firstBatch: Number(firstBatch) };
  if (writer !== undefined) return { kind: 'writer', writer };
  if (day !== undefined && session !== undefined && segment !== undefined) {
    return { kind: 'segment', day, session, segment: Number(segment), torn: ending === 'torn' };
  }
  if (size !== undefined) return { kind: what === 'leaves' ? 'leaves' : 'checkpoint', size: Number(size) };
  return undefined;
}

function sizeName(size: number): string {
  return String(size).padStart(12, '0');
}
