/**
 * Puts every batch of every spine under one append-only tree and signs its head. Reads the spines from disk, as anyone
 * could: a spine that was rewritten behind what is already in the tree is found here, and nothing is signed any more.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { NO_BATCH } from '../../core/evidence/batch.ts';
import { checkpointNote, parseCheckpoint, type Signer, treeHeadText } from '../../core/evidence/checkpoint.ts';
import { checkpointPath, leafLine, leavesPath, parseLeaf, writerPath } from '../../core/evidence/layout.ts';
import { MerkleTree } from '../../core/evidence/merkle.ts';
import type { ChainHead } from '../../core/evidence/spine.ts';
import { SallyportError } from '../../core/errors.ts';
import type { AppendFiles } from './append-files.ts';
import { namesIn, readBatches } from './read-batches.ts';

/** What is on disk does not continue what was signed: the evidence was changed, or its disk is broken. */
export class EvidenceBroken extends SallyportError {
  readonly code = 'evidence-broken';
}

export type SignedCheckpoint = { readonly size: number; readonly day: string; readonly path: string; readonly sha256: string };

export type SealerParts = {
  readonly root: string;
  readonly files: AppendFiles;
  readonly signer: Signer;
  /** `sallyport/<instance>` */
  readonly origin: string;
  readonly day: () => string;
};

type Tail = { head: ChainHead; atByte: number };

export class Sealer {
  private readonly parts: SealerParts;
  private readonly tree = new MerkleTree();
  private readonly tails = new Map<string, Tail>();
  /** Where the tree already reaches in spines that were not read yet. */
  private readonly known = new Map<string, ChainHead>();
  /** Leaves that stand in no file yet. */
  private fresh: string[] = [];
  private lastSigned = -1;

  /** Reads the leaves that are there. Throws EvidenceBroken. */
  constructor(parts: SealerParts) {
    this.parts = parts;
    for (const day of namesIn(parts.root, 'checkpoints')) {
      for (const name of namesIn(parts.root, 'checkpoints', day)) {
        if (name.endsWith('.leaves')) this.readLeaves(join('checkpoints', day, name));
        else if (name.endsWith('.ckpt')) this.lastSigned = Math.max(this.lastSigned, Number.parseInt(name, 10));
      }
    }
    if (this.lastSigned > this.tree.size) throw new EvidenceBroken('the newest checkpoint is over more leaves than there are');
  }

  /** Takes in what the spines gained, and signs. Undefined when no leaf came since the last checkpoint. */
  async seal(): Promise<SignedCheckpoint | undefined> {
    const { root, files, signer, origin } = this.parts;
    for (const name of namesIn(root, 'writers')) {
      if (name.endsWith('.log')) this.takeSpine(name.slice(0, -'.log'.length));
    }
    const { size } = this.tree;
    if (size === this.lastSigned || size === 0) return undefined;
    const day = this.parts.day();
    if (this.fresh.length > 0) await this.publishLeaves(leavesPath(day, size));
    const head = { origin, size, root: this.tree.root() };
    const note = Buffer.from(checkpointNote(head, signer.keyId, await signer.sign(Buffer.from(treeHeadText(head)))));
    const path = checkpointPath(day, size);
    await files.publish(root, path, note);
    this.lastSigned = size;
    return { size, day, path, sha256: createHash('sha256').update(note).digest('hex') };
  }

  /** The newest checkpoint that is there, for a spine to name; undefined where there is none. */
  newest(): SignedCheckpoint | undefined {
    for (const day of namesIn(this.parts.root, 'checkpoints').toReversed()) {
      const path = checkpointPath(day, this.lastSigned);
      const whole = join(this.parts.root, path);
      if (!existsSync(whole)) continue;
      const note = readFileSync(whole);
      if (parseCheckpoint(note.toString()) === undefined) throw new EvidenceBroken(`${path} is not a checkpoint`);
      return { size: this.lastSigned, day, path, sha256: createHash('sha256').update(note).digest('hex') };
    }
    return undefined;
  }

  private takeSpine(writer: string): void {
    const path = join(this.parts.root, writerPath(writer));
    const tail = this.tails.get(writer) ?? { head: { batch: -1, hash: NO_BATCH }, atByte: 0 };
    this.tails.set(writer, tail);
    if (statSync(path).size === tail.atByte) return;
    const known = this.known.get(writer);
    const { endByte } = readBatches(path, tail.atByte, (batch) => {
      if (batch.batch !== tail.head.batch + 1 || batch.prev !== tail.head.hash) return false;
      tail.head = { batch: batch.batch, hash: batch.hash };
      if (known !== undefined && batch.batch <= known.batch) {
        if (batch.batch === known.batch && batch.hash !== known.hash) throw new EvidenceBroken(`the spine of ${writer} was rewritten`);
        return true;
      }
      this.take({ writer, ...tail.head });
      return true;
    });
    tail.atByte = endByte;
    if (known !== undefined && tail.head.batch < known.batch) throw new EvidenceBroken(`the spine of ${writer} was cut`);
  }

  private take(leaf: { writer: string; batch: number; hash: string }): void {
    const line = leafLine(leaf);
    this.tree.append(Buffer.from(line));
    this.fresh.push(line);
  }

  private async publishLeaves(path: string): Promise<void> {
    const { root, files } = this.parts;
    try {
      await files.publish(root, path, Buffer.from(`${this.fresh.join('\n')}\n`));
    } catch (error) {
      // The name may stand although its folder was not synced: the same leaves must not go into another file too.
      if (existsSync(join(root, path))) this.fresh = [];
      throw error;
    }
    this.fresh = [];
  }

  private readLeaves(path: string): void {
    for (const line of readFileSync(join(this.parts.root, path), 'utf8').split('\n').slice(0, -1)) {
      const leaf = parseLeaf(line);
      if (leaf === undefined) throw new EvidenceBroken(`${path} holds a line that is no leaf`);
      this.tree.append(Buffer.from(line));
      this.known.set(leaf.writer, { batch: leaf.batch, hash: leaf.hash });
    }
    if (this.tree.size !== Number.parseInt(path.slice(path.lastIndexOf('/') + 1), 10)) {
      throw new EvidenceBroken(`${path} does not hold the leaves that its name says`);
    }
  }
}
