/** Checks spines against the leaves of the tree, and the tree against its checkpoints; all in one pass over each. */
import { createHash } from 'node:crypto';
import { type FoundBatch, NO_BATCH } from './batch.ts';
import { ChainCheck, placeOfBatch } from './chain.ts';
import { type Checkpoint, parseCheckpoint, signedBy, type TrustedKey } from './checkpoint.ts';
import type { Findings } from './findings.ts';
import { checkpointPath, leafLine, parseLeaf, writerPath } from './layout.ts';
import { MerkleTree } from './merkle.ts';
import type { FileEnd } from './read-chain.ts';
import { openSpine, type SpineCursor, type SpineFiles } from './read-spine.ts';
import { type EvidenceSource, readWhole } from './source.ts';
import type { TornTail } from './spine.ts';
import type { SpineLedger } from './spine-ledger.ts';

const SPINE_BUFFER_BYTES = 64 * 1024;
/** A leaf with the shortest writer, and its line feed. */
const MIN_LEAF_LINE = leafLine({ writer: 'w', batch: 0, hash: NO_BATCH }).length + 1;

/** A file whose name ends in a size of the tree. */
export type SizedFile = { readonly path: string; readonly size: number };

type Spine = { readonly cursor: SpineCursor; readonly chain: ChainCheck; leafed: number; covered: number };

export type SpineParts = {
  readonly source: EvidenceSource;
  readonly findings: Findings;
  readonly ledger: SpineLedger;
  readonly keys: readonly TrustedKey[];
  /** A checkpoint that was kept elsewhere. */
  readonly kept: Checkpoint | undefined;
};

export type SpineResult = {
  readonly leaves: number;
  /** Batches of spines that no checkpoint is over yet. */
  readonly uncovered: number;
  readonly newest: { readonly path: string; readonly checkpoint: Checkpoint } | undefined;
  /** Writers that neither closed nor were fenced. */
  readonly openWriters: readonly string[];
};

export class SpineCheck {
  private readonly parts: SpineParts;
  private readonly buffer = Buffer.allocUnsafe(SPINE_BUFFER_BYTES);
  private readonly tree = new MerkleTree();
  private readonly spines = new Map<string, Spine>();
  private readonly ends = new Map<string, FileEnd>();
  private treeBroken = false;
  private keptSeen = false;
  private newest: SpineResult['newest'];

  constructor(parts: SpineParts) {
    this.parts = parts;
  }

  async run(
    writers: readonly (readonly [writer: string, files: SpineFiles])[],
    leaves: readonly SizedFile[],
    checkpoints: readonly SizedFile[],
  ): Promise<SpineResult> {
    for (const [writer, files] of writers) await this.openSpine(writer, files);
    let waiting = [...checkpoints];
    const passed = async (): Promise<void> => {
      for (let [next] = waiting; next !== undefined && next.size <= this.tree.size; [next] = waiting) {
        waiting = waiting.slice(1);
        await this.checkCheckpoint(next);
      }
    };
    for (const file of leaves) {
      await this.takeLeaves(file);
      await passed();
    }
    for (const file of waiting) {
      this.parts.findings.notComplete(file.path, `the checkpoint is over ${file.size} leaves, but only ${this.tree.size} are there`);
      await this.checkCheckpoint(file);
    }
    this.checkKept();
    const uncovered = await this.drain();
    await this.checkCheckpointNames(new Map(checkpoints.map(({ size, path }) => [size, path])));
    return { leaves: this.tree.size, uncovered, newest: this.newest, openWriters: this.checkEnds() };
  }

  private async openSpine(writer: string, files: SpineFiles): Promise<void> {
    const { findings } = this.parts;
    const cursor = await openSpine(this.parts.source, writer, files, this.buffer, (about, path, what, where) => {
      if (about === 'intact') findings.notIntact(path, what, where);
      else findings.notComplete(path, what, where);
    });
    if (cursor === undefined) return;
    this.spines.set(writer, { cursor, chain: new ChainCheck({ kind: 'writer', id: writer }, this.parts.findings), leafed: 0, covered: 0 });
    this.parts.ledger.writer(writer);
  }

  private async takeLeaves({ path, size }: SizedFile): Promise<void> {
    const { source, findings, kept } = this.parts;
    const text = (await readWhole(source, path, findings))?.toString('utf8');
    if (text === undefined) {
      findings.notComplete(path, 'the leaves are missing');
      return;
    }
    if (countLines(text) * MIN_LEAF_LINE > text.length) {
      findings.notIntact(path, 'the lines are too short to be leaves');
      this.treeBroken = true;
      return;
    }
    const lines = text.split('\n');
    if (lines.pop() !== '') findings.notIntact(path, 'the file does not end in a whole line');
    if (this.tree.size + lines.length !== size && !this.treeBroken) {
      findings.notComplete(
        path,
        `the tree had ${this.tree.size} leaves before these ${lines.length}, which does not make ${size}: leaves are missing`,
      );
      this.treeBroken = true;
    }
    let atByte = 0;
    for (const line of lines) {
      await this.takeLeaf(path, line, atByte);
      atByte += Buffer.byteLength(line) + 1;
      if (kept !== undefined && this.tree.size === kept.size) {
        this.keptSeen = true;
        if (!this.tree.root().equals(kept.root) && !this.treeBroken) {
          findings.notIntact(path, `the tree of ${kept.size} leaves is not the one of the kept checkpoint: evidence was rewritten`);
        }
      }
    }
  }

  private async takeLeaf(path: string, line: string, atByte: number): Promise<void> {
    const { findings } = this.parts;
    this.tree.append(Buffer.from(line));
    const leaf = parseLeaf(line);
    if (leaf === undefined) {
      findings.notIntact(path, 'the line is not a leaf', { atByte });
      return;
    }
    const spine = this.spines.get(leaf.writer);
    if (spine === undefined) {
      findings.notComplete(writerPath(leaf.writer), `the spine is missing: ${path} names its batch ${leaf.batch}`);
      return;
    }
    // After a gap in the leaves, the spine catches up with the leaf.
    let batch = await this.advance(leaf.writer, spine);
    while (batch !== undefined && batch.batch < leaf.batch) batch = await this.advance(leaf.writer, spine);
    if (batch === undefined) findings.notComplete(spine.cursor.path, `batch ${leaf.batch} is missing: ${path} names it`);
    else if (batch.batch !== leaf.batch || batch.hash !== leaf.hash) {
      findings.notIntact(spine.cursor.path, `the batch is not the one that ${path} names at byte ${atByte}`, placeOfBatch(batch));
    }
    spine.leafed = spine.chain.head.batch + 1;
  }

  private async advance(writer: string, spine: Spine): Promise<FoundBatch | undefined> {
    const batch = await spine.cursor.next();
    if (batch === undefined) return undefined;
    const { findings, ledger } = this.parts;
    const { path } = spine.cursor;
    spine.chain.take(path, batch);
    for (const event of batch.events) ledger.take(writer, event, (what) => findings.notIntact(path, what, placeOfBatch(batch)));
    return batch;
  }

  private async checkCheckpoint({ path, size }: SizedFile): Promise<void> {
    const { source, findings, keys } = this.parts;
    const checkpoint = parseCheckpoint((await readWhole(source, path, findings))?.toString('utf8') ?? '');
    if (checkpoint === undefined) {
      findings.notIntact(path, 'the file is not a checkpoint');
      return;
    }
    if (checkpoint.size !== size)
      findings.notIntact(path, `the checkpoint is over ${checkpoint.size} leaves, not over the ${size} of its name`);
    if (signedBy(checkpoint, keys) === undefined) findings.notIntact(path, 'no trusted key made its signature');
    if (this.newest !== undefined && this.newest.checkpoint.origin !== checkpoint.origin) {
      findings.notIntact(path, `the checkpoint is of ${checkpoint.origin}, the one before of ${this.newest.checkpoint.origin}`);
    }
    if (size <= this.tree.size && !this.treeBroken) {
      if (size !== this.tree.size) findings.notComplete(path, `the leaves file that ends at ${size} is missing`);
      else if (!checkpoint.root.equals(this.tree.root())) {
        findings.notIntact(path, 'its root is not that of the leaves: a leaf or the checkpoint was changed');
      }
    }
    if (size === this.tree.size) for (const spine of this.spines.values()) spine.covered = spine.leafed;
    this.newest = { path, checkpoint };
  }

  private checkKept(): void {
    const { kept, findings, keys } = this.parts;
    if (kept === undefined) return;
    const where = 'the kept checkpoint';
    if (signedBy(kept, keys) === undefined) findings.notIntact(where, 'no trusted key made its signature');
    if (this.newest !== undefined && this.newest.checkpoint.origin !== kept.origin) findings.notIntact(where, `it is of ${kept.origin}`);
    if (!this.keptSeen)
      findings.notComplete(where, `it is over ${kept.size} leaves, but only ${this.tree.size} are there: evidence was removed`);
  }

  private async drain(): Promise<number> {
    let uncovered = 0;
    for (const [writer, spine] of this.spines) {
      while ((await this.advance(writer, spine)) !== undefined);
      uncovered += spine.chain.head.batch + 1 - spine.covered;
      this.ends.set(writer, await spine.cursor.finish());
    }
    this.parts.ledger.finish();
    return uncovered;
  }

  /** A spine names each checkpoint after it was signed; only the newest can be unnamed. */
  private async checkCheckpointNames(present: ReadonlyMap<number, string>): Promise<void> {
    const { ledger, source, findings } = this.parts;
    const named = new Set<number>();
    for (const { size, day, sha256 } of ledger.checkpoints) {
      named.add(size);
      const path = present.get(size) ?? checkpointPath(day, size);
      const note = await readWhole(source, path, findings);
      if (note === undefined) findings.notComplete(path, 'the checkpoint is missing: a spine names it');
      else if (createHash('sha256').update(note).digest('hex') !== sha256) {
        findings.notIntact(path, 'the checkpoint is not the one that a spine names');
      }
    }
    const newest = Math.max(-1, ...present.keys());
    for (const [size, path] of present) {
      if (size !== newest && !named.has(size)) findings.notIntact(path, 'no spine names this checkpoint');
    }
  }

  private checkEnds(): string[] {
    const { ledger, findings } = this.parts;
    const open: string[] = [];
    for (const [writer, { opened, closed, fence, namedAt }] of ledger.writers) {
      const spine = this.spines.get(writer);
      const path = spine?.cursor.path ?? writerPath(writer);
      const end = this.ends.get(writer);
      if (spine === undefined || end === undefined) {
        findings.notComplete(path, 'the spine is missing: another names its writer');
        continue;
      }
      const { head } = spine.chain;
      if (fence === undefined && !closed) open.push(writer);
      for (const at of [fence?.head, namedAt]) {
        if (at === undefined) continue;
        if (at.batch > head.batch)
          findings.notComplete(path, `the spine ends at batch ${head.batch}, but a later writer found ${at.batch}`);
        else if (at.batch < head.batch)
          findings.notIntact(path, `the spine goes on behind batch ${at.batch}, where a later writer ended it`);
        else if (at.hash !== head.hash) findings.notIntact(path, `batch ${at.batch} is not the one that a later writer found`);
      }
      if (closed && spine.covered <= head.batch) {
        findings.notComplete('checkpoints', `the writer ${writer} closed, but no checkpoint is over its end`);
      }
      if (!opened && head.batch >= 0) findings.notIntact(path, 'the spine does not start with writer.opened');
      checkTail(findings, path, end, fence?.torn, fence === undefined && !closed);
    }
    return open;
  }
}

function countLines(text: string): number {
  let lines = 0;
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) lines += 1;
  return lines;
}

/** A tail that belongs to no whole batch is only right where a later writer named exactly that, or may still be in writing. */
export function checkTail(findings: Findings, path: string, end: FileEnd, named: TornTail | undefined, live: boolean): void {
  const { tail, endByte, unreadable } = end;
  if (named !== undefined) {
    if (tail === undefined || tail.bytes < named.bytes) {
      findings.notComplete(path, `the torn tail of ${named.bytes} bytes that a later writer named is not there`, { atByte: endByte });
    } else if (tail.bytes !== named.bytes || tail.sha256 !== named.sha256) {
      findings.notIntact(path, 'the torn tail is not the one that a later writer named', { atByte: endByte });
    }
    return;
  }
  if (tail === undefined || (live && unreadable === undefined)) return;
  const what = unreadable ?? `${tail.bytes} bytes stand behind the last whole batch, and nobody named them`;
  findings.notIntact(path, what, { atByte: endByte });
}
