/** RFC 6962 §2.1: Merkle tree over an append-only list of leaves, kept as the roots of its complete subtrees. */
import { createHash } from 'node:crypto';

const LEAF = Buffer.of(0);
const NODE = Buffer.of(1);

export function leafHash(leaf: Buffer): Buffer {
  return createHash('sha256').update(LEAF).update(leaf).digest();
}

export function nodeHash(left: Buffer, right: Buffer): Buffer {
  return createHash('sha256').update(NODE).update(left).update(right).digest();
}

/** A tree that grows leaf by leaf in memory of its depth: one hash per set bit of its size. */
export class MerkleTree {
  private readonly complete: Buffer[];
  private leaves: number;

  /** With `peaks`, the tree of `size` leaves whose complete subtrees have these roots. Throws where the two do not fit. */
  constructor(size = 0, peaks: readonly Buffer[] = []) {
    let bits = 0;
    for (let left = size; left > 0; left = Math.floor(left / 2)) bits += left % 2;
    if (bits !== peaks.length) throw new Error('a tree of that size has another number of subtrees');
    this.leaves = size;
    this.complete = [...peaks];
  }

  /** Roots of the complete subtrees, largest first: all that is needed to go on. */
  get peaks(): readonly Buffer[] {
    return [...this.complete];
  }

  get size(): number {
    return this.leaves;
  }

  append(leaf: Buffer): void {
    let hash = leafHash(leaf);
    for (let width = this.leaves; width % 2 === 1; width = (width - 1) / 2) {
      const left = this.complete.pop();
      if (left === undefined) throw new Error('the tree lost a subtree');
      hash = nodeHash(left, hash);
    }
    this.complete.push(hash);
    this.leaves += 1;
  }

  /** The root over all leaves so far; of an empty tree the hash of nothing. */
  root(): Buffer {
    if (this.complete.length === 0) return createHash('sha256').digest();
    return this.complete.reduceRight((right, left) => nodeHash(left, right));
  }
}

/** RFC 6962 §2.1.1: the hashes that lead from one leaf to the root, nearest first. */
export function inclusionPath(leafHashes: readonly Buffer[], index: number): Buffer[] {
  if (index < 0 || index >= leafHashes.length) throw new Error('no such leaf');
  if (leafHashes.length === 1) return [];
  const split = splitOf(leafHashes.length);
  const left = leafHashes.slice(0, split);
  const right = leafHashes.slice(split);
  return index < split ? [...inclusionPath(left, index), rootOf(right)] : [...inclusionPath(right, index - split), rootOf(left)];
}

/** Whether `path` leads from this leaf at `index` to the root of a tree of `size` leaves (RFC 9162 §2.1.3.2). */
export function isIncluded(leaf: Buffer, index: number, size: number, path: readonly Buffer[], root: Buffer): boolean {
  if (index < 0 || index >= size) return false;
  let hash = leaf;
  let at = index;
  let last = size - 1;
  for (const sibling of path) {
    if (last === 0) return false;
    if (at % 2 === 1 || at === last) {
      hash = nodeHash(sibling, hash);
      while (at % 2 === 0 && at !== 0) {
        at /= 2;
        last = Math.floor(last / 2);
      }
    } else hash = nodeHash(hash, sibling);
    at = Math.floor(at / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 && hash.equals(root);
}

function rootOf(hashes: readonly Buffer[]): Buffer {
  const [only] = hashes;
  if (hashes.length === 1 && only !== undefined) return only;
  const split = splitOf(hashes.length);
  return nodeHash(rootOf(hashes.slice(0, split)), rootOf(hashes.slice(split)));
}

/** The largest power of two below `size`. */
function splitOf(size: number): number {
  let split = 1;
  while (split * 2 < size) split *= 2;
  return split;
}
