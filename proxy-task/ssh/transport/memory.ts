/** Blocks of memory that packets and what waits for a peer are put into: taken again and again, since V8 counts each new one as a reason to collect. */

export const BLOCK_BYTES = 256 * 1024;
/** Blocks kept for the next who asks: 16 MiB. */
const KEPT_BLOCKS = 64;

const kept: Buffer[] = [];

/** A block with anything in it. */
export function takeBlock(): Buffer {
  return kept.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES);
}

/** Nobody may read or write it afterwards. A block that is never given back is only garbage. */
export function giveBlock(block: Buffer): void {
  if (kept.length < KEPT_BLOCKS) kept.push(block);
}
