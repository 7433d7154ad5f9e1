import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createRowMasker } from '../../../core/masking/apply.ts';
import { ByteSink } from '../../../core/masking/byte-sink.ts';
import { BUILT_IN_DETECTORS, compileDetectors, NO_DETECTORS } from '../../../core/masking/detectors.ts';
import type { MaskMethod } from '../../../core/masking/rules.ts';
import { binaryTuple, dataRow, int16, int32, KEYS, maskedRows, message, planOf, text, type Cell } from './rows.ts';

const ALL = compileDetectors(BUILT_IN_DETECTORS);
const TEXT = 25;
const REDACT: MaskMethod = { kind: 'redact' };

function masker(
  methods: readonly (MaskMethod | undefined)[],
  typeOids: readonly number[] = [],
  format: 0 | 1 = 0,
  detectors = NO_DETECTORS,
) {
  return createRowMasker(
    planOf(methods, [...detectors.names]),
    methods.map((_, i) => ({ typeOid: typeOids[i] ?? TEXT, typmod: -1, format })),
    KEYS,
    detectors,
  );
}

/** One cell through the detectors. */
function detected(value: Buffer | string, typeOid = TEXT, format: 0 | 1 = 0, detectors = ALL, typmod = -1): Cell {
  const one = createRowMasker(planOf([undefined], [...detectors.names]), [{ typeOid, typmod, format }], KEYS, detectors);
  return maskedRows(one, [[Buffer.from(value)]]).rows[0]?.[0] ?? null;
}

const method = fc.oneof(
  fc.constant<MaskMethod | undefined>(undefined),
  fc.constantFrom<MaskMethod>({ kind: 'redact' }, { kind: 'null' }, { kind: 'hash' }, { kind: 'tokenize' }),
  fc.record({ kind: fc.constant('partial' as const), keepFirst: fc.nat(2), keepLast: fc.nat(2) }),
);

describe('rows', () => {
  test('clear cells are byte-identical, masked values are gone, NULL stays NULL, in any split into calls', () => {
    fc.assert(
      fc.property(
        fc.array(method, { maxLength: 5 }).chain((methods) =>
          fc.record({
            methods: fc.constant(methods),
            format: fc.constantFrom(0 as const, 1 as const),
            detects: fc.boolean(),
            chunks: fc.array(
              fc.array(fc.tuple(...methods.map(() => fc.option(fc.stringMatching(/^[A-Za-z]{12,40}$/)))), { minLength: 1, maxLength: 4 }),
              { maxLength: 3 },
            ),
          }),
        ),
        ({ methods, format, detects, chunks }) => {
          const one = masker(methods, [], format, detects ? ALL : NO_DETECTORS);
          for (const chunk of chunks) {
            const rows = chunk.map((row) => row.map((value) => (value === null ? null : text(value))));
            const out = maskedRows(one, rows);
            expect(out.changed).toBe(methods.some((each) => each !== undefined));
            rows.forEach((row, r) =>
              row.forEach((cell, c) => {
                const after = out.rows[r]?.[c] ?? null;
                if (methods[c] === undefined || cell === null) expect(after).toEqual(cell);
                else expect(after?.toString() ?? '').not.toContain(cell.toString());
              }),
            );
          }
        },
      ),
    );
  });

  test('any cells survive when nothing is masked, and nothing is copied', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.option(fc.uint8Array()), fc.option(fc.uint8Array()))), (rows) => {
        const cells = rows.map((row) => row.map((cell) => (cell === null ? null : Buffer.from(cell))));
        expect(maskedRows(masker([undefined, undefined]), cells)).toMatchObject({ rows: cells, changed: false, detected: 0 });
      }),
    );
  });

  test('long cells and many rows pass a small sink', () => {
    const rows = Array.from({ length: 300 }, (_, i) => [text('x'.repeat(i * 7)), text(`secret${i}`), text('y'.repeat((i * 13) % 200))]);
    const out = maskedRows(masker([undefined, REDACT, undefined]), rows);
    expect(out.rows).toEqual(rows.map((row) => [row[0], text('[masked]'), row[2]]));
  });

  test('masks follow each column’s own format', () => {
    const one = createRowMasker(
      planOf([REDACT, REDACT]),
      [
        { typeOid: 23, typmod: -1, format: 1 },
        { typeOid: 23, typmod: -1, format: 0 },
      ],
      KEYS,
      NO_DETECTORS,
    );
    expect(maskedRows(one, [[int32(77), text('77')]]).rows).toEqual([[int32(0), text('0')]]);
  });
});

describe('framing', () => {
  const row = dataRow([text('ab'), text('cd')]);
  test.each([
    ['cut in the header', row.subarray(0, 4)],
    ['cut in a cell', row.subarray(0, row.length - 1)],
    ['another message', message('C', text('SELECT 1\0'))],
    ['a good row, then another message', Buffer.concat([row, message('C', text('SELECT 1\0'))])],
    ['one column too few', dataRow([text('ab')])],
    ['one column too many', dataRow([text('ab'), text('cd'), null])],
    ['bytes after the last cell', message('D', Buffer.concat([binaryTuple([text('ab'), text('cd')]), text('!')]))],
    ['a cell longer than the message', message('D', Buffer.concat([int16(2), int32(2), text('ab'), int32(3), text('cd')]))],
    ['a length of -2', message('D', Buffer.concat([int16(2), int32(-2), int32(-1)]))],
    ['a huge length', message('D', Buffer.concat([int16(2), int32(0x7fffffff), int32(-1)]))],
    ['a negative message length', Buffer.concat([Buffer.from('D'), int32(-5), row])],
    ['a message length that cuts its own header', Buffer.concat([Buffer.from('D'), int32(4), row])],
  ])('%s is malformed, and nothing is released', (_, bytes) => {
    for (const one of [masker([undefined, undefined]), masker([REDACT, undefined]), masker([undefined, undefined], [], 0, ALL)]) {
      const sink = new ByteSink();
      expect(() => one.maskRows(bytes, 0, bytes.length, sink)).toThrow(expect.objectContaining({ code: 'malformed-row' }));
      expect(sink.length).toBe(0);
    }
  });

  test('a plan for another number of columns is refused', () => {
    expect(() => createRowMasker(planOf([REDACT]), [], KEYS, NO_DETECTORS)).toThrow(expect.objectContaining({ code: 'malformed-row' }));
  });

  test('a plan with a detector that was not compiled is refused', () => {
    const columns = [{ typeOid: TEXT, typmod: -1, format: 0 as const }];
    expect(() => createRowMasker(planOf([undefined], ['email']), columns, KEYS, NO_DETECTORS)).toThrow(
      expect.objectContaining({ code: 'bad-detector' }),
    );
  });
});

describe('detectors in cells', () => {
  test('every secret is found wherever it stands among rows of any lengths', () => {
    const secrets = [
      '123-45-6789',
      '4111 1111 1111 1111',
      'ann@example.org',
      'DE89370400440532013000',
      'GB29 NWBK 6016 1331 9268 19',
      '212-555-0143',
      '(212) 555-0143',
      '+12125550143',
      'AKIAIOSFODNN7EXAMPLE',
      'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln',
      '-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----',
    ];
    const one = masker([undefined, undefined, REDACT], [], 0, ALL);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.stringMatching(/^[a-z ,.]{0,70}$/), fc.constantFrom('', ...secrets), fc.stringMatching(/^[a-z ,.]{0,60}$/)), {
          minLength: 1,
          maxLength: 6,
        }),
        (parts) => {
          const rows = parts.map(([before, secret, after]) => [text(`${before};${secret};${after}`), text(after), text('x')]);
          const out = maskedRows(one, rows);
          expect(out.detected).toBe(parts.filter(([, secret]) => secret !== '').length);
          parts.forEach(([before, secret, after], r) => {
            const cell = out.rows[r]?.[0]?.toString() ?? '';
            expect(cell.replace(/\[masked:[a-z-]+\]/, '#')).toBe(secret === '' ? `${before};;${after}` : `${before};#;${after}`);
            expect(out.rows[r]?.[1]?.toString()).toBe(after);
          });
        },
      ),
      { numRuns: 300 },
    );
  });

  test('a cell’s length byte is no digit of what stands in it', () => {
    for (let length = 11; length < 130; length++) {
      expect(detected('123-45-6789'.padEnd(length, ';'))?.toString()).toBe('[masked:us-ssn]'.padEnd(length + 4, ';'));
      expect(detected('212-555-0143'.padEnd(length + 1, ';'))?.toString()).toBe('[masked:us-phone]'.padEnd(length + 6, ';'));
    }
  });

  test.each([
    ['varchar(11) cannot hold the name of the detector', '123-45-6789', 1043, 11 + 4, '[masked]'],
    ['varchar(20) can', '123-45-6789', 1043, 20 + 4, '[masked:us-ssn]'],
    ['char(n) stays as long as it is', 'x 123-45-6789       ', 1042, 20 + 4, 'x [masked:us-ssn]   '],
    ['json strings', '{"a":"ssn 123-45-6789","b":1}', 114, -1, '{"a":"ssn [masked:us-ssn]","b":1}'],
    [
      'json numbers become strings',
      '{"card":4111111111111111,"b":[4111111111111111]}',
      3802,
      -1,
      '{"card":"[masked:payment-card]","b":["[masked:payment-card]"]}',
    ],
    ['json numbers with a fraction', '[4111111111111111.50,1]', 114, -1, '["[masked:payment-card]",1]'],
    ['json keys', '{"a@b.co":{"q\\"":"a@b.co"}}', 114, -1, '{"[masked:email]":{"q\\"":"[masked:email]"}}'],
    ['text arrays', '{a,123-45-6789,NULL,"x a@b.co"}', 1009, -1, '{a,[masked:us-ssn],NULL,"x [masked:email]"}'],
    ['arrays of numbers are emptied', '{1,4111111111111111}', 1016, -1, '{}'],
    ['composites', '(1,"a b",123-45-6789)', 2249, -1, '(1,"a b",[masked:us-ssn])'],
    ['bigint', '4111111111111111', 20, -1, '0'],
    ['numeric', '4111111111111111.00', 1700, -1, '0'],
    ['unknown types as text', 'a@b.co', 99_999, -1, '[masked:email]'],
    ['xml', '<a>a@b.co</a>', 142, -1, '<a>[masked:email]</a>'],
  ])('%s', (_, value, typeOid, typmod, expected) => {
    expect(detected(value, typeOid, 0, ALL, typmod)?.toString()).toBe(expected);
  });

  test.each([
    ['uuid', '12345678-1234-1234-1234-123456789012', 2950],
    ['timestamp', '2026-11-20 08:59:13.123456', 1114],
    ['short bigint', '123456789', 20],
  ])('%s is left alone', (_, value, typeOid) => expect(detected(value, typeOid)?.toString()).toBe(value));

  test('binary bigint and numeric with a card number are zeroed, others not', () => {
    const bigint = (value: bigint) => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigInt64BE(value);
      return bytes;
    };
    expect(detected(bigint(4111111111111111n), 20, 1)).toEqual(Buffer.alloc(8));
    expect(detected(bigint(4111111111111112n), 20, 1)).toEqual(bigint(4111111111111112n));
    const numeric = Buffer.concat([4, 3, 0, 0, 4111, 1111, 1111, 1111].map(int16));
    expect(detected(numeric, 1700, 1)).toEqual(Buffer.alloc(8));
    const other = Buffer.concat([4, 3, 0, 0, 4111, 1111, 1111, 1112].map(int16));
    expect(detected(other, 1700, 1)).toEqual(other);
  });

  test('binary text arrays are cleaned element by element', () => {
    const array = (...elements: (string | null)[]) =>
      Buffer.concat([
        ...[1, 1, TEXT, elements.length, 1].map(int32),
        ...elements.map((element) => (element === null ? int32(-1) : Buffer.concat([int32(element.length), text(element)]))),
      ]);
    const long = '123-45-6789'.padEnd(0x31, '.');
    expect(detected(array('a', null, long), 1009, 1)).toEqual(array('a', null, '[masked:us-ssn]'.padEnd(0x31 + 4, '.')));
    expect(detected(array('a', null), 1009, 1)).toEqual(array('a', null));
  });

  test('binary jsonb keeps its version byte', () => {
    expect(detected('\u0001{"a":"123-45-6789"}', 3802, 1)?.toString()).toBe('\u0001{"a":"[masked:us-ssn]"}');
  });

  test('a binary record with a match becomes NULL', () => {
    const record = Buffer.concat([int32(1), int32(TEXT), int32(0x31), text('123-45-6789'.padEnd(0x31, '.'))]);
    expect(detected(record, 2249, 1)).toBeNull();
  });

  test('own expressions are found in every text cell', () => {
    const own = compileDetectors([], [{ name: 'member', pattern: '^M-\\d{4}$' }]);
    expect(detected('M-1234', TEXT, 0, own)?.toString()).toBe('[masked:member]');
    expect(detected('xM-1234', TEXT, 0, own)?.toString()).toBe('xM-1234');
    expect(detected('{"a":"b"}', 114, 0, compileDetectors([], [{ name: 'any', pattern: '"a":' }]))?.toString()).toBe('"[masked]"');
  });

  test('masked cells are not detected again', () => {
    const one = masker([{ kind: 'partial', keepFirst: 40, keepLast: 0 }, undefined], [], 0, ALL);
    const out = maskedRows(one, [[text('a@b.co '.repeat(8)), text('c@d.org')]]);
    expect(out.detected).toBe(1);
    expect(out.rows[0]?.[1]?.toString()).toBe('[masked:email]');
  });
});
