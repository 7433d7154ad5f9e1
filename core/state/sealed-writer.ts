/** How far the sealer has come with one writer: an item of the seal table, which the sweeper reads too. */
import { isHash, isRecord } from '../evidence/batch.ts';
import type { JournalPosition, SpineBatch } from '../evidence/journal-chain.ts';
import { isDay, isId } from '../evidence/layout.ts';

export type SealedWriter = {
  readonly position: JournalPosition;
  /** Set when nothing can follow: the writer said that it closed, or somebody ended it. */
  readonly ended?: 'closed' | 'fenced';
  /** Recordings that were opened and neither closed nor sealed: session → day. Absent where they are too many to keep here. */
  readonly open?: ReadonlyMap<string, string>;
};

/** An item takes 400 KB; a session here is its id, its day and a few signs. */
const MAX_OPEN_BYTES = 350 * 1024;

/** Item of the seal table. */
export const sealedWriterItem = (writer: string): string => `writer#${writer}`;

export function sealedWriterBody({ position, ended, open }: SealedWriter): unknown {
  const sessions = open === undefined ? undefined : Object.fromEntries(open);
  const fits = sessions !== undefined && JSON.stringify(sessions).length <= MAX_OPEN_BYTES;
  return { position, ...(ended === undefined ? {} : { ended }), ...(fits ? { open: sessions } : {}) };
}

/** Undefined where the value is not one that `sealedWriterBody` makes. */
export function parseSealedWriter(body: unknown): SealedWriter | undefined {
  if (!isRecord(body)) return undefined;
  const position = parsePosition(body['position']);
  const { ended, open } = body;
  if (position === undefined || (ended !== undefined && ended !== 'closed' && ended !== 'fenced')) return undefined;
  const end: Pick<SealedWriter, 'ended'> = ended === undefined ? {} : { ended };
  if (open === undefined) return { position, ...end };
  if (!isRecord(open)) return undefined;
  const sessions = new Map<string, string>();
  for (const [session, day] of Object.entries(open)) {
    if (!isId(session) || !isDay(day)) return undefined;
    sessions.set(session, day);
  }
  return { position, ...end, open: sessions };
}

/** Reads a position out of an item. */
export function parsePosition(value: unknown): JournalPosition | undefined {
  if (!isRecord(value) || !isRecord(value['spine'])) return undefined;
  const { nextSeq, prev } = value;
  const { batch, hash } = value['spine'];
  if (!isCount(nextSeq, 0) || !isHash(prev) || !isCount(batch, -1) || !isHash(hash)) return undefined;
  return { nextSeq, prev, spine: { batch, hash } };
}

/** What these batches of its spine make of a writer's open recordings; tells whether they end the writer. */
export function followSpine(open: Map<string, string> | undefined, batches: readonly SpineBatch[]): { readonly closed: boolean } {
  let closed = false;
  for (const { events } of batches) {
    for (const { type, session, day } of events) {
      if (type === 'writer.closed') closed = true;
      if (typeof session !== 'string') continue;
      if (type === 'recording.opened' && isDay(day) && isId(session)) open?.set(session, day);
      else if (type === 'recording.closed') open?.delete(session);
    }
  }
  return { closed };
}

function isCount(value: unknown, least: number): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= least;
}
