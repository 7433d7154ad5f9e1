/** One file on its way: what of it has passed, its hash, and what detectors found in it. */
import { createHash } from 'node:crypto';
import type { ChannelEvent } from '../../core/evidence/channel-event.ts';
import type { SshTarget } from '../../core/target.ts';

/** Looks for patterns in the bytes of one file, also across the pieces that they come in. */
export type TransferScanner = {
  /** How many more were found, up to the end of this piece. */
  scan(bytes: Buffer): number;
  /** How many more there would be if nothing followed. */
  ending(): number;
  /** How many more there are, now that nothing follows. */
  finish(): number;
};

/** What a target wants of transfers; `newScanner` is absent where it has no detectors. */
export type TransferRules = {
  readonly blockFindings: SshTarget['blockFindings'];
  readonly newScanner?: (() => TransferScanner | undefined) | undefined;
};

export type Direction = 'read' | 'write';

/** Why a piece may not pass. */
export type Stopped = 'found' | 'scattered';

/** Places of a file that is not read or written from its start to its end; later ones are counted only. */
const MAX_RANGES = 16;

export class Transfer {
  readonly direction: Direction;
  readonly path: string;
  readonly statement: number;
  readonly #hash = createHash('sha256');
  readonly #scanner: TransferScanner | undefined;
  /** Findings stop this transfer: then it must come in order too, since a pattern cut into scattered pieces is not found. */
  readonly #stops: boolean;
  #bytes = 0;
  #next = 0;
  #detected = 0;
  #ranges: [start: number, end: number][] = [];
  #moreRanges = 0;
  #finished = false;

  constructor(options: {
    readonly direction: Direction;
    readonly path: string;
    readonly statement: number;
    readonly rules: TransferRules;
  }) {
    const { direction, rules } = options;
    this.direction = direction;
    this.path = options.path;
    this.statement = options.statement;
    this.#scanner = rules.newScanner?.();
    this.#stops = this.#scanner !== undefined && (rules.blockFindings === direction || rules.blockFindings === 'both');
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Where the next piece begins if all come in order. */
  get next(): number {
    return this.#next;
  }

  /** Whether everything so far came in order, from the first byte on. */
  get inOrder(): boolean {
    return this.#ranges.length === 0 || (this.#ranges.length === 1 && this.#ranges[0]?.[0] === 0);
  }

  /** `0-4095, 8192-12287`: which bytes of the file have passed, in the order in which they came. */
  get ranges(): string {
    const said = this.#ranges.map(([start, end]) => `${start}-${end - 1}`);
    return this.#moreRanges === 0 ? said.join(', ') : `${said.join(', ')} and ${this.#moreRanges} more`;
  }

  /** Takes what is about to pass, `start`..`end` of the buffer, from `offset` of the file on; undefined where it may. */
  pass(buffer: Buffer, start: number, end: number, offset: number): Stopped | undefined {
    if (start === end) return undefined;
    const piece = buffer.subarray(start, end);
    if (this.#stops && (offset !== this.#next || !this.inOrder)) return 'scattered';
    const found = this.#scanner?.scan(piece) ?? 0;
    this.#detected += found;
    if (this.#stops && (found > 0 || this.#endsInFinding())) {
      // The scanners have seen what does not pass: nothing more is to be counted.
      this.#finished = true;
      return 'found';
    }
    this.#hash.update(piece);
    this.#bytes += piece.length;
    this.#note(offset, piece.length);
    return undefined;
  }

  /** Nothing follows. Whether it is to be stopped now, for what its last bytes turn out to be. */
  finish(): Stopped | undefined {
    if (this.#finished) return undefined;
    this.#finished = true;
    const found = this.#scanner?.finish() ?? 0;
    this.#detected += found;
    return found > 0 && this.#stops ? 'found' : undefined;
  }

  /** `sha256` is of the bytes in the order in which they passed. */
  event(channel: number, by: 'sftp' | 'scp' | 'rsync', complete: boolean): ChannelEvent {
    this.finish();
    return {
      type: 'channel.file',
      channel,
      statement: this.statement,
      by,
      action: this.direction,
      path: this.path,
      bytes: this.#bytes,
      sha256: this.#hash.copy().digest('hex'),
      complete: complete && this.inOrder,
      detected: this.#detected,
    };
  }

  /**
   * Whether there would be a finding if the file ended here. A scanner is not certain of a number before it sees what follows it,
   * but by then the number would have passed.
   */
  #endsInFinding(): boolean {
    const found = this.#scanner?.ending() ?? 0;
    this.#detected += found;
    return found > 0;
  }

  #note(offset: number, bytes: number): void {
    const last = this.#ranges.at(-1);
    if (last !== undefined && offset === last[1]) last[1] += bytes;
    else if (this.#ranges.length < MAX_RANGES) this.#ranges.push([offset, offset + bytes]);
    else this.#moreRanges += 1;
    this.#next = offset + bytes;
  }
}

/** Why a transfer was stopped, for whoever asked for it. */
export function stoppedMessage(stopped: Stopped): string {
  return stopped === 'found'
    ? 'the file holds what may not pass here'
    : 'files of this host pass from their first byte to their last, since they are looked through';
}
