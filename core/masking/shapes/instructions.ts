/**
 * Instructions of WebAssembly as expressions that nest, with nothing but what the searches beside this file use. Names and
 * opcodes are those of the specification (WebAssembly Core 2.0 §5.4 "Instructions").
 */

/** Instructions in binary form. An expression leaves one value on the stack, a statement none. */
export type Code = readonly number[];

export type ValueType = 'i32' | 'i64' | 'v128';

export const VALUE_TYPES = { i32: 0x7f, i64: 0x7e, v128: 0x7b } as const satisfies Record<ValueType, number>;

/** LEB128, unsigned (§5.2.2). */
export function unsigned(value: number): Code {
  const low = value & 0x7f;
  return value < 0x80 ? [low] : [low | 0x80, ...unsigned(value >>> 7)];
}

/** LEB128, signed. */
function signed(value: bigint): Code {
  const low = Number(value & 0x7fn);
  const rest = value >> 7n;
  const isLast = (rest === 0n && low < 0x40) || (rest === -1n && low >= 0x40);
  return isLast ? [low] : [low | 0x80, ...signed(rest)];
}

type Unary = (value: Code) => Code;
type Binary = (left: Code, right: Code) => Code;

const unary = (...opcode: number[]): Unary => {
  return (value) => [...value, ...opcode];
};
const binary = (...opcode: number[]): Binary => {
  return (left, right) => [...left, ...right, ...opcode];
};
/** With an alignment of one byte: all addresses are allowed. */
const load = (...opcode: number[]): ((address: Code, offset?: number) => Code) => {
  return (address, offset = 0) => [...address, ...opcode, 0, ...unsigned(offset)];
};
const simd = (opcode: number): Code => [0xfd, ...unsigned(opcode)];

export const i32 = {
  constant: (value: number): Code => [0x41, ...signed(BigInt(value))],
  load8: load(0x2d),
  store: (address: Code, value: Code, offset = 0): Code => [...address, ...value, 0x36, 0, ...unsigned(offset)],
  isZero: unary(0x45),
  equal: binary(0x46),
  less: binary(0x49),
  greater: binary(0x4b),
  atLeast: binary(0x4f),
  trailingZeros: unary(0x68),
  add: binary(0x6a),
  subtract: binary(0x6b),
  and: binary(0x71),
  or: binary(0x72),
} as const;

export const i64 = {
  constant: (value: bigint): Code => [0x42, ...signed(value)],
  isZero: unary(0x50),
  trailingZeros: unary(0x7a),
  subtract: binary(0x7d),
  and: binary(0x83),
  or: binary(0x84),
  xor: binary(0x85),
  shiftLeft: binary(0x86),
  shiftRight: binary(0x88),
  fromI32: unary(0xad),
  toI32: unary(0xa7),
} as const;

/** Sixteen bytes at once. Comparisons give 255 for yes and 0 for no. */
export const i8x16 = {
  load: load(...simd(0x00)),
  splat: unary(...simd(0x0f)),
  equal: binary(...simd(0x23)),
  lessSigned: binary(...simd(0x25)),
  and: binary(...simd(0x4e)),
  or: binary(...simd(0x50)),
  anyTrue: unary(...simd(0x53)),
  /** The highest bit of each byte: bit n of the i32 is that of byte n. */
  bitmask: unary(...simd(0x64)),
  subtract: binary(...simd(0x71)),
} as const;

const END = 0x0b;
const NO_VALUE = 0x40;

/** One after the other. */
export function sequence(...statements: Code[]): Code {
  return statements.flat();
}

export function when(condition: Code, then: Code, otherwise: Code = []): Code {
  return [...condition, 0x04, NO_VALUE, ...then, ...(otherwise.length === 0 ? [] : [0x05, ...otherwise]), END];
}

export function whileTrue(condition: Code, body: Code): Code {
  return [0x02, NO_VALUE, 0x03, NO_VALUE, ...i32.isZero(condition), 0x0d, 1, ...body, 0x0c, 0, END, END];
}

export function giveBack(value: Code): Code {
  return [...value, 0x0f];
}

export function call(functionIndex: number, ...parameters: Code[]): Code {
  return [...parameters.flat(), 0x10, ...unsigned(functionIndex)];
}

/** A parameter or a local variable. */
export type Variable = { readonly get: Code; set(value: Code): Code };

export function variable(index: number): Variable {
  return { get: [0x20, ...unsigned(index)], set: (value) => [...value, 0x21, ...unsigned(index)] };
}
