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
  // Stands in for npm, and for psql so that nothing is installed.
  writeFileSync(
    join(folder, 'bin/npm'),
    '#!/bin/sh\necho "npm $*"\n[ "$1" = test ] && cp "$REPORT" "$SALLYPORT_TEST_REPORT"\ncase " $FAILING " in *" $* "*) exit 3;; esac\n',
  );
  writeFileSync(join(folder, 'bin/psql'), '#!/bin/sh\n');
  for (const name of ['npm', 'psql']) chmodSync(join(folder, 'bin', name), 0o755);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Report = {
  passed: number;
  failed: number;
  skipped?: number;
  files?: readonly { status: string; assertionResults: readonly { status: string }[] }[];
};

/** Runs the checks with an npm whose commands fail as told; the report is what its `npm test` leaves. */
function ci(report: Report | undefined, failing = ''): { status: number | null; lines: string[] } {
  const path = join(folder, 'report.json');
  const { passed = 0, failed = 0, skipped = 0, files = [] } = report ?? {};
  writeFileSync(
    path,
    JSON.stringify({ numPassedTests: passed, numFailedTests: failed, numPendingTests: skipped, numTodoTests: 0, testResults: files }),
  );
  const ran = spawnSync(join(folder, '.ci/run'), {
    encoding: 'utf8',
    env: {
      PATH: `${join(folder, 'bin')}:${dirname(process.execPath)}:/usr/bin:/bin`,
      REPORT: report === undefined ? join(folder, 'missing') : path,
      FAILING: failing,
    },
  });
  return { status: ran.status, lines: ran.stdout.trimEnd().split('\n') };
}

describe('.ci/run', () => {
  test('installs, then runs exactly npm test, then the other checks, and counts every one', () => {
    const { status, lines } = ci({ passed: 40, failed: 0 });
    expect(lines.filter((line) => line.startsWith('npm '))).toEqual([
      'npm ci --no-audit --no-fund',
      'npm test',
      'npm run --silent types',
      'npm run --silent lint',
      'npm run --silent format:check',
    ]);
    expect([lines.at(-1), status]).toEqual(['44 passed, 0 failed', 0]);
  });

  test('goes on after a failing check and ends with a failure', () => {
    const { status, lines } = ci({ passed: 40, failed: 0 }, 'run --silent types');
    expect(lines).toContain('npm run --silent format:check');
    expect(lines).toContain('failed: types (exit status 3)');
    expect([lines.at(-1), status]).toEqual(['43 passed, 1 failed', 1]);
  });

  test.each([
    ['failing tests are counted one by one', { passed: 38, failed: 2 }, 'test', '42 passed, 2 failed'],
    [
      'a file that could not be loaded is a failure',
      { passed: 40, failed: 0, files: [{ status: 'failed', assertionResults: [] }] },
      'test',
      '44 passed, 1 failed',
    ],
    [
      'a failing file is not counted beside its failing tests',
      { passed: 39, failed: 1, files: [{ status: 'failed', assertionResults: [{ status: 'failed' }] }] },
      'test',
      '43 passed, 1 failed',
    ],
    ['an exit status that no test explains is a failure', { passed: 40, failed: 0 }, 'test', '44 passed, 1 failed'],
    ['no test at all is a failure', { passed: 0, failed: 0 }, '', '4 passed, 1 failed'],
    ['skipped tests count as neither', { passed: 38, failed: 0, skipped: 2 }, '', '42 passed, 0 failed'],
    ['a missing report is a failure', undefined, '', '4 passed, 1 failed'],
  ])('%s', (_, report, failing, says) => {
    const { status, lines } = ci(report, failing);
    expect([lines.at(-1), status]).toEqual([says, says.endsWith(' 0 failed') ? 0 : 1]);
  });
});
