/**
 * The unit of evidence: what one flush wrote. A line of canonical JSON, then the content bytes that it names:
 *
 *     {"batch":7,"content":{"bytes":12,"sha256":"…"},"events":[…],"prev":"…","session":"…"}\n
 *     <12 bytes>\n
 *
 * Where a target records digests only, `"kept":false` stands in `content`, and no bytes follow: count and hash say what was
 * released. The hash of a batch is SHA-256 over its line without the line feed; `prev` is that of the batch before, so the lines
 * are a chain, and the content hangs on it by its own hash. Sessions and the spines of writers share this form.
 */
export type Owner = { readonly kind: 'session' | 'writer'; readonly id: string };

/** `prev` of a first batch. */
export const NO_BATCH = '0'.repeat(64);

/** Longer lines are not read: a bound on what a forged file can make the verifier keep in memory. */
export const MAX_LINE_BYTES = 64 * 1024 * 1024;

export type ContentRef = {
  readonly bytes: number;
  readonly sha256: string;
  /** Whether the bytes follow the line. */
  readonly kept: boolean;
};

/** The line of a batch without its line feed. `events` is the inside of the array, already canonical. */
export function batchLine(owner: Owner, batch: number, prev: string, events: string, content?: ContentRef): string {
  const kept = content?.kept === false ? '"kept":false,' : '';
  const hangs = content === undefined ? '' : `"content":{"bytes":${content.bytes},${kept}"sha256":"${content.sha256}"},`;
  return `{"batch":${batch},${hangs}"events":[${events}],"prev":"${prev}","${owner.kind}":"${owner.id}"}`;
}

/** One whole batch as it was found in a file. */
export type FoundBatch = {
  readonly owner: Owner;
  readonly batch: number;
  readonly prev: string;
  readonly hash: string;
  /** Where its line starts in the file, and where the next one does. */
  readonly atByte: number;
  readonly endByte: number;
  readonly events: readonly FoundEvent[];
  readonly contentBytes: number;
  /** Whether the content stands in the file. */
  readonly contentKept: boolean;
  /** Whether the line says that the content is kept, but a torn segment says that it was lost with the writer. */
  readonly contentLost: boolean;
  /** Whether content that stands in the file has the hash that the line names. */
  readonly contentIntact: boolean;
};

/** An event as read back: its type is known, the rest is the reader's to check. */
export type FoundEvent = { readonly type: string; readonly [key: string]: unknown };

export type BatchHead = {
  readonly owner: Owner;
  readonly batch: number;
  readonly prev: string;
  readonly events: readonly FoundEvent[];
  readonly content: ContentRef | undefined;
};

/** Undefined where the line is not that of a batch. */
export function parseBatchLine(line: string): BatchHead | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (!isRecord(value)) return undefined;
  const { batch, prev, events, content, session, writer } = value;
  if (typeof batch !== 'number' || !Number.isSafeInteger(batch) || batch < 0) return undefined;
  if (!isHash(prev) || !Array.isArray(events) || !events.every(isEvent)) return undefined;
  const owner = ownerOf(session, writer);
  if (owner === undefined) return undefined;
  if (content === undefined) return { owner, batch, prev, events, content };
  if (!isRecord(content)) return undefined;
  const { bytes, sha256, kept } = content;
  if (kept !== undefined && kept !== false) return undefined;
  if (typeof bytes !== 'number' || !Number.isSafeInteger(bytes) || bytes < 1 || !isHash(sha256)) return undefined;
  return { owner, batch, prev, events, content: { bytes, sha256, kept: kept === undefined } };
}

function ownerOf(session: unknown, writer: unknown): Owner | undefined {
  if (typeof session === 'string' && writer === undefined) return { kind: 'session', id: session };
  if (typeof writer === 'string' && session === undefined) return { kind: 'writer', id: writer };
  return undefined;
}

/** Whether this is a JSON object. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> & { readonly [key: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether this is a SHA-256 in lower-case hex. */
export function isHash(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);
}

function isEvent(value: unknown): value is FoundEvent {
  return isRecord(value) && typeof value['type'] === 'string';
}
