/** The stream's detectors beside a slow and obvious reading of the same text, and what they cost. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BUILT_IN_DETECTORS, compileDetectors, redactText, type DetectorSet } from '../../../core/masking/detectors.ts';
import { StreamRedactor } from '../../../core/masking/stream-redactor.ts';
import { StreamScanner } from '../../../core/masking/stream-scanner.ts';
import { plantedLine } from './planted-text.ts';

const ALL = compileDetectors(BUILT_IN_DETECTORS);
/** A private key goes over lines. */
const IN_LINES = BUILT_IN_DETECTORS.filter((name) => name !== 'private-key');

/** Every detector over every line, with nothing looked for before. */
function reference(text: string, set: DetectorSet): { text: string; detected: number } {
  const lines = text.split('\n').map((line) => redactText(line, set));
  const redacted = lines.join('\n');
  return { text: redacted, detected: redacted.split('[masked:').length - text.split('[masked:').length };
}

/** Pushes pieces in memory that is used again, as the transport does. */
function throughLentMemory(pieces: readonly Buffer[], set: DetectorSet): { text: string; detected: number } {
  const redactor = new StreamRedactor(set);
  const memory = Buffer.alloc(Math.max(0, ...pieces.map((piece) => piece.length)));
  const out: Buffer[] = [];
  let detected = 0;
  for (const piece of pieces) {
    const lent = memory.subarray(0, piece.copy(memory));
    const redacted = redactor.push(lent);
    out.push(Buffer.concat(redacted.pieces));
    detected += redacted.detected;
    lent.fill('#');
  }
  const last = redactor.flush();
  return { text: Buffer.concat([...out, ...last.pieces]).toString(), detected: detected + last.detected };
}

function cutInto(bytes: Buffer, places: readonly number[]): Buffer[] {
  const sorted = [...places].map((place) => place % (bytes.length + 1)).toSorted((a, b) => a - b);
  return [0, ...sorted].map((from, at) => bytes.subarray(from, sorted[at] ?? bytes.length));
}

describe('a stream says what every detector says of every line', () => {
  test('wherever packets are cut, for any choice of detectors', () => {
    let detected = 0;
    fc.assert(
      fc.property(
        fc.array(plantedLine, { minLength: 1, maxLength: 8 }),
        fc.array(fc.nat(), { maxLength: 10 }),
        fc.subarray(IN_LINES, { minLength: 1 }),
        fc.boolean(),
        (lines, places, names, all) => {
          const set = compileDetectors(all ? IN_LINES : names);
          const text = lines.join('\n');
          const expected = reference(text, set);
          detected += expected.detected;
          expect(throughLentMemory(cutInto(Buffer.from(text), places), set)).toEqual(expected);
        },
      ),
      { numRuns: 3000, seed: 20261120 },
    );
    expect(detected).toBeGreaterThan(5000);
  });

  test('byte by byte', () => {
    fc.assert(
      fc.property(fc.array(plantedLine, { maxLength: 4 }), (lines) => {
        const text = lines.join('\n');
        const set = compileDetectors(IN_LINES);
        const bytes = Array.from(Buffer.from(text), (byte) => Buffer.of(byte));
        expect(throughLentMemory(bytes, set)).toEqual(reference(text, set));
      }),
      { numRuns: 500, seed: 20261120 },
    );
  });

  test('in packets that are longer than a stretch of the search', () => {
    fc.assert(
      fc.property(fc.array(plantedLine, { minLength: 1, maxLength: 6 }), fc.nat(70_000), fc.nat(200_000), (lines, before, place) => {
        const filler = 'words of a log, nothing to find\n'.repeat(Math.ceil(before / 32));
        const text = `${filler}${lines.join('\n')}\n${filler}`;
        const set = compileDetectors(IN_LINES);
        expect(throughLentMemory(cutInto(Buffer.from(text), [place]), set)).toEqual(reference(text, set));
      }),
      { numRuns: 150, seed: 20261120 },
    );
  });

  test('a temporary AWS key before a long-term one is hidden too', () => {
    const text = 'id ASIAIOSFODNN7EXAMPLE, id AKIAIOSFODNN7EXAMPLE\n';
    expect(throughLentMemory([Buffer.from(text)], ALL).text).toBe('id [masked:aws-access-key], id [masked:aws-access-key]\n');
  });
});

test('packets in which nothing is found are passed on as they are, but for the few bytes at their ends', () => {
  const line = (i: number): string => `2026-11-20T13:${i % 60}:07.${i} web1 app[${i}]: request ${i * 7919} took ${i % 97} ms, status 200\n`;
  const text = Buffer.from(Array.from({ length: 5000 }, (_, i) => line(i)).join(''));
  const redactor = new StreamRedactor(ALL);
  let copied = 0;
  let passed = 0;
  for (let at = 0; at + 32_768 <= text.length; at += 32_768) {
    const packet = text.subarray(at, at + 32_768);
    for (const piece of redactor.push(packet).pieces) {
      const isPart = piece.buffer === packet.buffer && piece.byteOffset >= packet.byteOffset;
      if (isPart) passed += piece.length;
      else copied += piece.length;
    }
  }
  expect(passed).toBeGreaterThan(390_000);
  expect(copied).toBeLessThan(1000);
});

describe('what a file would hold if it ended', () => {
  test('is told without any effect on what follows', () => {
    const scanner = new StreamScanner(ALL);
    expect([scanner.scan(Buffer.from('card 4111 1111 1111 1111')), scanner.ending(), scanner.ending()]).toEqual([0, 1, 1]);
    expect([scanner.scan(Buffer.from('2')), scanner.ending(), scanner.scan(Buffer.from(' ssn 123-45-6789')), scanner.finish()]).toEqual([
      0, 0, 0, 1,
    ]);
  });

  test('is not told of what only its last bytes look like', () => {
    const scanner = new StreamScanner(compileDetectors(['us-ssn']));
    scanner.scan(Buffer.from(`${'9'.repeat(4093)}123-45-6789`));
    expect(scanner.ending()).toBe(0);
  });
});

test.each([
  '1',
  '1-',
  '4111 ',
  '4111111111111-',
  '123-45-',
  '212 555 1234 ',
  '+1',
  'a@',
  'a@b.cc',
  'a.',
  'eyJ',
  'eyJa.eyJb.',
  '-----BEGIN ',
  '-----BEGIN PRIVATE KEY',
  'DE89',
  'DE89 ',
  'A ',
  'AKIA',
  '(212) ',
  '\x1b',
  '\x1b[1m1',
  '\n',
])('a megabyte of %j costs in proportion to its length, in large packets and small ones', (unit) => {
  for (const packetBytes of [256 * 1024, 32 * 1024, 512]) {
    const packet = Buffer.from(unit.repeat(Math.ceil(packetBytes / unit.length))).subarray(0, packetBytes);
    const redactor = new StreamRedactor(ALL);
    const before = process.cpuUsage();
    // What waits is at most 16 KiB, and is joined to small packets once for each.
    const total = packetBytes === 512 ? 128 * 1024 : 1024 * 1024;
    for (let pushed = 0; pushed < total; pushed += packetBytes) redactor.push(packet);
    redactor.flush();
    const used = process.cpuUsage(before);
    // Quadratic time would need minutes for this.
    expect([packetBytes, used.user + used.system < 5_000_000]).toEqual([packetBytes, true]);
  }
});
