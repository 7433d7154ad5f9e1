import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-ci-'));
  mkdirSync(join(folder, '.ci'));
  mkdirSync(join(folder, 'bin'));
  cpSync(join(ROOT, '.ci/run'), join(folder, '.ci/run'));
  // Stands in for npm, and for the programs so that nothing is installed.
  writeFileSync(
    join(folder, 'bin/npm'),
    '#!/bin/sh\necho "npm $*"\n[ "$1" = test ] && cp "$REPORT" "$SALLYPORT_TEST_REPORT"\n' +
      '[ "$2" = test:clients ] && cp "$CLIENTS_REPORT" "$SALLYPORT_TEST_REPORT"\n' +
      '[ "$2" = test:major -o "$2" = test:browser -o "$2" = test:aws -o "$2" = test:ssh ] && cp "$MAJOR_REPORT" "$SALLYPORT_TEST_REPORT"\n[ "$*" = "$FAILING" ] && exit 3\nexit 0\n',
  );
  writeFileSync(join(folder, 'bin/npx'), '#!/bin/sh\necho "npx $*"\n[ "$*" = "$FAILING" ] && exit 3\nexit 0\n');
  const programs = ['psql', 'pgbench', 'chromium', 'python3', 'radosgw', 'sshd', 'ssh', 'rsync', 'git', 'dpkg'];
  for (const name of programs) writeFileSync(join(folder, 'bin', name), '#!/bin/sh\n');
  for (const name of ['npm', 'npx', ...programs]) chmodSync(join(folder, 'bin', name), 0o755);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Report = {
  passed: number;
  failed: number;
  skipped?: number;
  files?: readonly { status: string; assertionResults: readonly { status: string }[] }[];
};

/** What `npm run test:clients` leaves unless a test says otherwise. */
const CLIENTS: Report = { passed: 5, failed: 0 };

/** Runs the checks with an npm whose commands fail as told; the reports are what its two suites leave. */
function ci(report: Report | undefined, failing = '', clients: Report | undefined = CLIENTS): { status: number | null; lines: string[] } {
  const ran = spawnSync(join(folder, '.ci/run'), {
    encoding: 'utf8',
    env: {
      PATH: `${join(folder, 'bin')}:${dirname(process.execPath)}:/usr/bin:/bin`,
      REPORT: left('report.json', report),
      CLIENTS_REPORT: left('clients.json', clients),
      // One test in the browser, one by SSH, one before the emulator, and one on each of the three other major versions.
      MAJOR_REPORT: left('major.json', { passed: 1, failed: 0 }),
      FAILING: failing,
    },
  });
  return { status: ran.status, lines: ran.stdout.trimEnd().split('\n') };
}

/** Path of a report with these counts; of nothing where there is none. */
function left(name: string, report: Report | undefined): string {
  if (report === undefined) return join(folder, 'missing');
  const { passed, failed, skipped = 0, files = [] } = report;
  const path = join(folder, name);
  writeFileSync(
    path,
    JSON.stringify({ numPassedTests: passed, numFailedTests: failed, numPendingTests: skipped, numTodoTests: 0, testResults: files }),
  );
  return path;
}

describe('.ci/run', () => {
  test('installs, then runs exactly npm test, the suites of other programs, then the other checks, and counts every one', () => {
    const { status, lines } = ci({ passed: 40, failed: 0 });
    expect(lines.filter((line) => /^np[mx] /.test(line))).toEqual([
      'npm ci --no-audit --no-fund',
      'npm test',
      'npm run test:clients',
      'npm run test:browser',
      'npm run test:ssh',
      'npm run test:aws',
      'npm run test:major -- 15',
      'npm run test:major -- 16',
      'npm run test:major -- 18',
      'npx cdk synth --quiet',
      'npm run --silent types',
      'npm run --silent lint',
      'npm run --silent format:check',
    ]);
    expect([lines.at(-1), status]).toEqual(['56 passed, 0 failed', 0]);
  });

  test('goes on after a failing check and ends with a failure', () => {
    const { status, lines } = ci({ passed: 40, failed: 0 }, 'run --silent types');
    expect(lines).toContain('npm run --silent format:check');
    expect(lines).toContain('failed: types (exit status 3)');
    expect([lines.at(-1), status]).toEqual(['55 passed, 1 failed', 1]);
  });

  test('templates that cannot be synthesized are a failure', () => {
    const { status, lines } = ci({ passed: 40, failed: 0 }, 'cdk synth --quiet');
    expect(lines).toContain('failed: cdk synth (exit status 3)');
    expect([lines.at(-1), status]).toEqual(['55 passed, 1 failed', 1]);
  });

  test.each([
    ['failing tests are counted one by one', { passed: 38, failed: 2 }, 'test', '54 passed, 2 failed'],
    [
      'a file that could not be loaded is a failure',
      { passed: 40, failed: 0, files: [{ status: 'failed', assertionResults: [] }] },
      'test',
      '56 passed, 1 failed',
    ],
    [
      'a failing file is not counted beside its failing tests',
      { passed: 39, failed: 1, files: [{ status: 'failed', assertionResults: [{ status: 'failed' }] }] },
      'test',
      '55 passed, 1 failed',
    ],
    ['an exit status that no test explains is a failure', { passed: 40, failed: 0 }, 'test', '56 passed, 1 failed'],
    ['no test at all is a failure', { passed: 0, failed: 0 }, '', '16 passed, 1 failed'],
    ['skipped tests count as neither', { passed: 38, failed: 0, skipped: 2 }, '', '54 passed, 0 failed'],
    ['a missing report is a failure', undefined, '', '16 passed, 1 failed'],
    ['an exit status of the other suites is a failure', { passed: 40, failed: 0 }, 'run test:clients', '56 passed, 1 failed'],
  ])('%s', (_, report, failing, says) => {
    const { status, lines } = ci(report, failing);
    expect([lines.at(-1), status]).toEqual([says, says.endsWith(' 0 failed') ? 0 : 1]);
  });

  test('counts failing tests of the other suites beside those of npm test, and names them', () => {
    const { status, lines } = ci({ passed: 39, failed: 1 }, 'test', { passed: 3, failed: 2 });
    expect(lines).toContain('failed: npm test: 1 failed (exit status 3)');
    expect(lines).toContain('failed: npm run test:clients: 2 failed (exit status 0)');
    expect([lines.at(-1), status]).toEqual(['53 passed, 3 failed', 1]);
  });
});
