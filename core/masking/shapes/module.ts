/** A WebAssembly module with one memory and functions that give back an i32 (WebAssembly Core 2.0 §5.5 "Modules"). */
import { i32, i8x16, unsigned, variable, VALUE_TYPES, type Code, type ValueType, type Variable } from './instructions.ts';

const MAGIC_AND_VERSION: Code = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
const SECTION = { type: 1, function: 3, memory: 5, export: 7, code: 10 } as const;
const FUNCTION_TYPE = 0x60;
const EXPORTED = { function: 0, memory: 2 } as const;
const END = 0x0b;

/** Collects the variables of one function while its body is written. */
export class FunctionScope {
  readonly parameters: readonly Variable[];
  private readonly parameterTypes: readonly ValueType[];
  private readonly locals: ValueType[] = [];
  private readonly first: Code[] = [];
  private readonly constants = new Map<number, Code>();

  constructor(parameterTypes: readonly ValueType[]) {
    this.parameterTypes = parameterTypes;
    this.parameters = parameterTypes.map((_, index) => variable(index));
  }

  /** Zero at first. */
  local(type: ValueType): Variable {
    this.locals.push(type);
    return variable(this.parameterTypes.length + this.locals.length - 1);
  }

  /** Sixteen times the same byte, made once before the body: inside of loops, constants would be made anew in every turn. */
  all(byte: number): Code {
    const known = this.constants.get(byte & 0xff);
    if (known !== undefined) return known;
    const kept = this.local('v128');
    this.first.push(kept.set(i8x16.splat(i32.constant(byte))));
    this.constants.set(byte & 0xff, kept.get);
    return kept.get;
  }

  /** The function, whose body must leave by giving something back. */
  finish(body: Code): WasmFunction {
    const declared = this.locals.flatMap((type) => [1, VALUE_TYPES[type]]);
    const unreachable = 0x00;
    const code = [...unsigned(this.locals.length), ...declared, ...this.first.flat(), ...body, unreachable, END];
    return { parameterTypes: this.parameterTypes, code };
  }
}

export type WasmFunction = { readonly parameterTypes: readonly ValueType[]; readonly code: Code };

/** Functions are called by their place in the list; `memory` and those with a name are exported. */
export function moduleOf(functions: readonly (WasmFunction & { readonly name?: string })[], pages: number): Uint8Array<ArrayBuffer> {
  const types = functions.map(({ parameterTypes }) => {
    return [FUNCTION_TYPE, ...list(parameterTypes.map((type) => [VALUE_TYPES[type]])), 1, VALUE_TYPES.i32];
  });
  const exported = functions.flatMap(({ name }, index) => {
    return name === undefined ? [] : [[...text(name), EXPORTED.function, ...unsigned(index)]];
  });
  return Uint8Array.from([
    ...MAGIC_AND_VERSION,
    ...section(SECTION.type, list(types)),
    ...section(SECTION.function, list(functions.map((_, index) => unsigned(index)))),
    ...section(SECTION.memory, list([[1, ...unsigned(pages), ...unsigned(pages)]])),
    ...section(SECTION.export, list([[...text('memory'), EXPORTED.memory, 0], ...exported])),
    ...section(SECTION.code, list(functions.map(({ code }) => [...unsigned(code.length), ...code]))),
  ]);
}

function section(id: number, content: Code): Code {
  return [id, ...unsigned(content.length), ...content];
}

function list(items: readonly Code[]): Code {
  return [...unsigned(items.length), ...items.flat()];
}

function text(name: string): Code {
  return list(Array.from(Buffer.from(name), (byte) => [byte]));
}
