/**
 * Every other grammar comes with code that reads its own file; tree-sitter's does not, so that this file reads it where its package
 * is. It is read once, before anything is judged.
 */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';

/** The WebAssembly module of tree-sitter's grammar of bash. */
export function readGrammarFile(): Promise<Uint8Array> {
  return readFile(createRequire(import.meta.url).resolve('tree-sitter-bash/tree-sitter-bash.wasm'));
}
