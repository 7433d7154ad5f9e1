/**
 * The write-ahead journal of one writer where evidence is not a local file: commits that are each written once, whole, under
 * the next number, and name the hash of the one before. A commit packs what one flush of many sessions recorded. Sealer and
 * sweeper read it; what it holds becomes spines and segments.
 *
 * A record in a commit's body is a line of JSON with the lengths of what follows it, a newline, and these bytes:
 *
 *     {"content":12,"kind":"batch","line":345,"segment":0,"session":"…"}\n<345 bytes of line><12 bytes of content>
 */
import { createHash } from 'node:crypto';
import { isHash, isRecord } from './batch.ts';
import { isId } from './layout.ts';

/**
 * `segment` is the one that the batch goes into. Segments are put in order, and the next one only after the `sealed` record of the
 * one before was committed: from commit `needed` on, the first batch of a session that no `sealed` record covers tells the
 * number of the segment that is missing, and every batch of it stands there in order.
 */
export type JournalRecord =
  /** A batch of the writer's own spine, without its line feed. */
  | { readonly kind: 'spine'; readonly line: Buffer }
  /**
   * A batch of a session's recording, without its line feed. `content` is there when it is small enough to ride along; else
   * it reaches its segment later, or is lost with the writer: the line has its count and hash.
   */
  | { readonly kind: 'batch'; readonly session: string; readonly segment: number; readonly line: Buffer; readonly content?: Buffer }
  /** A batch whose line, of so many bytes and without its line feed, does not fit an item: it stands in the staging bucket. */
  | {
      readonly kind: 'staged';
      readonly session: string;
      readonly segment: number;
      readonly key: string;
      readonly bytes: number;
      readonly sha256: string;
      readonly content?: Buffer;
    }
  /** The session's segment of this number is in the evidence: nothing before batch `next` is needed here any more. */
  | { readonly kind: 'sealed'; readonly session: string; readonly segment: number; readonly next: number };

export type JournalCommit = {
  readonly writer: string;
  /** From 0, without gaps. */
  readonly seq: number;
  /** `hash` of the commit before; `NO_BATCH` in the first. */
  readonly prev: string;
  readonly hash: string;
  readonly body: Buffer;
  /** The oldest commit that still holds a batch which no `sealed` record up to here covers; `seq` where none does. */
  readonly needed: number;
};

/** Commits of one writer are spread over this many partitions, since one partition takes a megabyte a second. */
export const JOURNAL_PARTITIONS = 16;

/** DynamoDB takes items of 400 KB; the rest is room for the attributes beside the body. */
export const MAX_COMMIT_BYTES = 380 * 1024;

/** Longer lines go to the staging bucket, so that several fit a commit. */
export const MAX_JOURNAL_LINE_BYTES = 128 * 1024;

/** Content up to this size rides along: cheaper than an object of its own, and never lost. */
export const MAX_INLINE_CONTENT_BYTES = 4 * 1024;

const NO_CONTENT = Buffer.alloc(0);

/** `writer#partition` */
export function journalPartition(writer: string, seq: number): string {
  return `${writer}#${seq % JOURNAL_PARTITIONS}`;
}

export function commitHash(commit: Pick<JournalCommit, 'writer' | 'seq' | 'prev' | 'body'>): string {
  return createHash('sha256').update(`${commit.writer}\n${commit.seq}\n${commit.prev}\n`).update(commit.body).digest('hex');
}

export function encodeRecords(records: readonly JournalRecord[]): Buffer {
  const parts: Buffer[] = [];
  for (const record of records) {
    const { head, payload } = encoded(record);
    parts.push(Buffer.from(`${JSON.stringify(head)}\n`), ...payload);
  }
  return Buffer.concat(parts);
}

function encoded(record: JournalRecord): { readonly head: Readonly<Record<string, unknown>>; readonly payload: readonly Buffer[] } {
  switch (record.kind) {
    case 'spine':
      return { head: { kind: 'spine', line: record.line.length }, payload: [record.line] };
    case 'batch': {
      const { session, segment, line, content } = record;
      const head = { kind: 'batch', session, segment, line: line.length };
      return content === undefined ? { head, payload: [line] } : { head: { ...head, content: content.length }, payload: [line, content] };
    }
    case 'staged': {
      const { content, ...head } = record;
      return content === undefined ? { head, payload: [] } : { head: { ...head, content: content.length }, payload: [content] };
    }
    case 'sealed':
      return { head: record, payload: [] };
  }
}

/** Undefined where the body is not exactly what `encodeRecords` writes. */
export function decodeRecords(body: Buffer): readonly JournalRecord[] | undefined {
  const records: JournalRecord[] = [];
  let at = 0;
  const take = (bytes: number): Buffer | undefined => {
    if (at + bytes > body.length) return undefined;
    at += bytes;
    return body.subarray(at - bytes, at);
  };
  while (at < body.length) {
    const end = body.indexOf(0x0a, at);
    if (end < 0) return undefined;
    const head = parsed(body.toString('utf8', at, end));
    at = end + 1;
    const record = head === undefined ? undefined : recordOf(head, take);
    if (record === undefined) return undefined;
    records.push(record);
  }
  return records;
}

function recordOf(head: Readonly<Record<string, unknown>>, take: (bytes: number) => Buffer | undefined): JournalRecord | undefined {
  const { kind, session, line, content, key, bytes, sha256, segment, next } = head;
  if (kind === 'spine') {
    const text = isCount(line) ? take(line) : undefined;
    return text === undefined ? undefined : { kind, line: text };
  }
  if (typeof session !== 'string' || !isId(session)) return undefined;
  if (!isCount(segment)) return undefined;
  if (kind === 'sealed') return isCount(next) ? { kind, session, segment, next } : undefined;
  const text = kind === 'batch' && isCount(line) ? take(line) : undefined;
  const rows = content === undefined ? NO_CONTENT : isCount(content) ? take(content) : undefined;
  if (rows === undefined) return undefined;
  const inline = rows === NO_CONTENT ? {} : { content: rows };
  if (kind === 'batch') return text === undefined ? undefined : { kind, session, segment, line: text, ...inline };
  if (kind === 'staged') {
    if (typeof key !== 'string' || !isCount(bytes) || !isHash(sha256)) return undefined;
    return { kind, session, segment, key, bytes, sha256, ...inline };
  }
  return undefined;
}

function parsed(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
