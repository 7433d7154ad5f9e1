/** The part of docs/benchmarks.md that is about SSH. */
import type { SshMeasured } from './ssh.ts';
import { DIRECT, JUMP } from './ssh-subjects.ts';
import type { Spread } from './statistics.ts';

const ratio = ({ median, low, high }: Spread): string => `${median.toFixed(2)} (${low.toFixed(2)}–${high.toFixed(2)})`;

/** Goals that these results say something about; of what was recorded, without detectors. */
export function sshPoints(
  measured: readonly SshMeasured[],
): readonly { readonly name: string; readonly spread: Spread | undefined; readonly must: number; readonly goal: number }[] {
  const recorded = measured.find(({ name }) => name === '+record');
  return [
    { name: `SSH \`cat\` recorded: rate to ${DIRECT}`, spread: recorded?.toDirect, must: 0.75, goal: 0.9 },
    { name: `the same: rate to \`${JUMP}\``, spread: recorded?.toJump, must: 1.0, goal: 1.2 },
  ];
}

/** A table of what was measured. */
export function sshPage(measured: readonly SshMeasured[]): string {
  return [
    '### One large output of `cat` over SSH',
    '',
    `*${JUMP}* is a second hop through the same OpenSSH server. *digest*: judged, its output counted and hashed. *+record* keeps the output,`,
    '*full* runs all eight detectors over it too. Ciphers are those that the two ends agree on by themselves.',
    '',
    `| | MiB/s | to ${DIRECT} | to \`${JUMP}\` | the gateway's CPU, s per GiB |`,
    '| --- | --- | --- | --- | --- |',
    ...measured.map(
      ({ name, mibPerSecond, toDirect, toJump, cpuPerGib }) =>
        `| ${name} | ${mibPerSecond.median.toFixed(0)} | ${ratio(toDirect)} | ${ratio(toJump)} | ${cpuPerGib === undefined ? '–' : cpuPerGib.median.toFixed(1)} |`,
    ),
  ].join('\n');
}
