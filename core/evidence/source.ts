/** How evidence is read for verifying and replaying: a directory, or a bucket. */
export interface EvidenceSource {
  /** Every file below the root, in any order. */
  list(): AsyncIterable<{ readonly path: string; readonly bytes: number }>;
  /** Undefined where there is no such file. */
  open(path: string): Promise<EvidenceFile | undefined>;
}

export interface EvidenceFile {
  /** Fills `into` from that byte on; how many bytes, 0 at the end. */
  read(into: Buffer, fromByte: number): Promise<number>;
  close(): Promise<void>;
}

/** A whole small file; undefined where there is none. Throws on files above `maxBytes`. */
export async function readWhole(source: EvidenceSource, path: string, maxBytes = 256 * 1024 * 1024): Promise<Buffer | undefined> {
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
      if (bytes > maxBytes) throw new Error(`${path} is larger than such a file can be`);
    }
  } finally {
    await file.close();
  }
}
