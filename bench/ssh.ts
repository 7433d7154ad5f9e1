/** One large output of one command over SSH, to a reader that does nothing with it. */
import { spawn } from 'node:child_process';
import { closeSync, openSync, writeSync } from 'node:fs';
import { cpuSeconds } from './cpu.ts';
import { DIRECT, JUMP, startSshSubjects, type SshSubject } from './ssh-subjects.ts';
import { shuffled, type Spread, spreadOf } from './statistics.ts';

const MIB = 1024 * 1024;

/** Medians over the rounds; ratios are taken within each round. */
export type SshMeasured = {
  readonly name: string;
  readonly mibPerSecond: Spread;
  /** Seconds of the gateway's CPU per GiB. */
  readonly cpuPerGib: Spread | undefined;
  readonly toDirect: Spread;
  readonly toJump: Spread;
};

/** One round more, the first, warms up. Rejects with the package that is missing where sshd or ssh is not installed. */
export async function measureSsh(root: string, rounds: number, bytes: number): Promise<SshMeasured[]> {
  const subjects = await startSshSubjects(root);
  try {
    const file = subjects.host.path('srv/large');
    writeText(file, bytes);
    const rates = new Map(subjects.all.map(({ name }): [string, number[]] => [name, []]));
    const costs = new Map(subjects.all.map(({ name }): [string, number[]] => [name, []]));
    for (let round = 0; round <= rounds; round += 1) {
      await subjects.logIn();
      for (const subject of shuffled(subjects.all)) {
        subjects.settle();
        const before = subject.pid === undefined ? 0 : cpuSeconds(subject.pid);
        const seconds = await cat(subject, file, bytes);
        if (round === 0) continue;
        rates.get(subject.name)?.push(bytes / MIB / seconds);
        if (subject.pid !== undefined) costs.get(subject.name)?.push((cpuSeconds(subject.pid) - before) / (bytes / MIB / 1024));
      }
    }
    const against = (name: string, base: string): Spread =>
      spreadOf((rates.get(name) ?? []).map((rate, i) => rate / (rates.get(base)?.[i] ?? Number.NaN)));
    return subjects.all.map(({ name, pid }) => ({
      name,
      mibPerSecond: spreadOf(rates.get(name) ?? []),
      cpuPerGib: pid === undefined ? undefined : spreadOf(costs.get(name) ?? []),
      toDirect: against(name, DIRECT),
      toJump: against(name, JUMP),
    }));
  } finally {
    await subjects.stop();
  }
}

/** Seconds from the start of ssh to its end, its log-in included: on a file of this size that is little, and the same for all. */
async function cat({ name, args }: SshSubject, file: string, bytes: number): Promise<number> {
  const startedAt = performance.now();
  // Into wc, which says whether all of it came.
  const child = spawn('sh', ['-c', '"$@" | wc -c', 'sh', 'ssh', ...args, `cat ${file}`], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  await new Promise((resolve, reject) => child.once('close', resolve).once('error', reject));
  if (said.trim() !== String(bytes)) throw new Error(`${name}: ${said}`);
  return (performance.now() - startedAt) / 1000;
}

/** Lines of a log, as detectors meet them: digits and dots everywhere, nothing to find. */
function writeText(file: string, bytes: number): void {
  const lines = Array.from(
    { length: 16_384 },
    (_, i) => `2026-11-20T13:${i % 60}:07.${i} web1 app[${i}]: request ${i * 7919} took ${i % 97} ms, status 200\n`,
  );
  const block = Buffer.from(lines.join('')).subarray(0, MIB);
  const handle = openSync(file, 'w');
  for (let left = bytes; left > 0; left -= block.length) writeSync(handle, block, 0, Math.min(left, block.length));
  closeSync(handle);
}
