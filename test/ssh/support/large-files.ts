/** Large files, made and compared without ever being in memory: blocks of random bytes, each with its own number. */
import { createHash, randomFillSync } from 'node:crypto';
import { closeSync, createReadStream, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { pipeline } from 'node:stream/promises';

export const MIB = 1024 * 1024;
export const GIB = 1024 * MIB;

/** Writes a file that does not compress, and no two blocks of which are the same; its SHA-256. */
export function makeLargeFile(path: string, bytes: number): string {
  const block = randomFillSync(Buffer.alloc(MIB));
  const hash = createHash('sha256');
  const file = openSync(path, 'w');
  for (let at = 0; at < bytes; at += MIB) {
    for (let page = 0; page < MIB; page += 4_096) block.writeUInt32LE((at + page) / 4_096, page);
    const piece = block.subarray(0, Math.min(MIB, bytes - at));
    hash.update(piece);
    writeSync(file, piece);
  }
  closeSync(file);
  return hash.digest('hex');
}

/** SHA-256 of a file, or of a part of it from `start` up to `end`. */
export async function hashFile(path: string, { start = 0, end }: { start?: number; end?: number } = {}): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { start, ...(end === undefined ? {} : { end: end - 1 }), highWaterMark: MIB }), hash);
  return hash.digest('hex');
}

/** What this process, the gateway in it, takes at most while something runs, above what it took before: bytes. */
export async function memoryOver(run: () => Promise<unknown>): Promise<number> {
  const before = memory('VmRSS');
  // The kernel's mark of the most begins anew (proc(5), clear_refs).
  writeFileSync('/proc/self/clear_refs', '5');
  await run();
  return memory('VmHWM') - before;
}

function memory(name: 'VmRSS' | 'VmHWM'): number {
  return 1024 * Number(new RegExp(`${name}:\\s+(\\d+) kB`, 'u').exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);
}
