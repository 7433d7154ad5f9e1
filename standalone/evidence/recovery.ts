/** What earlier writers left: read from their spines, and ended where they did not end it themselves. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type FoundBatch, type FoundEvent, isRecord, NO_BATCH } from '../../core/evidence/batch.ts';
import { segmentPath, writerPath } from '../../core/evidence/layout.ts';
import type { ChainHead, SpineEvent, TornTail } from '../../core/evidence/spine.ts';
import { namesIn, readBatches, tornTail } from './read-batches.ts';

export type WriterState = {
  readonly writer: string;
  readonly head: ChainHead;
  readonly torn: TornTail | undefined;
  readonly closed: boolean;
  /** Recordings that it opened and did not close: session → day. */
  readonly open: ReadonlyMap<string, string>;
};

/** All that the spines of a directory say. */
export type LeftBehind = {
  readonly writers: readonly WriterState[];
  readonly fenced: ReadonlySet<string>;
  readonly sealed: ReadonlySet<string>;
  /** Writers that a `writer.opened` names. */
  readonly named: ReadonlySet<string>;
  /** Sizes whose checkpoint a spine names. */
  readonly checkpoints: ReadonlySet<number>;
};

/** Reads every spine but that of `except`. A batch that does not follow on the one before ends what is readable. */
export function readLeftBehind(root: string, except: string): LeftBehind {
  const fenced = new Set<string>();
  const sealed = new Set<string>();
  const named = new Set<string>();
  const checkpoints = new Set<number>();
  const writers = namesIn(root, 'writers')
    .filter((name) => name.endsWith('.log') && name !== `${except}.log`)
    .map((name) => {
      const writer = name.slice(0, -'.log'.length);
      const open = new Map<string, string>();
      let closed = false;
      const { head, torn } = readChain(join(root, writerPath(writer)), 0, { batch: -1, hash: NO_BATCH }, (batch) => {
        for (const event of batch.events) {
          const session = text(event, 'session');
          if (event.type === 'recording.opened') open.set(session, text(event, 'day'));
          else if (event.type === 'recording.closed') open.delete(session);
          else if (event.type === 'recording.sealed') sealed.add(session);
          else if (event.type === 'writer.fenced') fenced.add(text(event, 'writer'));
          else if (event.type === 'writer.closed') closed = true;
          else if (event.type === 'checkpoint.signed') checkpoints.add(Number(event['size']));
          else if (event.type === 'writer.opened') previousOf(event).forEach((name) => named.add(name));
        }
      });
      return { writer, head, torn, closed, open };
    });
  return { writers, fenced, sealed, named, checkpoints };
}

/**
 * The entries that end a dead writer: one per recording that it left open, then its own fence. Together in one batch, so
 * that a death in between leaves nothing half done. No byte of the dead writer's files changes.
 */
export function fenceEntries(root: string, dead: WriterState, sealed: ReadonlySet<string>, reason: string): SpineEvent[] {
  const recordings = [...dead.open].filter(([session]) => !sealed.has(session));
  return [
    ...recordings.map(([session, day]) => sealEntry(root, dead.writer, session, day, reason)),
    { type: 'writer.fenced', writer: dead.writer, head: dead.head, ...(dead.torn === undefined ? {} : { torn: dead.torn }) },
  ];
}

function sealEntry(root: string, writer: string, session: string, day: string, reason: string): SpineEvent {
  let segment = 0;
  while (existsSync(join(root, segmentPath(day, session, segment + 1)))) segment += 1;
  let head: ChainHead = { batch: -1, hash: NO_BATCH };
  let torn: TornTail | undefined;
  // The last segment may hold no whole batch; the head is then in one before.
  for (let at = segment; at >= 0 && head.batch < 0; at -= 1) {
    const path = join(root, segmentPath(day, session, at));
    if (!existsSync(path)) break;
    const found = readChain(path, 0, undefined, () => undefined);
    head = found.head;
    if (at === segment) torn = found.torn;
  }
  return { type: 'recording.sealed', session, writer, segment, head, ...(torn === undefined ? {} : { torn }), abnormal: true, reason };
}

/** Follows a chain to its last whole batch. Without `before`, the first batch is taken as it stands. */
function readChain(
  path: string,
  fromByte: number,
  before: ChainHead | undefined,
  visit: (batch: FoundBatch) => void,
): { readonly head: ChainHead; readonly torn: TornTail | undefined } {
  let head = before;
  const { endByte } = readBatches(path, fromByte, (batch) => {
    if (head !== undefined && (batch.batch !== head.batch + 1 || batch.prev !== head.hash)) return false;
    if (!batch.contentIntact) return false;
    head = { batch: batch.batch, hash: batch.hash };
    visit(batch);
    return true;
  });
  return { head: head ?? { batch: -1, hash: NO_BATCH }, torn: tornTail(path, endByte) };
}

function previousOf(event: FoundEvent): string[] {
  const { previous } = event;
  return Array.isArray(previous) ? previous.filter(isRecord).map(({ writer }) => String(writer)) : [];
}

function text(event: FoundEvent, key: string): string {
  const value = event[key];
  return typeof value === 'string' ? value : '';
}
