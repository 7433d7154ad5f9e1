/**
 * What one seal will do, written down before it does any of it. Everything that it puts follows from the plan and from journals
 * that never change, so whoever carries it out, and however often, makes the same objects.
 */
import { isHash, isRecord } from '../../core/evidence/batch.ts';
import type { JournalPosition } from '../../core/evidence/journal-chain.ts';
import { isDay, isId } from '../../core/evidence/layout.ts';
import type { SpineEnd } from '../../core/evidence/spine-lines.ts';
import { parsePosition } from '../../core/state/sealed-writer.ts';

/** A tree that can go on. */
export type TreeState = { readonly size: number; readonly peaks: readonly string[] };

/** A stretch of one writer's journal. */
export type PlannedPart = {
  readonly writer: string;
  readonly from: JournalPosition;
  readonly to: JournalPosition;
  readonly ended?: 'closed' | 'fenced';
};

/** A batch of the sealer's own spine; `at` is where the spine stood before it. */
export type OwnBatch = { readonly writer: string; readonly batch: number; readonly line: string };

export type SealPlan = {
  readonly n: number;
  readonly atMs: number;
  readonly day: string;
  /** The key that was to sign, which the sealer's spine may name: it may have been changed when the plan is carried out. */
  readonly keyId: string;
  readonly keyPem: string;
  readonly tree: TreeState;
  readonly parts: readonly PlannedPart[];
  readonly own: readonly OwnBatch[];
  readonly sealer: SealerSpine;
};

/** The sealer's own spine, behind this plan. */
export type SealerSpine = { readonly writer: string; readonly keyId: string; readonly end: SpineEnd };

export type LastCheckpoint = { readonly size: number; readonly day: string; readonly sha256: string; readonly atMs: number };

/** Item `tree`: what was sealed so far. Its version is the number of the last plan that was carried out. */
export type SealedTree = TreeState & { readonly sealer: SealerSpine; readonly checkpoint: LastCheckpoint };

export const TREE_ITEM = 'tree';
export const PLAN_ITEM = 'plan';

/** Undefined where the value is no plan. */
export function parsePlan(value: unknown): SealPlan | undefined {
  if (!isRecord(value)) return undefined;
  const { n, atMs, day, keyId, keyPem, parts, own } = value;
  const tree = parseTreeState(value['tree']);
  const sealer = parseSealer(value['sealer']);
  if (!isCount(n) || !isCount(atMs) || !isDay(day) || !isHash(keyId) || typeof keyPem !== 'string') return undefined;
  if (tree === undefined || sealer === undefined || !Array.isArray(parts) || !Array.isArray(own)) return undefined;
  const planned = parts.map(parsePart);
  const batches = own.map(parseOwn);
  if (!planned.every((part) => part !== undefined) || !batches.every((batch) => batch !== undefined)) return undefined;
  return { n, atMs, day, keyId, keyPem, tree, parts: planned, own: batches, sealer };
}

/** Undefined where the value is no tree. */
export function parseTree(value: unknown): SealedTree | undefined {
  if (!isRecord(value)) return undefined;
  const tree = parseTreeState(value);
  const sealer = parseSealer(value['sealer']);
  const { checkpoint } = value;
  if (tree === undefined || sealer === undefined || !isRecord(checkpoint)) return undefined;
  const { size, day, sha256, atMs } = checkpoint;
  if (!isCount(size) || !isDay(day) || !isHash(sha256) || !isCount(atMs)) return undefined;
  return { ...tree, sealer, checkpoint: { size, day, sha256, atMs } };
}

function parseTreeState(value: unknown): TreeState | undefined {
  if (!isRecord(value)) return undefined;
  const { size, peaks } = value;
  return isCount(size) && Array.isArray(peaks) && peaks.every(isHash) ? { size, peaks } : undefined;
}

function parseSealer(value: unknown): SealerSpine | undefined {
  if (!isRecord(value) || !isRecord(value['end']) || !isRecord(value['end']['head'])) return undefined;
  const { writer, keyId } = value;
  const { nextEvent } = value['end'];
  const { batch, hash } = value['end']['head'];
  if (typeof writer !== 'string' || !isId(writer) || !isHash(keyId) || !isCount(nextEvent) || !isHash(hash)) return undefined;
  return isCount(batch) ? { writer, keyId, end: { head: { batch, hash }, nextEvent } } : undefined;
}

function parsePart(value: unknown): PlannedPart | undefined {
  if (!isRecord(value)) return undefined;
  const { writer, ended } = value;
  const from = parsePosition(value['from']);
  const to = parsePosition(value['to']);
  if (typeof writer !== 'string' || !isId(writer) || from === undefined || to === undefined) return undefined;
  if (ended !== undefined && ended !== 'closed' && ended !== 'fenced') return undefined;
  return { writer, from, to, ...(ended === undefined ? {} : { ended }) };
}

function parseOwn(value: unknown): OwnBatch | undefined {
  if (!isRecord(value)) return undefined;
  const { writer, batch, line } = value;
  return typeof writer === 'string' && isId(writer) && isCount(batch) && typeof line === 'string' ? { writer, batch, line } : undefined;
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
