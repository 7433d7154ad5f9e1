// Who may import what, and what the pure folders may not touch: the table of docs as code. Absence of a row is a refusal.
import { builtinModules } from 'node:module';
import { dirname, join, normalize } from 'node:path/posix';
import { readSource, type SourceFile, type Use } from './source-file.ts';

export type Finding = { readonly file: string; readonly line: number; readonly says: string };

export type Tree = {
  /** Source text by path from the root of the repository, with `/`. */
  readonly files: ReadonlyMap<string, string>;
  readonly dependencies: readonly string[];
  readonly devDependencies: readonly string[];
};

/** What an import reaches: a file of ours, a built-in module (without `node:`), a package. */
type Reached = { readonly kind: 'file' | 'builtin' | 'package'; readonly name: string };

type Layer = {
  readonly name: string;
  readonly holds: RegExp;
  /** Files of ours that it may import. */
  readonly files: RegExp;
  readonly builtins: 'all' | readonly string[];
  readonly packages: 'all' | 'allButAws' | RegExp;
};

// Parsers, validators and expression engines: text or values in, values out.
const PARSERS_AND_CEDAR = /^(?:libpg-query-1[5-8]|web-tree-sitter|yaml|ajv|re2js|@cedar-policy\/cedar-wasm)$/u;
const AWS = /^@(?:aws-sdk|smithy|aws-crypto)\//u;
const HASHES = [
  'createHash',
  'createHmac',
  'hash',
  'timingSafeEqual',
  'Hash',
  'Hmac',
  'createPublicKey',
  'verify',
  'createVerify',
  'KeyObject',
  'X509Certificate',
  // Functions of their arguments alone: whoever calls them brings keys and randomness.
  'createCipheriv',
  'createDecipheriv',
  'hkdfSync',
];
const NO_IO = ['buffer', 'crypto'];
const ADAPTER = /^(?:proxy-task|lambdas|standalone|cli)\/adapters\//u;
const WIRE = /^proxy-task\/(?:postgres|ssh)\/(?:messages\/.*|[^/]*-machine|frames?|frame-[^/]*)\.ts$/u;

// The first row that holds a file is its row.
const LAYERS: readonly Layer[] = [
  { name: 'test', holds: /^(?:test|bench|examples)\//u, files: /./u, builtins: 'all', packages: 'all' },
  { name: 'tooling', holds: /^[^/]+\.ts$/u, files: /^[^/]+$/u, builtins: 'all', packages: 'all' },
  { name: 'core', holds: /^core\//u, files: /^core\//u, builtins: NO_IO, packages: PARSERS_AND_CEDAR },
  {
    name: 'wire messages and machines',
    holds: WIRE,
    files: /^core\/|^proxy-task\/(?:postgres|ssh)\//u,
    builtins: ['buffer'],
    packages: /^pg-protocol$/u,
  },
  {
    name: 'pipeline',
    holds: /^proxy-task\/pipeline\//u,
    files: /^core\/|^proxy-task\/(?:ports\.ts|pipeline\/)/u,
    builtins: NO_IO,
    packages: /^$/u,
  },
  {
    name: 'adapters',
    holds: /^proxy-task\/adapters\//u,
    files: /^core\/|^proxy-task\/(?:(?:ports|config)\.ts$|adapters\/)/u,
    builtins: 'all',
    packages: 'all',
  },
  {
    name: 'adapters',
    holds: /^lambdas\/adapters\//u,
    // The console owns its ports; on AWS they are met by adapters of its function.
    files: /^core\/|^console\/ports\.ts$|^lambdas\/(?:[^/]+\/ports\.ts$|adapters\/)/u,
    builtins: 'all',
    packages: 'all',
  },
  // Tokens are verified alike wherever they arrive: these two verifiers, which speak to issuers only, are shared.
  {
    name: 'proxy-task/main',
    holds: /^proxy-task\/main\.ts$/u,
    files: /^(?:core|proxy-task)\/|^console\/(?:id-token-verifier|oidc-discovery)\.ts$/u,
    builtins: 'all',
    packages: 'all',
  },
  {
    name: 'proxy-task',
    holds: /^proxy-task\//u,
    files: /^core\/|^proxy-task\/(?!adapters\/|main\.ts)/u,
    builtins: 'all',
    packages: 'allButAws',
  },
  {
    name: 'handler',
    holds: /^lambdas\/[^/]+\/handler\.ts$/u,
    files: /^(?:core|lambdas|console)\/|^proxy-task\/adapters\/(?:jose-token-verifier|issuer-keys)\.ts$/u,
    builtins: 'all',
    packages: 'all',
  },
  // Settings and logs, which every handler uses.
  { name: 'lambdas', holds: /^lambdas\/[^/]+\.ts$/u, files: /^core\/|^lambdas\/[^/]+\.ts$/u, builtins: 'all', packages: 'allButAws' },
  {
    name: 'use case',
    holds: /^lambdas\/[^/]+\//u,
    files: /^core\/|^console\/ports\.ts$|^lambdas\/(?:event-fields\.ts$|(?!adapters\/)[^/]+\/(?!handler\.ts))/u,
    builtins: NO_IO,
    packages: 'allButAws',
  },
  { name: 'console', holds: /^console\//u, files: /^(?:core|console)\//u, builtins: 'all', packages: 'allButAws' },
  {
    name: 'standalone',
    holds: /^standalone\//u,
    files: /^(?:core|console|standalone)\/|^proxy-task\/(?!main\.ts)/u,
    builtins: 'all',
    packages: 'allButAws',
  },
  { name: 'cli adapters', holds: /^cli\/adapters\//u, files: /^(?:core|cli)\//u, builtins: 'all', packages: 'all' },
  {
    name: 'cli',
    holds: /^cli\//u,
    files: /^(?:core|console|standalone|cli)\/|^proxy-task\/(?!main\.ts|adapters\/)/u,
    builtins: 'all',
    packages: 'allButAws',
  },
  {
    name: 'infra',
    holds: /^infra\//u,
    files: /^infra\//u,
    builtins: 'all',
    packages: /^(?:aws-cdk-lib|constructs|cdk-nag|esbuild|@aws-cdk\/.*)$/u,
  },
];

// Modules that reach out of the process; a wire file may not even import a file that imports one.
const IO_BUILTINS = new Set(
  builtinModules.filter((name) => !/^(?:buffer|crypto|util|assert|path|url|string_decoder|punycode|constants)(?:\/|$)/u.test(name)),
);

const IMPURE = new Set(
  [
    'process require module global globalThis console fetch performance crypto navigator eval Function import.meta',
    'setTimeout setInterval setImmediate clearTimeout clearInterval clearImmediate queueMicrotask',
    'Intl Temporal WebSocket Worker EventSource XMLHttpRequest BroadcastChannel __dirname __filename',
  ].flatMap((line) => line.split(' ')),
);
const HARMLESS_DATE = new Set(['new Date(…)', 'Date.UTC', 'Date.parse', 'type Date', 'instanceof Date']);

// What a file may import or use beside its row, where the file itself says why.
const EXCEPTIONS = new Set([
  'core/policy/cedar.ts node:v8',
  'core/statement/host/command/grammar-file.ts node:fs/promises',
  'core/statement/host/command/grammar-file.ts node:module',
  'core/statement/host/command/grammar-file.ts import.meta',
]);

// A verb is loaded by its name, which stands in a table beside the import.
const MAY_COMPUTE_IMPORTS = new Set(['cli/dispatch.ts', 'standalone/demo/postgres-binaries.ts']);

/** Every breach of the table in the tree, by file and line. */
export function breaches(tree: Tree): Finding[] {
  const sources = new Map([...tree.files].map(([file, text]) => [file, readSource(text)]));
  return [...sources]
    .flatMap(([file, source]) => [...importBreaches(file, source, sources, tree), ...purityBreaches(file, source)])
    .toSorted((a, b) => a.file.localeCompare(b.file) || a.line - b.line);
}

function importBreaches(file: string, source: SourceFile, sources: ReadonlyMap<string, SourceFile>, tree: Tree): Finding[] {
  const layer = LAYERS.find((each) => each.holds.test(file));
  if (layer === undefined) return [{ file, line: 1, says: 'no row of the import table holds this file' }];
  const findings: Finding[] = [];
  const report = (line: number, says: string): void => void findings.push({ file, line, says });
  for (const each of source.imports) {
    if (EXCEPTIONS.has(`${file} ${each.specifier}`)) continue;
    const reached = reach(file, each.specifier);
    if (!mayReach(layer, reached)) report(each.line, `${layer.name} may not import ${each.specifier}`);
    else if (reached.kind === 'package') packageBreach(file, reached.name, tree, (says) => report(each.line, says));
    if (layer.name === 'core' && reached.name === 'crypto') {
      for (const name of each.names.length === 0 ? ['*'] : each.names) {
        if (!HASHES.includes(name)) report(each.line, `core may not import ${name} from node:crypto, only hashes and checks`);
      }
    }
    if (ADAPTER.test(file) && reached.kind === 'file' && ADAPTER.test(reached.name) && isAdapter(sources.get(reached.name))) {
      report(each.line, `adapters may not import ${each.specifier}, which is another adapter`);
    }
    if (
      layer.name === 'standalone' &&
      ADAPTER.test(reached.name) &&
      sources.get(reached.name)?.imports.some((deep) => AWS.test(deep.specifier))
    ) {
      report(each.line, `standalone may not import ${each.specifier}, which speaks to AWS`);
    }
    if (WIRE.test(file) && reached.kind === 'file') {
      const found = firstIo(reached.name, sources, new Set());
      if (found !== undefined) report(each.line, `${layer.name} may not import ${each.specifier}, which reaches ${found}`);
    }
  }
  if (layer.name !== 'test' && !MAY_COMPUTE_IMPORTS.has(file)) {
    for (const each of source.computedImports) report(each.line, `${each.what} of a computed name cannot be checked`);
  }
  return findings;
}

function packageBreach(file: string, name: string, tree: Tree, report: (says: string) => void): void {
  if (tree.dependencies.includes(name)) return;
  const development = /^(?:test|bench|infra)\/|^[^/]+\.ts$/u.test(file);
  if (!(development && tree.devDependencies.includes(name))) report(`${name} is not among the dependencies of package.json`);
}

function purityBreaches(file: string, source: SourceFile): Finding[] {
  const findings: Finding[] = source.bareAssertions.map((use) => ({ file, line: use.line, says: '`as` needs a comment with its reason' }));
  if (file.startsWith('core/') || WIRE.test(file)) {
    const who = file.startsWith('core/') ? 'core' : 'wire messages and machines';
    for (const use of source.uses)
      if (isImpure(use) && !EXCEPTIONS.has(`${file} ${use.what}`))
        findings.push({ file, line: use.line, says: `${who} may not use ${use.what}` });
  }
  if (WIRE.test(file))
    for (const use of source.promises) findings.push({ file, line: use.line, says: `wire messages and machines may not use ${use.what}` });
  return findings;
}

function isImpure(use: Use): boolean {
  const [base = ''] = use.what.replace(/^new /u, '').split(/[.(]/u);
  if (use.what === 'import.meta' || (IMPURE.has(base) && !use.what.startsWith('type '))) return true;
  if (base === 'Date') return !HARMLESS_DATE.has(use.what);
  return base === 'Math' && (use.what === 'Math.random' || !/^Math\.\w+$/u.test(use.what));
}

function mayReach(layer: Layer, reached: Reached): boolean {
  switch (reached.kind) {
    case 'file':
      return layer.files.test(reached.name);
    case 'builtin':
      return layer.builtins === 'all' || layer.builtins.includes(reached.name);
    case 'package':
      if (layer.packages === 'all') return true;
      return layer.packages === 'allButAws' ? !AWS.test(reached.name) : layer.packages.test(reached.name);
  }
}

function reach(file: string, specifier: string): Reached {
  if (specifier.startsWith('.')) return { kind: 'file', name: normalize(join(dirname(file), specifier)) };
  const bare = specifier.replace(/^node:/u, '');
  if (specifier.startsWith('node:') || builtinModules.includes(bare)) return { kind: 'builtin', name: bare };
  const parts = specifier.split('/');
  return { kind: 'package', name: parts.slice(0, specifier.startsWith('@') ? 2 : 1).join('/') };
}

// An adapter implements a port, so it names one; what several lines of one adapter were moved to does not.
function isAdapter(source: SourceFile | undefined): boolean {
  return source?.imports.some((each) => /(?:^|\/)ports\.ts$/u.test(each.specifier)) ?? true;
}

function firstIo(file: string, sources: ReadonlyMap<string, SourceFile>, seen: Set<string>): string | undefined {
  if (seen.has(file)) return undefined;
  seen.add(file);
  for (const each of sources.get(file)?.imports ?? []) {
    const reached = reach(file, each.specifier);
    if (reached.kind === 'builtin' && IO_BUILTINS.has(reached.name)) return `${each.specifier} in ${file}`;
    const deeper = reached.kind === 'file' ? firstIo(reached.name, sources, seen) : undefined;
    if (deeper !== undefined) return deeper;
  }
  return undefined;
}
