import { expect, test } from 'vitest';
import { page, points, type Results } from '../../bench/report.ts';
import { sshPage } from '../../bench/ssh-report.ts';
import type { SshMeasured } from '../../bench/ssh.ts';
import type { Measured } from '../../bench/subjects.ts';

function measured(name: string, rateToPgBouncer: number | undefined, cpuToRelay: number, cpuUs: number): Measured {
  const exactly = (value: number) => ({ median: value, low: value, high: value });
  return {
    name,
    rate: exactly(1000),
    cpuUs: exactly(cpuUs),
    rateToPgBouncer: rateToPgBouncer === undefined ? undefined : exactly(rateToPgBouncer),
    cpuToRelay: exactly(cpuToRelay),
  };
}

function overSsh(name: string, toDirect: number, toJump: number): SshMeasured {
  const exactly = (value: number) => ({ median: value, low: value, high: value });
  return { name, mibPerSecond: exactly(100), cpuPerGib: undefined, toDirect: exactly(toDirect), toJump: exactly(toJump) };
}

function results(cpuToRelay: number, rateToPgBouncer: number | undefined): Results {
  const all = [measured('relay', undefined, 1, 20), measured('full', rateToPgBouncer, cpuToRelay, 30)];
  return {
    rounds: 7,
    loadBefore: 0,
    versions: { postgres: '17', pgbench: '17', pgbouncer: rateToPgBouncer === undefined ? undefined : '1' },
    one: all,
    sixteen: all,
    bulk: [...all, measured('+record+mask', rateToPgBouncer, 1, 0.3)],
    judging: { cachedPerSecond: 1e6, newP50Us: 100 },
    idle: { baseKiB: 100 * 1024, perConnectionKiB: [18, 20, 30] },
  };
}

test('only the ratio of CPU decides the exit status', () => {
  expect(points(results(1.19, 0.1)).filter(({ decides, met }) => decides && !met)).toEqual([]);
  expect(points(results(1.21, 2)).filter(({ decides, met }) => decides && !met)).toHaveLength(1);
});

test('a point that is missed is called so', () => {
  expect(page(results(1.21, 2))).toContain('1.21 (1.21–1.21) | ≤ 1.2 | ≤ 1 | **missed** |');
  expect(page(results(1.19, 2))).toContain('1.19 (1.19–1.19) | ≤ 1.2 | ≤ 1 | met |');
});

test('without PgBouncer there are no ratios to it', () => {
  expect(points(results(1, undefined)).some(({ name }) => name.includes('PgBouncer'))).toBe(false);
  expect(page(results(1, undefined))).toContain('no PgBouncer');
});

test('memory that a batch of connections seems to have given back meets no goal', () => {
  const made = results(1, 1);
  const idle = (perConnectionKiB: readonly number[]) =>
    points({ ...made, idle: { baseKiB: 1024, perConnectionKiB } }).find(({ name }) => name.startsWith('RSS per idle'));
  expect(idle([18, 20, 30])).toMatchObject({ value: '20.00 (18.00–30.00)', met: true });
  expect(idle([-13, 20, 30])?.met).toBe(false);
});

test('what was recorded of SSH is held against OpenSSH direct, and through a jump host', () => {
  const shown = sshPage([overSsh('OpenSSH direct', 1, 1.5), overSsh('+record', 0.8, 0.99)], {
    rounds: 7,
    bytes: 1024 ** 3,
    loadBefore: 0.1,
  });
  expect(shown).toContain('rate to OpenSSH direct | 0.80 (0.80–0.80) | ≥ 0.75 | ≥ 0.9 | met |');
  expect(shown).toContain('rate to `ssh -J` | 0.99 (0.99–0.99) | ≥ 1 | ≥ 1.2 | **missed** |');
  expect(shown).toContain('prints 1024 MiB');
});
