/** Reads evidence files of this machine synchronously, as recovery and the sealer need it. */
import { createHash } from 'node:crypto';
import { closeSync, existsSync, fstatSync, openSync, readdirSync, readSync } from 'node:fs';
import { join } from 'node:path';
import type { FoundBatch } from '../../core/evidence/batch.ts';
import { BatchReader } from '../../core/evidence/batch-reader.ts';
import type { TornTail } from '../../core/evidence/spine.ts';

const CHUNK_BYTES = 1024 * 1024;

/** Feeds the batches of a file from `fromByte`, which is where a batch starts. Offsets count from there. */
export function readBatches(
  path: string,
  fromByte: number,
  batch: (batch: FoundBatch) => boolean | void,
): { readonly endByte: number; readonly fileBytes: number; readonly unreadable: string | undefined } {
  const fd = openSync(path, 'r');
  try {
    const fileBytes = fstatSync(fd).size;
    const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, Math.max(1, fileBytes - fromByte)));
    let stopped: number | undefined;
    const goesOn = (): boolean => stopped === undefined && reader.unreadable === undefined;
    const reader = new BatchReader({
      batch: (found) => {
        if (stopped === undefined && batch(found) === false) stopped = found.atByte;
      },
    });
    for (let at = fromByte; at < fileBytes && goesOn();) {
      const taken = readSync(fd, chunk, 0, Math.min(chunk.length, fileBytes - at), at);
      if (taken === 0) break;
      reader.push(chunk.subarray(0, taken));
      at += taken;
    }
    return { endByte: fromByte + (stopped ?? reader.endByte), fileBytes, unreadable: reader.unreadable };
  } finally {
    closeSync(fd);
  }
}

/** What stands in a file behind `fromByte`, if anything. */
export function tornTail(path: string, fromByte: number): TornTail | undefined {
  const fd = openSync(path, 'r');
  try {
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    const hash = createHash('sha256');
    let bytes = 0;
    for (;;) {
      const taken = readSync(fd, chunk, 0, chunk.length, fromByte + bytes);
      if (taken === 0) break;
      hash.update(chunk.subarray(0, taken));
      bytes += taken;
    }
    return bytes === 0 ? undefined : { bytes, sha256: hash.digest('hex') };
  } finally {
    closeSync(fd);
  }
}

/** Names in a folder, sorted; none where there is no such folder. */
export function namesIn(...parts: string[]): string[] {
  const folder = join(...parts);
  return existsSync(folder) ? readdirSync(folder).sort() : [];
}
