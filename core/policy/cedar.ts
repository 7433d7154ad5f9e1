/**
 * Cedar's evaluator, as every file here imports it. Node 20 dies with "Fatal error: unreachable code" when V8 deoptimizes
 * a hot function into which it had inlined a call to WebAssembly that takes references, as Cedar's calls do; about ten
 * thousand decisions are enough. Not inlining those calls costs nothing that can be measured. The switch must be set
 * before such a function is hot, and for every process that decides, which is why it stands here.
 */
import { setFlagsFromString } from 'node:v8';

setFlagsFromString('--no-turbo-inline-js-wasm-calls');

export * from '@cedar-policy/cedar-wasm/nodejs';
