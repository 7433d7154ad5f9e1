import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Candidates } from '../../../core/masking/candidates.ts';
import { BUILT_IN_DETECTORS, compileDetectors, findHits } from '../../../core/masking/detectors.ts';
import { KINDS, TEXT_BYTES } from '../../../core/masking/shapes/layout.ts';
import { sharedShapeFinder } from '../../../core/masking/shapes/shape-finder.ts';
import { PLANTED, plantedLine } from './planted-text.ts';

const ALL = compileDetectors(BUILT_IN_DETECTORS);

function found(text: Buffer, detector: string, start = 0, end = text.length): [start: number, end: number][] {
  const candidates = new Candidates(ALL);
  candidates.find(text, start, end);
  const places: [number, number][] = [];
  candidates.eachIn(detector, start, end, (from, to) => places.push([from, to]));
  return places;
}

test('there is a kind of shape for every detector', () => {
  expect([...KINDS].toSorted()).toEqual([...BUILT_IN_DETECTORS].toSorted());
});

describe('a candidate', () => {
  test('lies within every match, whatever is around it', () => {
    const set = Object.fromEntries(BUILT_IN_DETECTORS.map((name) => [name, compileDetectors([name])]));
    const around = fc.uint8Array({ maxLength: 80 }).map((bytes) => Buffer.from(bytes));
    let matches = 0;
    fc.assert(
      fc.property(around, plantedLine, around, (before, line, after) => {
        const text = Buffer.concat([before, Buffer.from(line), after]);
        for (const [name, detectors] of Object.entries(set)) {
          const places = found(text, name);
          for (const hit of findHits(detectors, text, 0, text.length)) {
            matches++;
            expect([name, places.some(([from, to]) => from < hit.end && to > hit.start)]).toEqual([name, true]);
          }
        }
      }),
      { numRuns: 3000, seed: 20261120 },
    );
    expect(matches).toBeGreaterThan(2000);
  });

  test.each(Object.entries(PLANTED).flatMap(([name, values]) => values.map((value): [string, string] => [name, value])))(
    'of %s is found in %j wherever it stands, over the borders of stretches too',
    (name, value) => {
      const bytes = Buffer.from(value);
      const text = Buffer.alloc(2 * TEXT_BYTES + 512, '_');
      for (let at = TEXT_BYTES - 160; at < TEXT_BYTES + 32; at++) {
        text.fill('_');
        bytes.copy(text, at);
        const inside = found(text, name).filter(([from, to]) => from < at + bytes.length && to > at);
        expect([at, inside.length > 0]).toEqual([at, true]);
      }
    },
  );

  test('of a private key is found, and those of a value between length bytes of rows that look like digits', () => {
    expect(found(Buffer.from('a -----BEGIN RSA PRIVATE KEY-----'), 'private-key')).toHaveLength(1);
    const framed = Buffer.concat([Buffer.from([0, 0, 0, 0x39]), Buffer.from('4111111111111111'), Buffer.from([0, 0, 0, 0x31])]);
    expect(found(framed, 'payment-card')).not.toEqual([]);
  });

  test('is looked for between two places only', () => {
    const text = Buffer.from('123-45-6789 123-45-6789');
    expect(found(text, 'us-ssn', 0, 11)).toEqual([[10, 11]]);
    expect(found(text, 'us-ssn', 1, 22)).toEqual([]);
  });

  test.each([
    '2026-11-20T13:0:07.1 web1 app[1]: request 7919 took 12 ms, status 200',
    '2026-11-20 13:00:07.123456 INFO request 55433 took 12 ms',
    '{"ts":1763600000000,"id":"9f86d081884c7d659a2feaa0c55ad015"}',
    'GET https://api.example/v1/PRICE HTTP/1.1 from 192.168.100.100:52311, user@host and API keys',
  ])('is none in a line of a log: %s', (line) => {
    for (const name of BUILT_IN_DETECTORS) expect([name, found(Buffer.from(line), name)]).toEqual([name, []]);
  });
});

test('escapes are found where they are', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(300), (array, start) => {
      const bytes = Buffer.from(array.map((byte) => (byte < 64 ? 0x1b : byte)));
      const expected = [...bytes.keys()].filter((at) => at >= start && bytes[at] === 0x1b);
      expect(sharedShapeFinder().escapes(bytes, start)).toEqual(expected);
    }),
    { seed: 20261120 },
  );
  const long = Buffer.alloc(3 * TEXT_BYTES, 0x1b);
  expect(sharedShapeFinder().escapes(long, 1)).toHaveLength(long.length - 1);
});

test.each([
  '1',
  '1-',
  '4111 ',
  '4111111111111-',
  '123-45-',
  '212 555 1234 ',
  '+1',
  '@',
  'a@b.cc',
  'eyJ',
  'DE89',
  'DE89 ',
  'A ',
  'AKIA',
  'PRIV',
])('a megabyte of %j is searched in time in proportion to its length', (unit) => {
  const text = Buffer.from(unit.repeat(Math.ceil((1024 * 1024) / unit.length)));
  const candidates = new Candidates(ALL);
  const before = process.cpuUsage();
  candidates.find(text, 0, text.length);
  const used = process.cpuUsage(before);
  // Quadratic time would need minutes for this.
  expect(used.user + used.system).toBeLessThan(2_000_000);
});
