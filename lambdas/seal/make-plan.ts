/** Plans a seal: what every writer recorded since the last one, and the sealer's own entries about it. */
import { JOURNAL_START, type SpineBatch } from '../../core/evidence/journal-chain.ts';
import type { Signer } from '../../core/evidence/checkpoint.ts';
import type { SpineEvent } from '../../core/evidence/spine.ts';
import { nextSpineLine, SPINE_START, type SpineEnd } from '../../core/evidence/spine-lines.ts';
import { NO_SLOT } from '../../core/evidence/short-writer.ts';
import { SallyportError } from '../../core/errors.ts';
import type { WriterItem } from '../../core/state/control.ts';
import { parseSealedWriter, type SealedWriter, sealedWriterItem } from '../../core/state/sealed-writer.ts';
import { sweptWriter } from '../../core/state/sweep-writer.ts';
import { type Followed, JournalFollower } from './follow-journals.ts';
import type { JournalReader, SealClock, SealItem, SealState, WriterDirectory } from './ports.ts';
import type { OwnBatch, PlannedPart, SealedTree, SealerSpine, SealPlan, TreeState } from './seal-plan.ts';

/** A plan is one item of the seal table: so many parts fit with room to spare. */
const MAX_PARTS = 400;
/** Writers read at the same time. */
const READERS = 8;

/** An item of the seal table is not what the sealer puts there. */
export class SealStateMalformed extends SallyportError {
  readonly code = 'seal-state-malformed';
}

export type BrokenWriter = { readonly writer: string; readonly seq: number; readonly why: string };

export type Planning = {
  readonly plan: SealPlan;
  /** The batches of each part, so that they are not read twice. */
  readonly batches: ReadonlyMap<string, readonly SpineBatch[]>;
  readonly broken: readonly BrokenWriter[];
  /** More is there than one plan takes. */
  readonly more: boolean;
};

export type PlanParts = {
  readonly journals: JournalReader;
  readonly writers: WriterDirectory;
  readonly state: SealState;
  readonly clock: SealClock;
  readonly signer: Pick<Signer, 'keyId' | 'publicKeyPem'>;
  readonly instance: string;
  /** Version of the program, for `writer.opened`. */
  readonly program: string;
  /** Random name of this start of the sealer, for `writer.opened`. */
  readonly boot: string;
  readonly limits: { readonly commitsPerWriter: number; readonly bodyBytes: number };
  readonly goOn: () => boolean;
};

/** The next plan behind `done`, the tree of the plan before; undefined where nothing was ever sealed. */
export async function makePlan(n: number, done: SealedTree | undefined, parts: PlanParts): Promise<Planning> {
  const { clock, signer } = parts;
  const atMs = Math.trunc(clock.now());
  const known = await parts.writers.list();
  const states = await readStates(parts.state, known);
  const { followed, more } = await followAll(rotated(known, n), states, parts);
  const moved = [...followed].filter(([, { from, to, ended }]) => to.nextSeq > from.nextSeq || ended !== undefined).slice(0, MAX_PARTS);
  const planned = moved.map(([writer, { from, to, ended }]): PlannedPart => ({
    writer,
    from,
    to,
    ...(ended === undefined ? {} : { ended }),
  }));
  const seen = moved.flatMap(([writer, { from, batches }]) => (from.spine.batch < 0 && batches.length > 0 ? [writer] : []));
  const broken = [...followed].flatMap(([writer, found]) => (found.broken === undefined ? [] : [{ writer, ...found.broken }]));
  const behind = more || moved.length === MAX_PARTS;
  const own = ownEntries(done, { seen, broken, behind }, known, parts, { atMs, monoUs: clock.monoUs() });
  const tree: TreeState = done === undefined ? { size: 0, peaks: [] } : { size: done.size, peaks: done.peaks };
  return {
    plan: {
      n,
      atMs,
      day: new Date(atMs).toISOString().slice(0, 10),
      keyId: signer.keyId,
      keyPem: signer.publicKeyPem,
      tree,
      parts: planned,
      ...own,
    },
    batches: new Map(moved.map(([writer, { batches }]) => [writer, batches])),
    broken,
    more: behind,
  };
}

async function readStates(state: SealState, known: readonly WriterItem[]): Promise<ReadonlyMap<string, SealedWriter>> {
  const items = await state.get(known.map(({ writer }) => sealedWriterItem(writer)));
  const states = new Map<string, SealedWriter>();
  for (const { writer } of known) {
    const item: SealItem | undefined = items.get(sealedWriterItem(writer));
    if (item === undefined) continue;
    const parsed = parseSealedWriter(item.body);
    // To start again from nothing would put its spine under the tree twice.
    if (parsed === undefined) throw new SealStateMalformed(`the item of ${writer} in the seal table cannot be read`);
    states.set(writer, parsed);
  }
  return states;
}

type Moved = Followed & { readonly ended?: 'closed' | 'fenced' };

/** Reads every journal that may go on. What a sweeper says of a writer is read behind the end of that writer. */
async function followAll(
  known: readonly WriterItem[],
  states: ReadonlyMap<string, SealedWriter>,
  { journals, limits, goOn }: PlanParts,
): Promise<{ readonly followed: ReadonlyMap<string, Moved>; readonly more: boolean }> {
  const follower = new JournalFollower(journals, limits, goOn);
  const followed = new Map<string, Moved>();
  let more = false;
  const follow = async (writer: string): Promise<void> => {
    const state = states.get(writer);
    if (state?.ended !== undefined) return;
    const found = await follower.follow(writer, state?.position ?? JOURNAL_START);
    const closed = found.batches.some(({ events }) => events.some(({ type }) => type === 'writer.closed'));
    const ended = found.fenced ? 'fenced' : closed ? 'closed' : undefined;
    followed.set(writer, { ...found, ...(ended === undefined ? {} : { ended }) });
    more ||= found.more;
  };
  const names = known.map(({ writer }) => writer);
  await each(
    names.filter((writer) => sweptWriter(writer) === undefined),
    follow,
  );
  const isOver = (writer: string): boolean =>
    !names.includes(writer) || states.get(writer)?.ended !== undefined || followed.get(writer)?.ended !== undefined;
  const sweepers = names.filter((writer) => {
    const swept = sweptWriter(writer);
    return swept !== undefined && isOver(swept);
  });
  await each(sweepers, follow);
  return { followed, more };
}

async function each(writers: readonly string[], follow: (writer: string) => Promise<void>): Promise<void> {
  const waiting = [...writers];
  const worker = async (): Promise<void> => {
    for (let writer = waiting.shift(); writer !== undefined; writer = waiting.shift()) await follow(writer);
  };
  await Promise.all(Array.from({ length: READERS }, worker));
}

/** Each plan starts with another writer: where the time runs out, it is not always for the same ones. */
function rotated(known: readonly WriterItem[], n: number): readonly WriterItem[] {
  const sorted = known.toSorted((a, b) => (a.writer < b.writer ? -1 : 1));
  const at = sorted.length === 0 ? 0 : n % sorted.length;
  return [...sorted.slice(at), ...sorted.slice(0, at)];
}

/**
 * The sealer's own batch: the checkpoint before, and the writers that it sees for the first time with the image that they run. Under
 * a new key it is another writer, and the old one closes.
 */
function ownEntries(
  done: SealedTree | undefined,
  found: { readonly seen: readonly string[]; readonly broken: readonly BrokenWriter[]; readonly behind: boolean },
  known: readonly WriterItem[],
  { instance, signer, program, boot }: PlanParts,
  stamp: { readonly atMs: number; readonly monoUs: number },
): { readonly own: readonly OwnBatch[]; readonly sealer: SealerSpine } {
  const { keyId } = signer;
  const writer = `sealer-${instance}-${keyId.slice(0, 8)}`;
  const own: OwnBatch[] = [];
  const add = (name: string, end: SpineEnd, entries: readonly SpineEvent[]): SpineEnd => {
    const next = nextSpineLine(name, end, entries, stamp);
    own.push({ writer: name, batch: next.end.head.batch, line: next.line.toString('utf8') });
    return next.end;
  };
  const same = done?.sealer.writer === writer;
  if (done !== undefined && !same) add(done.sealer.writer, done.sealer.end, [{ type: 'writer.closed', writer: done.sealer.writer }]);
  const entries: SpineEvent[] = same ? [] : [{ type: 'writer.opened', writer, boot, key: keyId, program, previous: [] }];
  if (found.behind) entries.push({ type: 'seal.behind' });
  if (done !== undefined) {
    const { size, day, sha256 } = done.checkpoint;
    entries.push({ type: 'checkpoint.signed', size, day, sha256 });
  }
  for (const { writer: name, image } of known.filter((item) => found.seen.includes(item.writer) && item.slot !== NO_SLOT)) {
    entries.push({ type: 'writer.seen', writer: name, image });
  }
  for (const { writer: name, seq } of found.broken) entries.push({ type: 'journal.broken', writer: name, commit: seq });
  const end = add(writer, same ? done.sealer.end : SPINE_START, entries);
  return { own, sealer: { writer, keyId, end } };
}
