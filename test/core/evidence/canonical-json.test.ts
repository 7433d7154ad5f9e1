import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalJson } from '../../../core/evidence/canonical-json.ts';
import { eventJson } from '../../../core/evidence/event-json.ts';
import { judged, opened } from '../../support/evidence.ts';

describe('canonical JSON', () => {
  test('is the form of RFC 8785 §3.2.3', () => {
    const input = {
      '\u20ac': 'Euro Sign',
      '\r': 'Carriage Return',
      '\ufb33': 'Dalet',
      '1': 'One',
      '\u{1f600}': 'Grin',
      '\u0080': 'Control',
      ö: 'o',
    };
    expect(canonicalJson(input)).toBe(
      '{"\\r":"Carriage Return","1":"One","\u0080":"Control","ö":"o","€":"Euro Sign","\u{1f600}":"Grin","\ufb33":"Dalet"}',
    );
    expect(canonicalJson([1e21, 1e-7, 333333333.3333333, 4.5, 0.002, -0])).toBe('[1e+21,1e-7,333333333.3333333,4.5,0.002,0]');
  });

  test('parses back to the value, and does not depend on the order of keys', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
        const text = canonicalJson(value);
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
        expect(canonicalJson(Object.fromEntries(Object.entries(value).toReversed()))).toBe(text);
      }),
    );
  });

  test('has no form for what JSON cannot say', () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, [undefined], 1n, () => 1])
      expect(() => canonicalJson(value)).toThrow('no form');
  });

  test('reads a value that is not frozen anew each time', () => {
    const value = { list: [1] };
    expect(canonicalJson(value)).toBe('{"list":[1]}');
    value.list.push(2);
    expect(canonicalJson(value)).toBe('{"list":[1,2]}');
  });
});

describe('an event', () => {
  const stamp = { seq: 3, at: '2026-11-20T09:00:00.000Z', monoUs: 12 };

  test('has the canonical form of the event with its stamp', () => {
    for (const event of [opened('s1'), judged(1, 'select "ü"'), { ...judged(2, 'x'), parameters: ['1', null], code: 'ZG010' }]) {
      expect(eventJson(event, stamp)).toBe(canonicalJson({ ...event, ...stamp }));
    }
  });

  test('cannot bring its own number', () => {
    const numbered = { ...judged(1, 'x'), seq: 7 };
    expect(() => eventJson(numbered, stamp)).toThrow('does not know');
  });
});
