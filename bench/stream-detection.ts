/**
 * All eight detectors over what programs print, on one core, in packets as SSH brings them. Run: `node --import tsx bench/stream-detection.ts`.
 * CPU and not the clock is measured, so that it holds on a machine that does other work too.
 */
import { createHash } from 'node:crypto';
import { BUILT_IN_DETECTORS, compileDetectors } from '../core/masking/detectors.ts';
import { StreamRedactor } from '../core/masking/stream-redactor.ts';

const PACKET_BYTES = 32 * 1024;
const BLOCK_BYTES = 8 * 1024 * 1024;
const BYTES_PER_ROUND = 128 * 1024 * 1024;
const GIB = 1024 ** 3;
const ROUNDS = 5;
const ALL = compileDetectors(BUILT_IN_DETECTORS);

report('lines of a log, digits and points everywhere', (i) => {
  return `2026-11-20T13:${i % 60}:07.${i} web1 app[${i}]: request ${i * 7919} took ${i % 97} ms, status 200\n`;
});
report(
  'the same, dates with blanks',
  (i) => `2026-11-20 13:${10 + (i % 50)}:07.123 INFO request ${i * 7919} took ${i % 97} ms, status 200\n`,
);
report('lines of JSON with times in milliseconds', (i) => {
  return `{"ts":${1_763_600_000_000 + i * 37},"level":"info","id":"${hex(i).slice(0, 32)}","msg":"request done","ms":${i % 97}}\n`;
});
report('prose', (i) => `The customer asked for statement ${i} to be sent by mail, and was told that it takes three days; he agreed.\n`);
report('colours', (i) => `\x1b[32mok\x1b[0m test ${i} \x1b[1mof the suite\x1b[0m took ${i % 97} ms\n`);
report('Base64 in lines', (i) => `${Buffer.from(hex(i), 'hex').toString('base64')}\n`);
report('random bytes', (i) => Buffer.from(hex(i), 'hex'));
report('an address in every line', (i) => `${i % 60} customer number ${i} writes as ann.smith${i}@bank.example from now on\n`);

function hex(i: number): string {
  return createHash('sha512').update(String(i)).digest('hex');
}

function report(name: string, unit: (i: number) => string | Buffer): void {
  const packets = packetsOf(unit);
  const seconds: number[] = [];
  let detected = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const redactor = new StreamRedactor(ALL);
    detected = 0;
    const before = process.cpuUsage();
    for (let bytes = 0, at = 0; bytes < BYTES_PER_ROUND; bytes += PACKET_BYTES, at = (at + 1) % packets.length) {
      detected += redactor.push(packets[at] ?? Buffer.alloc(0)).detected;
    }
    const used = process.cpuUsage(before);
    seconds.push((used.user + used.system) / 1e6);
  }
  const best = (Math.min(...seconds) * GIB) / BYTES_PER_ROUND;
  console.log(`${name.padEnd(46)} ${best.toFixed(2)} s per GiB  ${String(detected).padStart(8)} found`);
}

/** More than the innermost caches hold, cut where it falls. */
function packetsOf(unit: (i: number) => string | Buffer): Buffer[] {
  const units: Buffer[] = [];
  for (let i = 0, bytes = 0; bytes < BLOCK_BYTES; i++) {
    const made = Buffer.from(unit(i));
    units.push(made);
    bytes += made.length;
  }
  const all = Buffer.concat(units);
  return Array.from({ length: BLOCK_BYTES / PACKET_BYTES }, (_, at) => all.subarray(at * PACKET_BYTES, (at + 1) * PACKET_BYTES));
}
