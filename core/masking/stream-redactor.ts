/**
 * Detectors on what programs print (design §11): bytes in, bytes out, with every match replaced, however the bytes come in pieces.
 * What could still become a match is held back, never more than 16 KiB: the word that is not over, groups of digits or capitals that
 * a blank may join to the next, and lines behind the header of a private key.
 *
 * Not found: what a program spreads over the screen by moving the cursor, or prints with other bytes in between; a token of more than
 * 16 KiB in which no JSON web token has begun; an address amid compressed or encrypted bytes, where it is chance. Own expressions see
 * one line at a time.
 */
import { Candidates } from './candidates.ts';
import { findHits, mergeHits, type DetectorSet, type Hit } from './detectors.ts';
import { findKeyHeader, isBesideKey, keyBytesOf, keyPieceBytes, MOST_KEY_BYTES, MOST_KEY_LINE_BYTES } from './key-lines.ts';
import { isNoiseBefore, NOISE_WINDOW_BYTES } from './noise.ts';
import { firstCut, lastCut, lastLineCut, wordEnd, wordStart } from './stream-cuts.ts';
import { StreamOutput, type Redacted } from './stream-output.ts';
import { streamText, type StreamText } from './stream-text.ts';
import { openJwt, tokenEnd } from './token-detectors.ts';

/** What is held back at most; a word that is longer is cut. */
export const MOST_HELD_BYTES = 16 * 1024;
/** With sequences of terminals. A text that has more of them is cut where its packet ends: nobody writes so to be read. */
const MOST_RAW_BYTES = 64 * 1024;
/** More than the longest match but for JSON web tokens and private keys: so much of a cut word is read before it is let go. */
const LOOK_AHEAD_BYTES = 1024;

type Mode =
  | { readonly kind: 'text' }
  /** Behind the header of a private key; `first` in the header's own line. */
  | { readonly kind: 'key'; readonly bytes: number; readonly first: boolean }
  /** In a token of which the beginning is masked. */
  | { readonly kind: 'token' };

const TEXT: Mode = { kind: 'text' };
const NO_BYTES = Buffer.alloc(0);
const NO_HITS: readonly Hit[] = [];
const NOTHING: Redacted = { pieces: [], detected: 0 };

export class StreamRedactor {
  private readonly isOff: boolean;
  private readonly hidesKeys: boolean;
  private readonly tokens: DetectorSet;
  private readonly candidates: Candidates;
  /** Whether `candidates` are those of the text that is read now. */
  private isSearched = false;
  private mode: Mode = TEXT;
  /** A copy of its own, as is `before`. */
  private held: Buffer = NO_BYTES;
  /** Bytes of `held` that `idle` let go: they are still there for what comes next. */
  private released = 0;
  /** So much of the text in `held` is known to have no cut. */
  private uncut = 0;
  /** The text before `held`. */
  private before: Buffer = NO_BYTES;

  constructor(set: DetectorSet) {
    this.isOff = set.detectors.length === 0;
    this.hidesKeys = set.names.has('private-key');
    this.tokens = { ...set, detectors: set.detectors.filter(({ name }) => name !== 'private-key') };
    this.candidates = new Candidates(set);
  }

  /** How many bytes wait for what comes next. */
  get heldBytes(): number {
    return this.held.length - this.released;
  }

  /** Keeps nothing of `bytes` but copies. */
  push(bytes: Buffer): Redacted {
    if (bytes.length === 0) return NOTHING;
    if (this.isOff) return { pieces: [bytes], detected: 0 };
    if (this.held.length === 0) return this.read(bytes, false);
    // What waits is joined to no more than it takes to be done with it: the rest is not copied.
    const seam = firstCut(bytes, MOST_HELD_BYTES, this.tokens.hasOwn || this.mode.kind === 'key');
    const first = this.read(Buffer.concat([this.held, bytes.subarray(0, seam)]), false);
    if (seam === bytes.length) return first;
    const rest = bytes.subarray(seam);
    const second = this.read(this.held.length === 0 ? rest : Buffer.concat([this.held, rest]), false);
    return { pieces: [...first.pieces, ...second.pieces], detected: first.detected + second.detected };
  }

  /**
   * Lets go of what waits, since nothing more came for a while: a prompt must be seen before it is answered. A match that goes on
   * later is then masked from there on only. What may be of a private key waits on.
   */
  idle(): Redacted {
    if (this.heldBytes === 0) return NOTHING;
    const stream = streamText(this.held, false);
    if (this.mode.kind === 'key' && !this.mode.first && isBesideKey(stream.text)) this.mode = TEXT;
    if (this.mode.kind !== 'text') return NOTHING;
    const output = this.readToEnd(stream);
    this.released = this.held.length - stream.unfinishedBytes;
    return output.finish(stream.text.length);
  }

  /** How many matches there would be in what waits if the stream ended here. */
  ending(): number {
    if (this.heldBytes === 0 || this.mode.kind !== 'text') return 0;
    return this.readToEnd(streamText(this.held, true)).detected;
  }

  private readToEnd(stream: StreamText): StreamOutput {
    const output = new StreamOutput(stream, this.released);
    this.isSearched = false;
    for (let at = 0; at < stream.text.length;) {
      const next = this.next(stream.text, at, true, output);
      at = next ?? stream.text.length;
    }
    this.mode = TEXT;
    return output;
  }

  /** The end of the stream: nothing waits any more. */
  flush(): Redacted {
    const redacted = this.held.length === 0 ? NOTHING : this.read(this.held, true);
    this.mode = TEXT;
    this.before = NO_BYTES;
    return redacted;
  }

  private read(bytes: Buffer, final: boolean): Redacted {
    const stream = streamText(bytes, final);
    const { text } = stream;
    const output = new StreamOutput(stream, this.released);
    this.isSearched = false;
    let at = 0;
    while (at < text.length) {
      let next = this.next(text, at, final, output);
      if (next === undefined && stream.at.length > 0 && bytes.length - output.rawEnd(at) > MOST_RAW_BYTES) {
        next = this.next(text, at, true, output);
      }
      if (next === undefined) break;
      at = next;
    }
    const raw = output.rawEnd(at);
    const redacted = output.finish(at);
    const isOwn = raw === 0 && this.held.length > 0;
    this.released = Math.max(0, this.released - raw);
    this.held = isOwn ? bytes : copyOf(bytes, raw);
    this.uncut = this.mode.kind === 'text' ? text.length - at : 0;
    if (at > 0) this.before = windowBefore(this.before, text, at);
    return redacted;
  }

  /** Up to where the text from `at` on is done with; undefined where it takes more to tell. */
  private next(text: Buffer, at: number, final: boolean, output: StreamOutput): number | undefined {
    switch (this.mode.kind) {
      case 'key':
        return this.nextOfKey(text, at, final, output, this.mode);
      case 'token': {
        const end = tokenEnd(text, at, text.length);
        output.hide(end);
        if (end < text.length) this.mode = TEXT;
        return end;
      }
      case 'text':
        return this.nextBlock(text, at, final, output);
    }
  }

  private nextBlock(text: Buffer, at: number, final: boolean, output: StreamOutput): number | undefined {
    const limit = Math.min(at + MOST_HELD_BYTES, text.length);
    const find = this.tokens.hasOwn ? lastLineCut : lastCut;
    const cut = find(text, at, at === 0 ? Math.min(this.uncut, limit) : at, limit);
    if (cut > at) return this.redact(text, at, cut, output);
    if (limit - at === MOST_HELD_BYTES) return this.redactLongWord(text, at, limit, output);
    return final ? this.redact(text, at, limit, output) : undefined;
  }

  /** A block that no match leaves. Ends early behind the header of a private key. */
  private redact(text: Buffer, start: number, end: number, output: StreamOutput): number {
    const header = this.keyHeader(text, start, end);
    const to = header?.start ?? end;
    for (const hit of this.hits(text, start, to)) {
      output.keep(hit.start);
      output.mask(hit.detector, hit.start, hit.end);
    }
    output.keep(to);
    if (header === undefined) return end;
    output.mask('private-key', header.start, header.end);
    this.mode = { kind: 'key', bytes: 0, first: true };
    return header.end;
  }

  /** A word that fills all that may be held is cut where no match is, or behind one. What ends with it may go on: it is hidden to its end. */
  private redactLongWord(text: Buffer, start: number, end: number, output: StreamOutput): number {
    const place = end - LOOK_AHEAD_BYTES;
    const header = this.keyHeader(text, start, end);
    if (header !== undefined && header.start < place) return this.redact(text, start, header.end, output);
    const open = this.tokens.names.has('jwt') ? openJwt(text, start, end) : undefined;
    const all = this.hits(text, start, open ?? end);
    const last: Hit | undefined = open === undefined ? undefined : { start: open, end, detector: 'jwt' };
    let cut = place;
    for (const hit of last === undefined ? all : [...all, last]) {
      if (hit.start >= place) break;
      output.keep(hit.start);
      output.mask(hit.detector, hit.start, hit.end);
      cut = Math.max(place, hit.end);
    }
    output.keep(cut);
    if (cut === end) this.mode = { kind: 'token' };
    return cut;
  }

  private nextOfKey(text: Buffer, at: number, final: boolean, output: StreamOutput, mode: Mode & { kind: 'key' }): number | undefined {
    const newline = text.subarray(at, at + MOST_KEY_LINE_BYTES).indexOf(0x0a);
    const isCut = newline === -1 && text.length - at >= MOST_KEY_LINE_BYTES;
    if (newline === -1 && !isCut && !final) return undefined;
    const line = text.subarray(at, newline === -1 ? Math.min(text.length, at + MOST_KEY_LINE_BYTES) : at + newline + 1);
    const { bytes, ends } = isCut ? keyPieceBytes(line, mode.first) : keyBytesOf(line, mode.first);
    output.hide(at + bytes);
    const total = mode.bytes + bytes;
    this.mode = ends || total >= MOST_KEY_BYTES ? TEXT : { kind: 'key', bytes: total, first: mode.first && newline === -1 };
    return at + bytes;
  }

  private keyHeader(text: Buffer, start: number, end: number): ReturnType<typeof findKeyHeader> {
    if (!this.hidesKeys) return undefined;
    this.search(text, start);
    return this.candidates.isIn('private-key', start, end) ? findKeyHeader(text, start, end) : undefined;
  }

  /** Looks for candidates in all of the text from `start` on, the first time that any of them are asked for. */
  private search(text: Buffer, start: number): void {
    if (this.isSearched) return;
    this.candidates.find(text, start, text.length);
    this.isSearched = true;
  }

  private hits(text: Buffer, start: number, end: number): readonly Hit[] {
    if (this.tokens.hasOwn) return this.hitsByLine(text, start, end);
    this.search(text, start);
    if (this.candidates.isEmpty) return NO_HITS;
    const hits: Hit[] = [];
    for (const { name, scan } of this.tokens.detectors) {
      let done = start;
      this.candidates.eachIn(name, start, end, (from, to) => {
        // It was read with the one before.
        if (to <= done) return;
        const low = wordStart(text, done, Math.max(from, done));
        done = wordEnd(text, to, end);
        scan(text, low, done, (at, until) => hits.push({ start: at, end: until, detector: name }));
      });
    }
    return hits.length === 0 ? NO_HITS : mergeHits(hits).filter((hit) => !this.isChance(hit, text));
  }

  private hitsByLine(text: Buffer, start: number, end: number): readonly Hit[] {
    const hits: Hit[] = [];
    for (let at = start; at < end;) {
      const newline = text.indexOf(0x0a, at);
      const to = newline === -1 || newline >= end ? end : newline;
      for (const hit of findHits(this.tokens, text, at, to)) if (!this.isChance(hit, text)) hits.push(hit);
      at = to + 1;
    }
    return hits;
  }

  /** An `@` and a point are easily had by chance; all other matches are long. */
  private isChance({ detector, start }: Hit, text: Buffer): boolean {
    return detector === 'email' && isNoiseBefore(text, start, this.before);
  }
}

/** A small one: those are parts of a block that is reused. */
function copyOf(bytes: Buffer, start: number): Buffer {
  return start === bytes.length ? NO_BYTES : Buffer.from(bytes.subarray(start));
}

function windowBefore(before: Buffer, text: Buffer, end: number): Buffer {
  const window = text.subarray(Math.max(0, end - NOISE_WINDOW_BYTES), end);
  return window.length === NOISE_WINDOW_BYTES ? Buffer.from(window) : Buffer.concat([before, window]).subarray(-NOISE_WINDOW_BYTES);
}
