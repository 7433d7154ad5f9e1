/** Carries out a plan: puts its pieces, its leaves and its checkpoint. Done twice, or by two at once, it makes the same objects. */
import { createHash } from 'node:crypto';
import {
  type Checkpoint,
  checkpointNote,
  parseCheckpoint,
  signedBy,
  type Signer,
  treeHeadText,
  trustedKey,
} from '../../core/evidence/checkpoint.ts';
import type { SpineBatch } from '../../core/evidence/journal-chain.ts';
import { checkpointPath, FORMAT_PATH, FORMAT_TEXT, keyPath, leafLine, leavesPath, spinePiecePath } from '../../core/evidence/layout.ts';
import { MerkleTree } from '../../core/evidence/merkle.ts';
import { SallyportError } from '../../core/errors.ts';
import { JournalFollower } from './follow-journals.ts';
import type { EvidenceStore, JournalReader } from './ports.ts';
import type { PlannedPart, SealedTree, SealPlan } from './seal-plan.ts';

/** Something else stands where this seal must put its own: somebody wrote into the evidence. Nothing is signed over it. */
export class EvidenceTaken extends SallyportError {
  readonly code = 'evidence-taken';
}

/** Pieces put at the same time. */
const PUTS = 8;

export type ExecuteParts = {
  readonly journals: JournalReader;
  readonly store: EvidenceStore;
  readonly signer: Signer;
  /** `sallyport/<instance>` */
  readonly origin: string;
  /** Batches that planning has read. */
  readonly batches: ReadonlyMap<string, readonly SpineBatch[]>;
};

export type Executed = {
  readonly tree: SealedTree;
  readonly batches: ReadonlyMap<string, readonly SpineBatch[]>;
  /** The checkpoint's file. */
  readonly path: string;
  readonly note: string;
};

/** Throws EvidenceTaken, JournalChanged, and whatever the ports throw. */
export async function executePlan(plan: SealPlan, parts: ExecuteParts): Promise<Executed> {
  const { store, signer } = parts;
  await put(store, FORMAT_PATH, Buffer.from(FORMAT_TEXT));
  await put(store, keyPath(plan.keyId), Buffer.from(plan.keyPem));
  if (signer.keyId !== plan.keyId) await put(store, keyPath(signer.keyId), Buffer.from(signer.publicKeyPem));
  const batches = await readParts(plan.parts, parts);
  const tree = new MerkleTree(
    plan.tree.size,
    plan.tree.peaks.map((peak) => Buffer.from(peak, 'hex')),
  );
  const leaves: string[] = [];
  const grow = (writer: string, batch: number, line: Buffer | string): void => {
    const leaf = leafLine({ writer, batch, hash: createHash('sha256').update(line).digest('hex') });
    tree.append(Buffer.from(leaf));
    leaves.push(leaf);
  };
  for (const { writer } of plan.parts) {
    for (const { head, line } of batches.get(writer) ?? []) grow(writer, head.batch, line);
  }
  for (const { writer, batch, line } of plan.own) grow(writer, batch, line);
  await putPieces(plan, batches, store);
  await put(store, leavesPath(plan.day, tree.size), Buffer.from(`${leaves.join('\n')}\n`));
  const { path, note } = await putCheckpoint(plan, tree, parts);
  const checkpoint = { size: tree.size, day: plan.day, sha256: createHash('sha256').update(note).digest('hex'), atMs: plan.atMs };
  const peaks = tree.peaks.map((peak) => peak.toString('hex'));
  return { tree: { size: tree.size, peaks, sealer: plan.sealer, checkpoint }, batches, path, note };
}

async function readParts(
  planned: readonly PlannedPart[],
  { journals, batches }: ExecuteParts,
): Promise<Map<string, readonly SpineBatch[]>> {
  const read = new Map<string, readonly SpineBatch[]>();
  for (const { writer, from, to } of planned) {
    read.set(writer, batches.get(writer) ?? (await JournalFollower.again(journals, writer, from, to)));
  }
  return read;
}

async function putPieces(plan: SealPlan, batches: ReadonlyMap<string, readonly SpineBatch[]>, store: EvidenceStore): Promise<void> {
  const pieces = plan.parts.flatMap(({ writer, from }): [string, Buffer][] => {
    const lines = batches.get(writer) ?? [];
    const bytes = Buffer.concat(lines.flatMap(({ line }) => [line, Buffer.from('\n')]));
    return lines.length === 0 ? [] : [[spinePiecePath(writer, from.spine.batch + 1), bytes]];
  });
  const worker = async (): Promise<void> => {
    for (let piece = pieces.shift(); piece !== undefined; piece = pieces.shift()) await put(store, ...piece);
  };
  await Promise.all(Array.from({ length: PUTS }, worker));
  // Behind the others: it speaks of them.
  for (const { writer, batch, line } of plan.own) await put(store, spinePiecePath(writer, batch), Buffer.from(`${line}\n`));
}

/** ECDSA signs differently every time: a checkpoint that stands there already is checked, and stays. */
async function putCheckpoint(
  plan: SealPlan,
  tree: MerkleTree,
  { store, signer, origin }: ExecuteParts,
): Promise<{ path: string; note: string }> {
  const path = checkpointPath(plan.day, tree.size);
  const head = { origin, size: tree.size, root: tree.root() };
  const note = checkpointNote(head, signer.keyId, await signer.sign(Buffer.from(treeHeadText(head))));
  if ((await store.put(path, Buffer.from(note))) !== 'taken') return { path, note };
  const standing = (await store.read(path))?.toString('utf8');
  const checkpoint = standing === undefined ? undefined : parseCheckpoint(standing);
  if (standing === undefined || checkpoint === undefined || checkpoint.text !== treeHeadText(head))
    throw new EvidenceTaken(`another file stands at ${path}`);
  if (!isOurs(checkpoint, plan, signer)) throw new EvidenceTaken(`the checkpoint at ${path} was not signed by this sealer`);
  return { path, note: standing };
}

/** Signed with the key of now, or with that of the plan: it may have been changed since. */
function isOurs(checkpoint: Checkpoint, plan: SealPlan, signer: Signer): boolean {
  const keys = [signer.publicKeyPem, plan.keyPem].map(trustedKey).filter((key) => key !== undefined);
  return signedBy(checkpoint, keys) !== undefined;
}

async function put(store: EvidenceStore, path: string, bytes: Buffer): Promise<void> {
  if ((await store.put(path, bytes)) === 'taken') throw new EvidenceTaken(`another file stands at ${path}`);
}
