/** What is deployed runs by itself: outside the repository, on plain Node. */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bundleFunctions, bundleProxy, type Bundles } from '../../infra/bundle.ts';
import { FUNCTIONS } from '../../infra/names.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** Nothing of the machine that runs the suite. */
const ENVIRONMENT = { PATH: process.env['PATH'] ?? '' };

function runNode(folder: string, script: string): string {
  return execFileSync(process.execPath, ['--input-type=module', '-e', script], { cwd: folder, env: ENVIRONMENT, encoding: 'utf8' });
}

/** Loads every package that stands beside a bundle. */
function loadPackages(folder: string): string[] {
  const packages = join(folder, 'node_modules');
  const found = existsSync(packages) ? readdirSync(packages).map((name) => (name.startsWith('@') ? `${name}/cedar-wasm` : name)) : [];
  // What only ssh2 asks for is there when ssh2 loads.
  const names = found.filter((name) => !['asn1', 'bcrypt-pbkdf', 'safer-buffer', 'tweetnacl'].includes(name));
  const script = names.map((name) => {
    if (name.startsWith('@')) return `const cedar = await import('${name}/nodejs'); console.log('cedar', typeof cedar.isAuthorized);`;
    if (name === 'web-tree-sitter')
      return `const shell = await import('${name}'); await shell.Parser.init(); console.log('${name}', typeof shell.Parser);`;
    if (name === 'ssh2') return `console.log('ssh2', typeof (await import('ssh2')).default.Server);`;
    if (name === 'tree-sitter-bash')
      return `const { createRequire } = await import('node:module'); const grammar = createRequire(process.cwd() + '/x.js').resolve('${name}/tree-sitter-bash.wasm');
        const tree = await import('web-tree-sitter'); await tree.Parser.init(); console.log('${name}', typeof (await tree.Language.load(grammar)).nodeTypeForId);`;
    return `console.log('${name}', typeof (await (await import('${name}/wasm/libpg-query.js')).default())._wasm_parse_query_raw);`;
  });
  return script.length === 0 ? [] : runNode(folder, script.join('\n')).trim().split('\n');
}

describe('the bundle of a function', () => {
  let bundles: Bundles;
  beforeAll(() => {
    bundles = bundleFunctions(ROOT);
  });
  afterAll(() => {
    bundles.remove();
  });

  test.each(FUNCTIONS)('%s loads and answers without the repository', (name) => {
    const folder = bundles.folderOf(name);
    const answer = runNode(
      folder,
      `const { handler } = await import('./handler.js');
       const said = await Promise.resolve().then(() => handler({})).then((value) => JSON.stringify(value), (error) => error.constructor.name + ': ' + error.message);
       console.log(said);`,
    );
    expect(answer).not.toMatch(/ENOENT|Cannot find|is not defined|ERR_/u);
    expect(loadPackages(folder).filter((line) => !/^\S+ function$/u.test(line))).toEqual([]);
  });

  test('request-approval reads commands by itself', () => {
    expect(loadPackages(bundles.folderOf('request-approval'))).toEqual(
      expect.arrayContaining(['tree-sitter-bash function', 'web-tree-sitter function']),
    );
  });

  test('a function that needs a setting says which one', () => {
    const said = runNode(
      bundles.folderOf('seal'),
      `const { handler } = await import('./handler.js'); await handler().catch((error) => console.log(error.message));`,
    );
    expect(said).toContain('the environment variable SALLYPORT_WRITERS_TABLE is not set');
  });
});

describe('the bundle of the proxy', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-proxy-'));
  beforeAll(() => bundleProxy(ROOT, folder));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('it starts on plain Node and names the settings that it misses', () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, ['main.js'], {
      cwd: folder,
      env: ENVIRONMENT,
      encoding: 'utf8',
      timeout: 30_000,
    });
    expect(`${stdout}${stderr}`).toContain('SALLYPORT_JOURNAL_TABLE');
    expect(`${stdout}${stderr}`).not.toMatch(/ENOENT|Cannot find|is not defined/u);
    expect(status).not.toBe(0);
  });

  const NATIVE = 'node_modules/ssh2/lib/protocol/crypto/build/Release/sshcrypto.node';
  const CIPHERS = `const { default: crypto } = await import('ssh2/lib/protocol/crypto.js'); console.log(crypto.bindingAvailable);`;

  test('it has the native ciphers beside it, and does without where they are not for its machine', () => {
    expect(existsSync(join(ROOT, NATIVE)), 'npm rebuild ssh2 makes them').toBe(true);
    expect(runNode(folder, CIPHERS).trim()).toBe('true');
    const other = mkdtempSync(join(tmpdir(), 'sallyport-proxy-'));
    cpSync(join(folder, 'node_modules'), join(other, 'node_modules'), { recursive: true });
    writeFileSync(join(other, NATIVE), 'code for another machine');
    expect(runNode(other, CIPHERS).trim()).toBe('false');
    rmSync(join(other, NATIVE));
    expect(runNode(other, CIPHERS).trim()).toBe('false');
    rmSync(other, { recursive: true });
  });

  test('no function has native code beside it: they run on another machine than the one that bundles', () => {
    const bundles = bundleFunctions(ROOT);
    const found = FUNCTIONS.flatMap((name) => readdirSync(bundles.folderOf(name), { recursive: true, encoding: 'utf8' }));
    bundles.remove();
    expect(found.filter((path) => path.endsWith('.node'))).toEqual([]);
  });

  test('it has its parse worker and every grammar beside it', () => {
    expect(existsSync(join(folder, 'parse-worker.js'))).toBe(true);
    expect(loadPackages(folder).toSorted()).toEqual([
      'cedar function',
      'libpg-query-15 function',
      'libpg-query-16 function',
      'libpg-query-17 function',
      'libpg-query-18 function',
      'ssh2 function',
      'tree-sitter-bash function',
      'web-tree-sitter function',
    ]);
  });
});

describe('the Dockerfile', () => {
  const lines = readFileSync(join(ROOT, 'proxy-task/Dockerfile'), 'utf8').split('\n');

  test('whatever it copies from the repository is there, and is let through by .dockerignore', () => {
    const ignored = readFileSync(join(ROOT, '.dockerignore'), 'utf8').split('\n');
    const sources = lines
      .filter((line) => line.startsWith('COPY ') && !line.includes('--from='))
      .flatMap((line) => line.split(' ').slice(1, -1));
    expect(sources.length).toBeGreaterThan(5);
    for (const source of sources) {
      expect(existsSync(join(ROOT, source)), source).toBe(true);
      expect(ignored, source).toContain(`!${source}`);
    }
    expect(ignored).toContain('*');
  });

  test('what it bundles needs no file that it does not copy', () => {
    const script = `import { buildSync } from 'esbuild';
      const { metafile } = buildSync({ entryPoints: ['proxy-task/main.ts', 'infra/bundle-proxy.ts'], bundle: true, write: false, platform: 'node', format: 'esm', packages: 'external', metafile: true, outdir: 'x' });
      console.log(JSON.stringify(Object.keys(metafile.inputs)));`;
    const inputs: string[] = JSON.parse(
      execFileSync(process.execPath, ['--input-type=module', '-e', script], { cwd: ROOT, encoding: 'utf8' }),
    );
    const copied = lines
      .filter((line) => line.startsWith('COPY ') && !line.includes('--from='))
      .flatMap((line) => line.split(' ').slice(1, -1));
    expect(inputs.filter((input) => !copied.some((source) => input === source || input.startsWith(`${source}/`)))).toEqual([]);
  });

  test('the image runs as no root, and its bases are named by whoever builds it', () => {
    expect(lines.filter((line) => line.startsWith('USER '))).toEqual(['USER node']);
    expect(lines.filter((line) => line.startsWith('FROM '))).toEqual(['FROM ${BUILD_IMAGE} AS build', 'FROM ${NODE_IMAGE}']);
    expect(lines.filter((line) => line.startsWith('ARG '))).toEqual(['ARG BUILD_IMAGE', 'ARG NODE_IMAGE']);
  });

  test('runs the one install script that makes native code, and fails where it makes none', () => {
    expect(lines.join('\n')).toMatch(/npm ci --ignore-scripts .*\n {2}&& CI_CHECK_FAIL=ssh2 .* npm rebuild ssh2$/mu);
  });
});
