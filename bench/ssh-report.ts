/** What SSH costs, as a page of Markdown. */
import { spawnSync } from 'node:child_process';
import { cpus } from 'node:os';
import type { SshMeasured } from './ssh.ts';
import { DIRECT, JUMP } from './ssh-subjects.ts';
import type { Spread } from './statistics.ts';

const ratio = ({ median, low, high }: Spread): string => `${median.toFixed(2)} (${low.toFixed(2)}–${high.toFixed(2)})`;

type SshPoint = { readonly name: string; readonly spread: Spread | undefined; readonly must: number; readonly goal: number };

/** Of what was recorded, without detectors. */
function points(measured: readonly SshMeasured[]): readonly SshPoint[] {
  const recorded = measured.find(({ name }) => name === '+record');
  return [
    { name: `\`cat\` recorded: rate to ${DIRECT}`, spread: recorded?.toDirect, must: 0.75, goal: 0.9 },
    { name: `the same: rate to \`${JUMP}\``, spread: recorded?.toJump, must: 1.0, goal: 1.2 },
  ];
}

/** docs/benchmarks-ssh.md. `loadBefore`: processes that wanted a core before the benchmark began. */
export function sshPage(
  measured: readonly SshMeasured[],
  run: { readonly rounds: number; readonly bytes: number; readonly loadBefore: number },
): string {
  const [cpu] = cpus();
  // It says its version on standard error.
  const { stderr } = spawnSync('ssh', ['-V'], { encoding: 'utf8' });
  return `# Benchmarks of SSH

Made by \`npm run bench -- --only ssh\`, and by \`npm run bench\`: ${stderr.trim().split(',')[0] ?? ''}, Node ${process.versions.node}, ${cpus().length} cores (${cpu?.model.trim() ?? 'unknown'}),
everything on the same machine. One command prints ${run.bytes / 1024 ** 2} MiB of log lines to a client that counts them; ${run.rounds} rounds in random order after one that warms up;
each value is the median of its rounds, with the smallest and the largest. Ratios are taken within a round. The machine's load average was
${run.loadBefore.toFixed(1)} before the run began; what a round recorded is on the disk, and out of the
page cache, before the next begins. The ends and the gateway share the cores: a byte that costs either of them more slows all of it.

## Goals

| point | measured | must | goal | |
| --- | --- | --- | --- | --- |
${points(measured)
  .map(({ name, spread, must, goal }) =>
    spread === undefined ? '' : `| ${name} | ${ratio(spread)} | ≥ ${must} | ≥ ${goal} | ${spread.median >= must ? 'met' : '**missed**'} |`,
  )
  .join('\n')}

## The price of each control

*${JUMP}* is a second hop through the same OpenSSH server. *digest*: judged, its output counted and hashed. *+record* keeps the output,
*full* runs all eight detectors over it too. Ciphers are those that the two ends agree on by themselves: the gateway asks for AES-GCM,
between OpenSSH's own ends it is ChaCha20.

| | MiB/s | to ${DIRECT} | to \`${JUMP}\` | the gateway's CPU, s per GiB |
| --- | --- | --- | --- | --- |
${measured
  .map(
    ({ name, mibPerSecond, toDirect, toJump, cpuPerGib }) =>
      `| ${name} | ${mibPerSecond.median.toFixed(0)} | ${ratio(toDirect)} | ${ratio(toJump)} | ${cpuPerGib === undefined ? '–' : cpuPerGib.median.toFixed(1)} |`,
  )
  .join('\n')}
`;
}
