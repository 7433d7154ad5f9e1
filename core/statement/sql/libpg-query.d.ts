/** The grammar's WebAssembly module as emscripten exports it: its own wrapper keeps one instance for ever, ours replaces it. */
type PgQueryInstance = {
  _malloc(bytes: number): number;
  _free(pointer: number): void;
  _wasm_parse_query_raw(text: number): number;
  _wasm_free_parse_result(result: number): void;
  getValue(pointer: number, type: 'i32'): number;
  UTF8ToString(pointer: number): string;
  stringToUTF8(text: string, pointer: number, bytes: number): void;
  lengthBytesUTF8(text: string): number;
};

declare module 'libpg-query-15/wasm/libpg-query.js' {
  const create: () => Promise<PgQueryInstance>;
  export default create;
}
declare module 'libpg-query-16/wasm/libpg-query.js' {
  const create: () => Promise<PgQueryInstance>;
  export default create;
}
declare module 'libpg-query-17/wasm/libpg-query.js' {
  const create: () => Promise<PgQueryInstance>;
  export default create;
}
declare module 'libpg-query-18/wasm/libpg-query.js' {
  const create: () => Promise<PgQueryInstance>;
  export default create;
}
