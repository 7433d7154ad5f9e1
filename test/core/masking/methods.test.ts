import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ByteSink } from '../../../core/masking/byte-sink.ts';
import { tokenizeInteger, tokenizeText } from '../../../core/masking/keyed.ts';
import { looksLikeMask } from '../../../core/masking/looks-like-mask.ts';
import { cellMask } from '../../../core/masking/methods.ts';
import type { MaskMethod } from '../../../core/masking/rules.ts';
import { KEYS } from './rows.ts';

const TEXT = 25;
const VARCHAR = 1043;
const BPCHAR = 1042;

function masked(
  method: MaskMethod,
  value: Buffer | string,
  typeOid = TEXT,
  typmod = -1,
  format: 0 | 1 = 0,
  notNull = false,
): Buffer | null {
  const mask = cellMask({ method, notNull }, { typeOid, typmod, format }, KEYS);
  if (mask.kind === 'constant') return mask.bytes;
  const sink = new ByteSink(4);
  const bytes = Buffer.concat([Buffer.from('<'), Buffer.from(value), Buffer.from('>')]);
  mask.append(bytes, 1, bytes.length - 1, sink);
  return Buffer.from(sink.content());
}

const shown = (...args: Parameters<typeof masked>) => masked(...args)?.toString() ?? null;

describe('partial', () => {
  test.each([
    ['123-45-6789', 0, 4, '***-**-6789'],
    ['4111 1111 1111 1111', 4, 4, '4111 **** **** 1111'],
    ['ann@example.org', 1, 4, 'a**@*******.org'],
    ['Jürgen Müller', 2, 0, 'Jü**** ******'],
    ['日本語テキスト', 1, 1, '日*****ト'],
    ['6789', 0, 4, '****'],
    ['678', 2, 2, '***'],
    ['', 1, 1, ''],
    ['--1234', 0, 4, '******'],
    ['--', 0, 0, '**'],
    ['12-34', 0, 0, '**-**'],
    ['é', 0, 0, '*'],
  ])('%j keeping %d and %d is %j', (value, keepFirst, keepLast, expected) => {
    expect(shown({ kind: 'partial', keepFirst, keepLast }, value)).toBe(expected);
  });

  test('the blanks of char(n) are not counted and stay', () => {
    expect(shown({ kind: 'partial', keepFirst: 0, keepLast: 2 }, 'abcd    ', BPCHAR, 8 + 4)).toBe('**cd    ');
    expect(shown({ kind: 'partial', keepFirst: 0, keepLast: 2 }, 'ab      ', BPCHAR, 8 + 4)).toBe('**      ');
  });

  test('a value is never shown whole, and never grows', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), fc.nat(6), fc.nat(6), (value, keepFirst, keepLast) => {
        fc.pre(!value.includes('*'));
        const result = shown({ kind: 'partial', keepFirst, keepLast }, value) ?? '';
        expect(result).not.toBe(value);
        expect(Array.from(result).length).toBe(Array.from(value).length);
        expect(looksLikeMask(result)).toBe(true);
      }),
    );
  });
});

describe('hash', () => {
  test('equal values have equal hashes in both formats, others not', () => {
    expect(shown({ kind: 'hash' }, 'a')).toMatch(/^[0-9a-f]{32}$/);
    expect(shown({ kind: 'hash' }, 'a')).toBe(shown({ kind: 'hash' }, 'a', VARCHAR, -1, 1));
    expect(shown({ kind: 'hash' }, 'a')).not.toBe(shown({ kind: 'hash' }, 'b'));
    expect(shown({ kind: 'hash' }, 'a', VARCHAR, 11 + 4)).toHaveLength(11);
    expect(shown({ kind: 'hash' }, 'a         ', BPCHAR, 10 + 4)).toBe(shown({ kind: 'hash' }, 'a', VARCHAR, 10 + 4));
  });

  test.each([
    [21, 2],
    [23, 4],
    [20, 8],
  ])('an integer (type %d) has the same hash in text and binary, in range', (typeOid, bytes) => {
    const value = Buffer.alloc(8);
    value.writeBigInt64BE(-123n);
    const binary = masked({ kind: 'hash' }, value.subarray(8 - bytes), typeOid, -1, 1);
    const asText = BigInt(shown({ kind: 'hash' }, '-123', typeOid) ?? '');
    expect(binary).toHaveLength(bytes);
    expect(BigInt.asIntN(64, BigInt(`0x${binary?.toString('hex')}`))).toBe(asText);
    expect(asText).toBeGreaterThanOrEqual(0n);
  });

  test('a uuid has the same hash in text and binary', () => {
    const hex = '0f8fad5bd9cb469fa165708677289a01';
    const asText = shown({ kind: 'hash' }, '0f8fad5b-d9cb-469f-a165-708677289a01', 2950);
    expect(asText).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(masked({ kind: 'hash' }, Buffer.from(hex, 'hex'), 2950, -1, 1)?.toString('hex')).toBe(asText?.replaceAll('-', ''));
  });

  test('keys for hashes and tokens are not interchangeable', () => {
    const other = cellMask(
      { method: { kind: 'hash' }, notNull: false },
      { typeOid: TEXT, typmod: -1, format: 0 },
      { ...KEYS, hash: KEYS.tokenize },
    );
    const sink = new ByteSink();
    if (other.kind === 'computed') other.append(Buffer.from('a'), 0, 1, sink);
    expect(sink.content().toString()).not.toBe(shown({ kind: 'hash' }, 'a'));
  });
});

describe('tokenize', () => {
  test('format, case and punctuation stay, the value does not', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[A-Za-z0-9 .@-]{1,24}$/), (value) => {
        const token = tokenizeText(KEYS.tokenize, value);
        const shape = (of: string) => of.replace(/\d/g, '9').replace(/[a-z]/g, 'a').replace(/[A-Z]/g, 'A');
        expect(token).not.toBe(value);
        expect(tokenizeText(KEYS.tokenize, value)).toBe(token);
        if (/[A-Za-z0-9]/.test(value)) expect(shape(token)).toBe(shape(value));
        else expect(token).toBe('*'.repeat(value.length));
      }),
    );
  });

  test('a card number becomes one that no terminal takes', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[2-6]\d{12,18}$/), (card) => {
        const digits = Array.from(tokenizeText(KEYS.tokenize, card), Number).toReversed();
        const sum = digits.reduce((total, digit, i) => total + (i % 2 === 0 ? digit : digit > 4 ? digit * 2 - 9 : digit * 2), 0);
        expect(sum % 10).not.toBe(0);
      }),
    );
  });

  test.each([15, 31, 63] as const)('an integer of %d bits keeps sign, digits and range', (bits) => {
    const most = (1n << BigInt(bits)) - 1n;
    fc.assert(
      fc.property(fc.bigInt({ min: -most - 1n, max: most }), (value) => {
        const token = tokenizeInteger(KEYS.tokenize, value, bits);
        expect(token).not.toBe(value);
        expect(token.toString().replace('-', '')).toHaveLength(value.toString().replace('-', '').length);
        expect(BigInt.asIntN(bits + 1, token)).toBe(token);
        expect(token < 0n && value >= 0n).toBe(false);
      }),
    );
  });
});

describe('redact and null', () => {
  test.each([
    [TEXT, -1, '[masked]'],
    [VARCHAR, 8 + 4, '[masked]'],
    [VARCHAR, 3 + 4, '***'],
    [BPCHAR, 10 + 4, '[masked]  '],
    [BPCHAR, 2 + 4, '**'],
    [23, -1, '0'],
    [1082, -1, '1970-01-01'],
    [114, -1, '"[masked]"'],
    [1009, -1, '{}'],
    [3912, -1, 'empty'],
    [987_654, -1, null],
    [0, -1, null],
  ])('type %d with modifier %d shows %j', (typeOid, typmod, expected) => {
    expect(shown({ kind: 'redact' }, 'x', typeOid, typmod)).toBe(expected);
  });

  test('null is NULL, or the constant where the column is NOT NULL', () => {
    expect(shown({ kind: 'null' }, 'x', 23)).toBeNull();
    expect(shown({ kind: 'null' }, 'x', 23, -1, 0, true)).toBe('0');
  });

  test.each([
    ['partial', 1082],
    ['partial', 23],
    ['hash', 1082],
    ['tokenize', 1700],
    ['partial', 1009],
    ['hash', 3802],
    ['tokenize', 17],
  ] as const)('%s does not apply to type %d, which is redacted', (kind, typeOid) => {
    const method: MaskMethod = kind === 'partial' ? { kind, keepFirst: 2, keepLast: 2 } : { kind };
    for (const format of [0, 1] as const) {
      expect(masked(method, 'x', typeOid, -1, format)).toEqual(masked({ kind: 'redact' }, 'x', typeOid, -1, format));
    }
  });

  test('a user type is what the catalog says it is', () => {
    const type = (oid: number, kind: 'domain' | 'enum' | 'base' | 'range', more: object) =>
      [oid, { oid, schema: 's', name: 't', kind, codeFunctions: [], ...more }] as const;
    const types = new Map([
      type(90_001, 'domain', { baseType: 90_002 }),
      type(90_002, 'domain', { baseType: 23 }),
      type(90_003, 'enum', {}),
      type(90_004, 'base', { elementType: 90_001 }),
      type(90_005, 'range', {}),
      type(90_006, 'base', { name: 'citext' }),
      type(90_007, 'domain', { baseType: 90_007 }),
    ]);
    const of = (typeOid: number) => {
      const mask = cellMask({ method: { kind: 'redact' }, notNull: true }, { typeOid, typmod: -1, format: 0 }, KEYS, types);
      return mask.kind === 'constant' ? (mask.bytes?.toString() ?? null) : 'computed';
    };
    expect([90_001, 90_003, 90_004, 90_005, 90_006, 90_007].map(of)).toEqual(['0', null, '{}', 'empty', '[masked]', null]);
  });
});

test.each([
  ['abc', 23, 0],
  ['', 20, 0],
  ['12345678901234567890123', 20, 0],
  ['abc', 23, 1],
] as const)('an integer cell of %j (type %d, format %d) is malformed, not masked somehow', (value, typeOid, format) => {
  expect(() => masked({ kind: 'hash' }, value, typeOid, -1, format)).toThrow(expect.objectContaining({ code: 'malformed-row' }));
});

test.each(['[masked]', 'x [masked:us-ssn] y', '***-**-6789', 'J*', '{"a":"[masked]"}', '<masked/>', '\\x5B6d61736b65645d', '****'])(
  '%j looks like a mask',
  (value) => expect(looksLikeMask(value)).toBe(true),
);

test.each(['', '123-45-6789', 'masked', '0', '1970-01-01', '[mask]', 'O’Brien'])('%j does not look like a mask', (value) =>
  expect(looksLikeMask(value)).toBe(false),
);
