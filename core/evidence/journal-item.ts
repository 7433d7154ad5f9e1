/**
 * A place of a journal as DynamoDB has it: a commit, or the tombstone that ends its writer. Both stand under the same key, each
 * written only where nothing stands, so that one of the two is there for ever.
 */
import { isHash } from './batch.ts';
import { type JournalCommit, journalPartition } from './journal.ts';

/** What stands at one sequence number of a writer's journal. */
export type JournalEntry =
  | { readonly kind: 'commit'; readonly commit: JournalCommit; readonly atMs: number }
  | { readonly kind: 'tombstone'; readonly seq: number; readonly fencedBy: string }
  /** Something that no writer of ours puts there. */
  | { readonly kind: 'malformed'; readonly seq: number };

/** Attributes in DynamoDB's own notation. */
export type JournalAttributes = Readonly<Record<string, { readonly S: string } | { readonly N: string } | { readonly B: Uint8Array }>>;

/** The key of a place. */
export function journalKey(writer: string, seq: number): { readonly id: { readonly S: string }; readonly n: { readonly N: string } } {
  return { id: { S: journalPartition(writer, seq) }, n: { N: String(seq) } };
}

/** `ttlS`: seconds since the epoch from which on the table may forget the item, long after it was sealed. */
export function encodeCommit(commit: JournalCommit, atMs: number, ttlS: number): JournalAttributes {
  return {
    ...journalKey(commit.writer, commit.seq),
    prev: { S: commit.prev },
    hash: { S: commit.hash },
    body: { B: commit.body },
    needed: { N: String(commit.needed) },
    at: { N: String(Math.trunc(atMs)) },
    ttl: { N: String(Math.ceil(ttlS)) },
  };
}

/** The entry that ends a writer: whoever it names has taken over. */
export function encodeTombstone(writer: string, seq: number, fencedBy: string, atMs: number, ttlS: number): JournalAttributes {
  return {
    ...journalKey(writer, seq),
    fencedBy: { S: fencedBy },
    at: { N: String(Math.trunc(atMs)) },
    ttl: { N: String(Math.ceil(ttlS)) },
  };
}

/** Reads an item of this writer's journal. The hashes are for the caller to check. */
export function decodeJournalItem(writer: string, seq: number, item: Readonly<Record<string, unknown>>): JournalEntry {
  const fencedBy = attribute(item['fencedBy'], 'S');
  const body = attribute(item['body'], 'B');
  if (typeof fencedBy === 'string') return body === undefined ? { kind: 'tombstone', seq, fencedBy } : { kind: 'malformed', seq };
  const prev = attribute(item['prev'], 'S');
  const hash = attribute(item['hash'], 'S');
  const needed = Number(attribute(item['needed'], 'N') ?? Number.NaN);
  const atMs = Number(attribute(item['at'], 'N') ?? Number.NaN);
  if (!isHash(prev) || !isHash(hash) || !(body instanceof Uint8Array)) return { kind: 'malformed', seq };
  if (!Number.isSafeInteger(needed) || needed < 0 || needed > seq || !Number.isSafeInteger(atMs)) return { kind: 'malformed', seq };
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  return { kind: 'commit', commit: { writer, seq, prev, hash, body: bytes, needed }, atMs };
}

function attribute(value: unknown, type: 'S' | 'N' | 'B'): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  return Object.getOwnPropertyDescriptor(value, type)?.value;
}
