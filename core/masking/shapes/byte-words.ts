/** Classes of 64 bytes as words of 64 bits, bit n for byte n, while a function goes through a text. */
import { i32, i64, i8x16, sequence, type Code, type Variable } from './instructions.ts';
import type { FunctionScope } from './module.ts';

export const WORD_BYTES = 64;
const PART_BYTES = 16;

export type Word = {
  readonly get: Code;
  /** Bit n is set where a run of ones in the word begins. */
  readonly first: Code;
  /** Bit n says what is so many bytes before byte n, which may be in the word before. */
  behind(bytes: number): Code;
};

/** Whether a word has any bit. */
export function isAny(word: Code): Code {
  return i32.isZero(i64.isZero(word));
}

export function and(...words: Code[]): Code {
  return words.reduce((left, right) => i64.and(left, right));
}

/** Words are computed in the order in which they were made. */
export class ByteWords {
  private readonly scope: FunctionScope;
  private readonly parts: readonly Variable[];
  private readonly steps: Code[] = [];
  private readonly kept: Code[] = [];

  constructor(scope: FunctionScope) {
    this.scope = scope;
    this.parts = [0, 1, 2, 3].map(() => scope.local('v128'));
  }

  /** Computes all words for the 64 bytes at an address. */
  readonly read = (address: Code): Code => {
    const loads = this.parts.map((part, index) => part.set(i8x16.load(address, index * PART_BYTES)));
    return sequence(...loads, ...this.steps);
  };

  /** Makes the words of now those before. */
  get keep(): Code {
    return sequence(...this.kept);
  }

  word(value: Code): Word {
    const now = this.scope.local('i64');
    const before = this.scope.local('i64');
    this.steps.push(now.set(value));
    this.kept.push(before.set(now.get));
    const behind = (bytes: number): Code =>
      i64.or(i64.shiftLeft(now.get, i64.constant(BigInt(bytes))), i64.shiftRight(before.get, i64.constant(BigInt(WORD_BYTES - bytes))));
    return { get: now.get, first: i64.and(now.get, i64.xor(behind(1), i64.constant(-1n))), behind };
  }

  /** The bytes of which `is` holds, asked of sixteen at once. */
  bits(is: (part: Code) => Code): Code {
    return this.parts
      .map((part, index) => i64.shiftLeft(i64.fromI32(i8x16.bitmask(is(part.get))), i64.constant(BigInt(index * PART_BYTES))))
      .reduce((left, right) => i64.or(left, right));
  }

  /** Sixteen times the same byte. */
  all(byte: number): Code {
    return this.scope.all(byte);
  }

  /** Whether bytes are from `low` to `high`, as one comparison of signed bytes. */
  between(low: number, high: number): (part: Code) => Code {
    const lowest = this.all(low + 128);
    const values = this.all(high - low + 1 - 128);
    return (part) => i8x16.lessSigned(i8x16.subtract(part, lowest), values);
  }
}
