/** How evidence is read for verifying and replaying: a directory, or a bucket. */
import type { Findings } from './findings.ts';

export interface EvidenceSource {
  /**
   * Every file below the root, in any order. `modifiedMs` is when the store itself says that it took the file, where its word on
   * that counts: recordings that are newer than what the sealer had read cannot be named by it yet.
   */
  list(): AsyncIterable<{ readonly path: string; readonly bytes: number; readonly modifiedMs?: number }>;
  /** Undefined where there is no such file of evidence: a link, a pipe or a folder of that name is none. */
  open(path: string): Promise<EvidenceFile | undefined>;
}

export interface EvidenceFile {
  /** Fills `into` from that byte on; how many bytes, 0 at the end. */
  read(into: Buffer, fromByte: number): Promise<number>;
  close(): Promise<void>;
}

/** Room for the leaves of half a million batches; keys and checkpoints have a few hundred bytes. */
const MAX_WHOLE_BYTES = 64 * 1024 * 1024;

/** A whole small file; undefined where there is none, or where it is too large to be one, which is a finding. */
export async function readWhole(source: EvidenceSource, path: string, findings: Findings): Promise<Buffer | undefined> {
  const file = await source.open(path);
  if (file === undefined) return undefined;
  try {
    const pieces: Buffer[] = [];
    let bytes = 0;
    for (;;) {
      const piece = Buffer.allocUnsafe(64 * 1024);
      const taken = await file.read(piece, bytes);
      if (taken === 0) return Buffer.concat(pieces);
      pieces.push(piece.subarray(0, taken));
      bytes += taken;
      if (bytes > MAX_WHOLE_BYTES) {
        findings.notIntact(path, 'the file is larger than such a file can be');
        return undefined;
      }
    }
  } finally {
    await file.close();
  }
}
