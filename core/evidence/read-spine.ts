/** Reads the spine of a writer in order, whether it is one file that grows or pieces that were each put whole. */
import type { FoundBatch } from './batch.ts';
import type { Finding } from './findings.ts';
import { type Place, spinePiecePath, writerPath } from './layout.ts';
import { type ChainCursor, type FileEnd, openChain } from './read-chain.ts';
import type { EvidenceSource } from './source.ts';

/** What stands of one spine: its file, its pieces by their first batches, or, where something is wrong, both. */
export type SpineFiles = { whole: boolean; readonly pieces: number[] };

/** Told of what is wrong with the form of a spine; its batches are the caller's to check. */
export type WrongPiece = (about: Finding['about'], path: string, what: string, where?: Pick<Finding, 'atByte'>) => void;

/** Notes a file that a listing found, if it is of a spine. */
export function noteSpineFile(spines: Map<string, SpineFiles>, place: Place): void {
  if (place.kind !== 'writer' && place.kind !== 'spinePiece') return;
  const known = spines.get(place.writer) ?? { whole: false, pieces: [] };
  spines.set(place.writer, known);
  if (place.kind === 'writer') known.whole = true;
  else known.pieces.push(place.firstBatch);
}

/** Opens a spine; undefined where it is one file that cannot be opened as one. */
export async function openSpine(
  source: EvidenceSource,
  writer: string,
  files: SpineFiles,
  buffer: Buffer,
  wrong: WrongPiece,
): Promise<SpineCursor | undefined> {
  const pieces = files.pieces.toSorted((a, b) => a - b).map((firstBatch) => ({ path: spinePiecePath(writer, firstBatch), firstBatch }));
  if (!files.whole) return new SpineCursor(source, undefined, pieces, buffer, wrong);
  const whole = await openChain(source, writerPath(writer), buffer);
  if (whole === undefined) return undefined;
  for (const { path } of pieces) wrong('intact', path, 'this is a piece of a spine that stands as one file too');
  return new SpineCursor(source, whole, [], buffer, wrong);
}

type Piece = { readonly path: string; readonly firstBatch: number };

/** The buffer holds nothing between calls: spines that are not read at the same time may share one. */
export class SpineCursor {
  private readonly source: EvidenceSource;
  private readonly buffer: Buffer;
  private readonly wrong: WrongPiece;
  private readonly pieces: readonly Piece[];
  private nextPiece = 0;
  private piece: Piece | undefined;
  private current: ChainCursor | undefined;
  private batches = 0;
  private at: string;

  constructor(source: EvidenceSource, whole: ChainCursor | undefined, pieces: readonly Piece[], buffer: Buffer, wrong: WrongPiece) {
    this.source = source;
    this.current = whole;
    this.pieces = pieces;
    this.buffer = buffer;
    this.wrong = wrong;
    this.at = whole?.path ?? pieces[0]?.path ?? '';
  }

  /** The file that was read last. */
  get path(): string {
    return this.at;
  }

  private get inPieces(): boolean {
    return this.pieces.length > 0;
  }

  /** The next whole batch, or undefined at the end of what can be read. */
  async next(): Promise<FoundBatch | undefined> {
    for (;;) {
      const batch = await this.current?.next();
      if (batch !== undefined) {
        this.take(batch);
        return batch;
      }
      // One file ends where it ends: `finish` still has to look at its tail.
      if (!this.inPieces || !(await this.openNext())) return undefined;
    }
  }

  /** Closes what is open. Of pieces, each is whole by itself: what stands behind a last batch was told as wrong. */
  async finish(): Promise<FileEnd> {
    if (this.current !== undefined && !this.inPieces) return this.current.finish();
    await this.endPiece();
    return { endByte: 0, tail: undefined, unreadable: undefined };
  }

  private take(batch: FoundBatch): void {
    this.batches += 1;
    const { piece } = this;
    if (this.batches === 1 && piece !== undefined && batch.batch !== piece.firstBatch) {
      this.wrong('intact', piece.path, `the piece starts with batch ${batch.batch}, not with that of its name`, { atByte: 0 });
    }
  }

  private async openNext(): Promise<boolean> {
    await this.endPiece();
    const piece = this.pieces[this.nextPiece];
    if (piece === undefined) return false;
    this.nextPiece += 1;
    this.batches = 0;
    this.current = await openChain(this.source, piece.path, this.buffer);
    this.at = piece.path;
    if (this.current === undefined) this.wrong('complete', piece.path, 'the piece cannot be read');
    else this.piece = piece;
    return true;
  }

  private async endPiece(): Promise<void> {
    const { current, piece } = this;
    this.current = undefined;
    this.piece = undefined;
    if (current === undefined || piece === undefined) return;
    const { endByte, tail, unreadable } = await current.finish();
    if (unreadable !== undefined || tail !== undefined) {
      const what = unreadable ?? `${tail?.bytes ?? 0} bytes stand behind the last whole batch of the piece`;
      this.wrong('intact', piece.path, what, { atByte: endByte });
    } else if (this.batches === 0) this.wrong('intact', piece.path, 'the piece holds no batch');
  }
}
