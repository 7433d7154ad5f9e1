/**
 * The sealer: every minute, and for an empty one too, it puts what all writers recorded under one tree and signs its head. Plan
 * first, then objects, then positions: wherever it dies, the next run ends what was planned and makes the same objects.
 */
import type { Signer } from '../../core/evidence/checkpoint.ts';
import { parseSealedWriter, sealedWriterBody, sealedWriterItem, followSpine } from '../../core/state/sealed-writer.ts';
import { executePlan, type Executed } from './execute-plan.ts';
import { type BrokenWriter, makePlan, type PlanParts, type Planning, SealStateMalformed } from './make-plan.ts';
import type { EvidenceStore, SealItem, SignerSource } from './ports.ts';
import { parsePlan, parseTree, PLAN_ITEM, type SealedTree, type SealPlan, TREE_ITEM } from './seal-plan.ts';

export type SealParts = Omit<PlanParts, 'signer'> & {
  readonly store: EvidenceStore;
  readonly signers: SignerSource;
  /** Told of each checkpoint that was signed; what it does with it cannot undo the seal. */
  readonly signed: (path: string, note: string) => Promise<void>;
  /** Told of each checkpoint's age before anything is tried: the alarm must sound while nothing can be signed too. */
  readonly age: (ms: number) => void;
};

export type SealOutcome = {
  /** Plans that this run carried out. */
  readonly seals: number;
  readonly size: number;
  readonly broken: readonly BrokenWriter[];
  /** Another run was faster; what it does is the same. */
  readonly elsewhere: boolean;
};

/** Seals until nothing is left or the time is up. Throws EvidenceTaken, JournalChanged, SealStateMalformed, and what ports throw. */
export async function seal(parts: SealParts): Promise<SealOutcome> {
  let seals = 0;
  let broken: readonly BrokenWriter[] = [];
  for (;;) {
    const { done, n, pending } = await readProgress(parts);
    if (seals === 0 && done !== undefined) parts.age(parts.clock.now() - done.checkpoint.atMs);
    const size = done?.size ?? 0;
    const signer = await parts.signers.signer();
    let planning: Pick<Planning, 'plan' | 'batches' | 'more'>;
    if (pending === undefined) {
      const made = await makePlan(n + 1, done, { ...parts, signer });
      broken = made.broken;
      if (!(await parts.state.put(PLAN_ITEM, n + 1, made.plan))) return { seals, size, broken, elsewhere: true };
      planning = made;
    } else planning = { plan: pending, batches: new Map(), more: true };
    const executed = await carryOut(planning.plan, planning.batches, signer, parts);
    if (executed === undefined) return { seals, size, broken, elsewhere: true };
    seals += 1;
    await parts.signed(executed.path, executed.note);
    // A plan that was left over says nothing of what came since: this run makes one of its own.
    if (!planning.more || !parts.goOn()) return { seals, size: executed.tree.size, broken, elsewhere: false };
  }
}

/** What was done last, and the plan that was made and not ended. */
async function readProgress({ state }: SealParts): Promise<{
  readonly done: SealedTree | undefined;
  readonly n: number;
  readonly pending: SealPlan | undefined;
}> {
  // The plan is read first: a tree that is newer than it only means that another run went on.
  const planItem = (await state.get([PLAN_ITEM])).get(PLAN_ITEM);
  const treeItem = (await state.get([TREE_ITEM])).get(TREE_ITEM);
  const n = treeItem?.v ?? 0;
  const done = treeItem === undefined ? undefined : parseTree(treeItem.body);
  if (treeItem !== undefined && done === undefined) throw new SealStateMalformed('the tree in the seal table cannot be read');
  if (planItem === undefined || planItem.v <= n) return { done, n, pending: undefined };
  const pending = parsePlan(planItem.body);
  if (pending === undefined || pending.n !== n + 1 || planItem.v !== n + 1)
    throw new SealStateMalformed('the plan in the seal table cannot be read');
  return { done, n, pending };
}

async function carryOut(plan: SealPlan, batches: Planning['batches'], signer: Signer, parts: SealParts): Promise<Executed | undefined> {
  const { journals, store, state } = parts;
  const executed = await executePlan(plan, { journals, store, signer, origin: `sallyport/${parts.instance}`, batches });
  const items = await state.get(plan.parts.map(({ writer }) => sealedWriterItem(writer)));
  for (const { writer, to, ended } of plan.parts) {
    const before = items.get(sealedWriterItem(writer));
    // Written by a run before this one, from the same plan.
    if (before !== undefined && before.v >= plan.n) continue;
    const open = openBefore(writer, before);
    if (open !== undefined) followSpine(open, executed.batches.get(writer) ?? []);
    const body = sealedWriterBody({ position: to, ...(ended === undefined ? {} : { ended }), ...(open === undefined ? {} : { open }) });
    // Never forgotten, however small: a writer whose position was gone would be sealed a second time.
    await state.put(sealedWriterItem(writer), plan.n, body);
  }
  return (await state.put(TREE_ITEM, plan.n, executed.tree)) ? executed : undefined;
}

/** Undefined where they had become too many to keep. */
function openBefore(writer: string, item: SealItem | undefined): Map<string, string> | undefined {
  if (item === undefined) return new Map();
  const state = parseSealedWriter(item.body);
  if (state === undefined) throw new SealStateMalformed(`the item of ${writer} in the seal table cannot be read`);
  return state.open === undefined ? undefined : new Map(state.open);
}
