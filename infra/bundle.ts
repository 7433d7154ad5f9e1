/**
 * Makes what is deployed: one folder for each entry, with all of its code in one file and the WebAssembly packages beside it, which
 * read their own files at run time. The same sources give the same bytes, but for
 * native code beside the proxy.
 */
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { buildSync, type Metafile } from 'esbuild';
import { FUNCTIONS, type FunctionName } from './names.ts';

/** What a package needs at run time, from its folder. */
const BESIDE: Readonly<Record<string, readonly string[]>> = {
  '@cedar-policy/cedar-wasm': ['package.json', 'nodejs/package.json', 'nodejs/cedar_wasm.js', 'nodejs/cedar_wasm_bg.wasm'],
  'libpg-query-15': ['package.json', 'wasm/libpg-query.js', 'wasm/libpg-query.wasm'],
  'libpg-query-16': ['package.json', 'wasm/libpg-query.js', 'wasm/libpg-query.wasm'],
  'libpg-query-17': ['package.json', 'wasm/libpg-query.js', 'wasm/libpg-query.wasm'],
  'libpg-query-18': ['package.json', 'wasm/libpg-query.js', 'wasm/libpg-query.wasm'],
  'web-tree-sitter': ['package.json', 'web-tree-sitter.js', 'web-tree-sitter.wasm'],
  'tree-sitter-bash': ['package.json', 'tree-sitter-bash.wasm'],
  ssh2: ['package.json', 'lib'],
  asn1: ['package.json', 'lib'],
  'bcrypt-pbkdf': ['package.json', 'index.js'],
  'safer-buffer': ['package.json', 'safer.js'],
  tweetnacl: ['package.json', 'nacl-fast.js'],
};

/** Folders that a package's installation has made: code for the machine that bundles is none for the one that runs it. */
const BUILT = /(?:^|[/\\])(?:build|src)(?:[/\\]|$)|\.node$/u;

/** Code for one machine, by package: beside the proxy alone, whose image is built on the machine that it is for. */
const NATIVE: Readonly<Record<string, readonly string[]>> = { ssh2: ['lib/protocol/crypto/build/Release/sshcrypto.node'] };

/** Packages that are found by their names at run time, by others that stay outside: no import shows that they are needed. */
const GOES_WITH: Readonly<Record<string, readonly string[]>> = {
  'web-tree-sitter': ['tree-sitter-bash'],
  ssh2: ['asn1', 'bcrypt-pbkdf', 'safer-buffer', 'tweetnacl'],
};

/** Packages of CommonJS inside a bundle ask for these; modules have other words for them. */
const BANNER = [
  "import { createRequire as __createRequire } from 'node:module';",
  'const require = __createRequire(import.meta.url);',
  'const __filename = import.meta.filename;',
  'const __dirname = import.meta.dirname;',
].join('\n');

/** An entry by its path from the root, and the name of its file in the folder. */
type Entry = { readonly source: string; readonly out: string };

export type Bundles = { readonly folderOf: (name: FunctionName) => string; readonly remove: () => void };

/** Bundles every handler into a folder of its own. Throws where a handler is not there. */
export function bundleFunctions(root: string): Bundles {
  const place = mkdtempSync(join(tmpdir(), 'sallyport-functions-'));
  for (const name of FUNCTIONS) {
    const source = `lambdas/${name}/handler.ts`;
    if (!existsSync(join(root, source))) throw new Error(`the function ${name} has no ${source}`);
    bundle(root, join(place, name), [{ source, out: 'handler' }]);
  }
  return { folderOf: (name) => join(place, name), remove: () => rmSync(place, { recursive: true, force: true }) };
}

/**
 * Bundles the proxy into `folder`, with the worker that parses long statements, and with native code of packages where they have
 * been built here: it is not the same bytes on every machine.
 */
export function bundleProxy(root: string, folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  const packages = bundle(root, folder, [
    { source: 'proxy-task/main.ts', out: 'main' },
    { source: 'proxy-task/postgres/parse-worker.ts', out: 'parse-worker' },
  ]);
  addNative(root, folder, packages);
}

/** The packages that stand beside the code. */
function bundle(root: string, folder: string, entries: readonly Entry[]): ReadonlySet<string> {
  const { metafile } = buildSync({
    absWorkingDir: root,
    entryPoints: entries.map(({ source, out }) => ({ in: source, out })),
    outdir: folder,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    // Names of classes and functions stand in logs.
    keepNames: true,
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: 'none',
    mainFields: ['module', 'main'],
    conditions: ['node', 'import'],
    external: [...Object.keys(BESIDE).flatMap((name) => [name, `${name}/*`]), 'pg-native', 'tsx'],
    banner: { js: BANNER },
    metafile: true,
    logLevel: 'error',
  });
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}\n');
  const packages = packagesOf(metafile);
  for (const name of packages) {
    for (const file of BESIDE[name] ?? []) {
      const to = join(folder, 'node_modules', name, file);
      mkdirSync(dirname(to), { recursive: true });
      const from = join(root, 'node_modules', name);
      cpSync(join(from, file), to, { dereference: true, recursive: true, filter: (path) => !BUILT.test(relative(from, path)) });
    }
  }
  return packages;
}

/** What is not there is done without: ssh2 has the same ciphers in JavaScript. */
function addNative(root: string, folder: string, packages: ReadonlySet<string>): void {
  for (const name of packages) {
    for (const file of NATIVE[name] ?? []) {
      const from = join(root, 'node_modules', name, file);
      const to = join(folder, 'node_modules', name, file);
      if (!existsSync(from)) continue;
      mkdirSync(dirname(to), { recursive: true });
      cpSync(from, to, { dereference: true });
    }
  }
}

/** The packages that stay outside and are imported. Throws where one is not known: it would be missing when it runs. */
function packagesOf(metafile: Metafile): ReadonlySet<string> {
  const found = new Set<string>();
  for (const [output, { imports }] of Object.entries(metafile.outputs)) {
    for (const { path, external } of imports) {
      if (external !== true) continue;
      const name = Object.keys(BESIDE).find((each) => path === each || path.startsWith(`${each}/`));
      if (name !== undefined) for (const each of [name, ...(GOES_WITH[name] ?? [])]) found.add(each);
      else if (!isBuiltin(path)) throw new Error(`${output} imports ${path}, which is not in the bundle`);
    }
  }
  return found;
}
