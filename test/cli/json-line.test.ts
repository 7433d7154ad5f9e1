import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { jsonLine } from '../../cli/json-line.ts';

describe('a line of JSON', () => {
  test('parses back to the value, and is one line', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.string({ unit: 'binary' }), (value, text) => {
        const line = jsonLine({ value, text });
        expect(JSON.parse(line)).toEqual(JSON.parse(JSON.stringify({ value, text })));
        expect(line.trimEnd().split('\n')).toHaveLength(1);
      }),
    );
  });

  test('holds nothing that a terminal obeys, hides or reorders', () => {
    const hostile = '\u001b[2J\u009b31m\u202etxt\u200b\u2028\u00ad\ufeff\u{e0001}\ud800\u007f\u0007';
    expect(jsonLine({ [hostile]: hostile })).toMatch(/^[\x20-\x7e]*\n$/);
    expect(jsonLine('Grüße 東京')).toBe('"Grüße 東京"\n');
  });
});
