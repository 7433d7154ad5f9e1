/**
 * Where in a text a built-in detector could match: two searches in WebAssembly, of which one instance serves the process. Nothing
 * in it outlives a call, and each memory would reserve gigabytes of addresses.
 */
import { DOMAIN, LOCAL_PART, UPPER_OR_DIGIT } from '../byte-classes.ts';
import { escapes } from './escapes.ts';
import { bitOf, CLASS, CLASSES_AT, FOUND_AT, FOUND_BYTES, PAGES, TEXT_AT, TEXT_BYTES, ZEROS_BYTES } from './layout.ts';
import { moduleOf } from './module.ts';
import { cardRun, numberShapes } from './number-shapes.ts';
import { isEmail, isIban, wordShapes } from './word-shapes.ts';

/** More than the longest card has bytes: a shape that the end of one stretch cuts is whole in the next. */
const OVERLAP_BYTES = 64;
const NUMBERS = bitOf('us-ssn') | bitOf('us-phone') | bitOf('payment-card');

/** Told of each shape, by the place of its kind in `KINDS`; those of one kind come in the order of their beginnings, and may overlap. */
export type OnShape = (kind: number, start: number, end: number) => void;

export class ShapeFinder {
  private readonly search: Search;
  private readonly text: Buffer;
  private readonly found: Int32Array;

  constructor() {
    const functions = [
      { name: 'numbers', ...numberShapes(2) },
      { name: 'words', ...wordShapes({ isIban: 3, isEmail: 4 }) },
      cardRun(),
      isIban(),
      isEmail(),
      { name: 'escapes', ...escapes() },
    ];
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(moduleOf(functions, PAGES)));
    this.search = exports as Search; // It is what `functions` says.
    const { buffer } = this.search.memory;
    this.text = Buffer.from(buffer, TEXT_AT, TEXT_BYTES + ZEROS_BYTES);
    this.found = new Int32Array(buffer, FOUND_AT);
    new Uint8Array(buffer, CLASSES_AT, 256).set(classes());
  }

  /** Finds the shapes of the kinds whose bits `wanted` has in `bytes[start, end)`, which is of any length. */
  find(bytes: Buffer, start: number, end: number, wanted: number, onShape: OnShape): void {
    for (let from = start; from < end; from += TEXT_BYTES - OVERLAP_BYTES) {
      const to = Math.min(end, from + TEXT_BYTES);
      this.findIn(bytes, from, to, wanted, onShape);
      if (to === end) return;
    }
  }

  /** Where `bytes` have an ESC, in ascending order, from `start` on. */
  escapes(bytes: Buffer, start: number): number[] {
    const places: number[] = [];
    for (let from = start; from < bytes.length; from += TEXT_BYTES) {
      const foundEnd = this.search.escapes(this.take(bytes, from, Math.min(bytes.length, from + TEXT_BYTES)), FOUND_AT);
      const count = (foundEnd - FOUND_AT) / Int32Array.BYTES_PER_ELEMENT;
      for (let i = 0; i < count; i++) places.push(from + (this.found[i] ?? 0));
    }
    return places;
  }

  /** Puts bytes where the searches read them: the address of their end. */
  private take(bytes: Buffer, start: number, end: number): number {
    const length = bytes.copy(this.text, 0, start, end);
    this.text.fill(0, length, length + ZEROS_BYTES);
    return TEXT_AT + length;
  }

  private findIn(bytes: Buffer, start: number, end: number, wanted: number, onShape: OnShape): void {
    const textEnd = this.take(bytes, start, end);
    let foundEnd = FOUND_AT;
    if ((wanted & NUMBERS) !== 0) foundEnd = this.search.numbers(textEnd, wanted, foundEnd);
    if ((wanted & ~NUMBERS) !== 0) foundEnd = this.search.words(textEnd, wanted, foundEnd);
    const { found } = this;
    const count = (foundEnd - FOUND_AT) / FOUND_BYTES;
    for (let i = 0; i < count; i++) {
      onShape(found[i * 3] ?? 0, start + (found[i * 3 + 1] ?? 0), start + (found[i * 3 + 2] ?? 0));
    }
  }
}

let shared: ShapeFinder | undefined;

/** The one of this process, made when it is first needed. */
export function sharedShapeFinder(): ShapeFinder {
  shared ??= new ShapeFinder();
  return shared;
}

/** What the module exports. */
type Search = {
  readonly memory: { readonly buffer: ArrayBuffer };
  numbers(textEnd: number, wanted: number, found: number): number;
  words(textEnd: number, wanted: number, found: number): number;
  escapes(textEnd: number, found: number): number;
};

function classes(): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) => {
    return (
      (UPPER_OR_DIGIT[byte] === 1 ? CLASS.upperOrDigit : 0) |
      (LOCAL_PART[byte] === 1 ? CLASS.localPart : 0) |
      (DOMAIN[byte] === 1 ? CLASS.domain : 0)
    );
  });
}
