/** Makes the batches of a spine where there is no file: for writers whose spine travels in a journal, and for the sealer's own. */
import { hash as sha256 } from 'node:crypto';
import { batchLine, NO_BATCH } from './batch.ts';
import { canonicalJson } from './canonical-json.ts';
import type { ChainHead, SpineEvent } from './spine.ts';

/** Where a spine stands: its last batch, and the number of its next event. */
export type SpineEnd = { readonly head: ChainHead; readonly nextEvent: number };

export const SPINE_START: SpineEnd = { head: { batch: -1, hash: NO_BATCH }, nextEvent: 0 };

/** One batch behind `end`: its line without the line feed, and where the spine stands then. */
export function nextSpineLine(
  writer: string,
  end: SpineEnd,
  entries: readonly SpineEvent[],
  stamp: { readonly atMs: number; readonly monoUs: number },
): { readonly line: Buffer; readonly end: SpineEnd } {
  const at = new Date(Math.trunc(stamp.atMs)).toISOString();
  const monoUs = Math.trunc(stamp.monoUs);
  const texts = entries.map((entry, index) => canonicalJson({ ...entry, at, monoUs, seq: end.nextEvent + index }));
  const batch = end.head.batch + 1;
  const line = Buffer.from(batchLine({ kind: 'writer', id: writer }, batch, end.head.hash, texts.join(',')));
  return { line, end: { head: { batch, hash: sha256('sha256', line, 'hex') }, nextEvent: end.nextEvent + entries.length } };
}
