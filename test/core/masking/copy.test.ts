import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ByteSink } from '../../../core/masking/byte-sink.ts';
import type { CopyOptions } from '../../../core/masking/copy-format.ts';
import { createCopyMasker } from '../../../core/masking/copy.ts';
import { BUILT_IN_DETECTORS, compileDetectors, NO_DETECTORS } from '../../../core/masking/detectors.ts';
import type { MaskMethod } from '../../../core/masking/rules.ts';
import { binaryTuple, bodies, int32, KEYS, message, planOf, text, type Cell } from './rows.ts';

const ALL = compileDetectors(BUILT_IN_DETECTORS);
const REDACT: MaskMethod = { kind: 'redact' };
const PARTIAL: MaskMethod = { kind: 'partial', keepFirst: 0, keepLast: 4 };
const SIGNATURE = Buffer.concat([Buffer.from('PGCOPY\n\u00ff\r\n\0', 'latin1'), int32(0), int32(0)]);
const TRAILER = Buffer.from([0xff, 0xff]);

type Options = Partial<CopyOptions> & Pick<CopyOptions, 'format'>;

function masker(options: Options, methods: readonly (MaskMethod | undefined)[], detectors = NO_DETECTORS) {
  const columns = methods.map(() => ({ typeOid: 25, typmod: -1, format: 0 as const }));
  const copy: CopyOptions = { direction: 'out', ...options };
  return createCopyMasker({ plan: planOf(methods, [...detectors.names]), columns, copy, keys: KEYS, detectors });
}

/** Each payload is a message, several messages are a call; the payloads that come out. */
function run(one: ReturnType<typeof masker>, calls: readonly (readonly Buffer[])[]): { payloads: Buffer[]; detected: number } {
  const payloads: Buffer[] = [];
  let detected = 0;
  for (const call of calls) {
    const source = Buffer.concat([Buffer.from('zz'), ...call.map((payload) => message('d', payload)), Buffer.from('zz')]);
    const sink = new ByteSink(8);
    detected += one.maskMessages(source, 2, source.length - 2, sink);
    payloads.push(...bodies('d', Buffer.from(sink.content())));
  }
  const sink = new ByteSink();
  one.finish(sink);
  expect(sink.length).toBe(0);
  return { payloads, detected };
}

const out = (options: Options, methods: readonly (MaskMethod | undefined)[], lines: readonly string[], detectors = NO_DETECTORS) =>
  run(masker(options, methods, detectors), [lines.map(text)]).payloads.map(String);

describe('text format', () => {
  test.each<[string, Options, readonly (MaskMethod | undefined)[], string, string]>([
    ['masks a column', { format: 'text' }, [undefined, REDACT], '1\tsecret\n', '1\t[masked]\n'],
    ['keeps NULL', { format: 'text' }, [REDACT, REDACT], '\\N\tx\n', '\\N\t[masked]\n'],
    ['masks what may be NULL or a value', { format: 'text', nullText: '6789' }, [PARTIAL, { kind: 'null' }], '6789\tx\n', '****\t6789\n'],
    ['unescapes before it masks', { format: 'text' }, [PARTIAL], 'a\\tb\\\\c\\n1234\n', '*\\t*\\\\*\\n1234\n'],
    ['knows an escaped delimiter', { format: 'text', delimiter: '|' }, [PARTIAL, undefined], 'ab\\|1234|x\n', '**\\|1234|x\n'],
    ['knows an escaped line end', { format: 'text' }, [undefined, REDACT], 'a\\\nb\tc\n', 'a\\\nb\t[masked]\n'],
    ['keeps clear cells as they are', { format: 'text' }, [undefined, REDACT], '\\x41\\b\tc\n', '\\x41\\b\t[masked]\n'],
    ['has empty lines for no columns', { format: 'text' }, [], '\n', '\n'],
  ])('%s', (_, options, methods, line, expected) => expect(out(options, methods, [line])).toEqual([expected]));

  test('NULL in an integer column stays NULL under a string that is no integer', () => {
    const plan = planOf([{ kind: 'hash' }]);
    const columns = [{ typeOid: 23, typmod: -1, format: 0 as const }];
    const copy: CopyOptions = { direction: 'out', format: 'text', nullText: 'nil' };
    const one = createCopyMasker({ plan, columns, copy, keys: KEYS, detectors: NO_DETECTORS });
    expect(run(one, [[text('nil\n')]]).payloads.map(String)).toEqual(['nil\n']);
    expect(() => run(one, [[text('nul\n')]])).toThrow(expect.objectContaining({ code: 'malformed-row' }));
  });

  test('detectors see the value, not its escapes', () => {
    expect(out({ format: 'text', delimiter: '-' }, [undefined, undefined], ['123\\-45\\-6789-x\n'], ALL)).toEqual([
      '[masked:us\\-ssn]-x\n',
    ]);
    expect(out({ format: 'text' }, [undefined, undefined], ['a\tx a@b.co\\ny\n'], ALL)).toEqual(['a\tx [masked:email]\\ny\n']);
  });

  test.each([
    ['too few cells', 'a\n'],
    ['too many cells', 'a\tb\tc\n'],
    ['an end-of-data mark', '\\.\n'],
    ['an unfinished row', 'a\tb'],
  ])('%s is malformed', (_, line) => {
    expect(() => out({ format: 'text' }, [REDACT, undefined], [line])).toThrow(expect.objectContaining({ code: 'malformed-row' }));
  });
});

describe('csv format', () => {
  test.each<[string, Options, readonly (MaskMethod | undefined)[], string[], string[]]>([
    ['masks a column', { format: 'csv' }, [undefined, REDACT], ['1,secret\n'], ['1,[masked]\n']],
    ['keeps NULL apart from the empty text', { format: 'csv' }, [REDACT, REDACT], [',""\n'], [',[masked]\n']],
    ['masks quoted cells', { format: 'csv' }, [undefined, PARTIAL], ['a,"x ""y"", 1234"\n'], ['a,"* ""*"", 1234"\n']],
    ['has quoted line ends', { format: 'csv' }, [undefined, PARTIAL], ['"a\nb","c\n1234"\n'], ['"a\nb","*\n1234"\n']],
    ['leaves the header', { format: 'csv', header: true }, [REDACT, undefined], ['ssn,name\n', '1,2\n'], ['ssn,name\n', '[masked],2\n']],
    [
      'knows other quotes',
      { format: 'csv', quote: "'", escape: '\\' },
      [PARTIAL, undefined],
      ["'a\\'b\\\\c1234',1\n"],
      ["'*\\'*\\\\*1234',1\n"],
    ],
    ['writes NULL unquoted', { format: 'csv', nullText: 'nil' }, [{ kind: 'null' }, undefined], ['"x","nil"\n'], ['nil,"nil"\n']],
    ['quotes what looks like NULL', { format: 'csv', nullText: '****' }, [PARTIAL], ['abcd\n'], ['"****"\n']],
  ])('%s', (_, options, methods, lines, expected) => expect(out(options, methods, lines)).toEqual(expected));

  test('detectors see the value, not its quotes', () => {
    expect(out({ format: 'csv' }, [undefined, undefined], ['"say ""a@b.co""",123-45-6789\n'], ALL)).toEqual([
      '"say ""[masked:email]""",[masked:us-ssn]\n',
    ]);
    expect(out({ format: 'csv', delimiter: '@' }, [undefined, undefined], ['"a@b.co"@1\n'], ALL)).toEqual(['"[masked:email]"@1\n']);
  });

  test.each([
    ['a quote within a plain cell', 'a"b,c\n'],
    ['bytes after a quoted cell', '"a"b,c\n'],
    ['too few cells', 'a\n'],
    ['an open quote', '"a,b\n'],
    ['an unfinished row', 'a,b'],
  ])('%s is malformed', (_, line) => {
    expect(() => out({ format: 'csv' }, [REDACT, undefined], [line])).toThrow(expect.objectContaining({ code: 'malformed-row' }));
  });
});

describe('binary format', () => {
  const rows: Cell[][] = [
    [text('a'), text('secret')],
    [null, null],
    [text(''), text('x')],
  ];
  const expected = [binaryTuple([text('a'), text('[masked]')]), binaryTuple([null, null]), binaryTuple([text(''), text('[masked]')])];

  test('rows are masked, header and trailer stay', () => {
    const stream = [Buffer.concat([SIGNATURE, binaryTuple(rows[0] ?? [])]), ...rows.slice(1).map(binaryTuple), TRAILER];
    const { payloads } = run(masker({ format: 'binary' }, [undefined, REDACT]), [stream]);
    expect(payloads).toEqual([Buffer.concat([SIGNATURE, expected[0] ?? TRAILER]), ...expected.slice(1), TRAILER]);
  });

  test('matches are replaced', () => {
    const stream = [SIGNATURE, binaryTuple([text('123-45-6789'), null]), TRAILER];
    const { payloads, detected } = run(masker({ format: 'binary' }, [undefined, undefined], ALL), [stream]);
    expect(payloads).toEqual([Buffer.concat([SIGNATURE, binaryTuple([text('[masked:us-ssn]'), null])]), TRAILER]);
    expect(detected).toBe(1);
  });

  test.each<[string, Buffer]>([
    ['another signature', Buffer.concat([Buffer.from('PGCOPX'), SIGNATURE.subarray(6), TRAILER])],
    ['critical flags', Buffer.concat([SIGNATURE.subarray(0, 11), int32(1 << 16), int32(0), TRAILER])],
    ['no trailer', Buffer.concat([SIGNATURE, binaryTuple([null, null])])],
    ['nothing at all', Buffer.alloc(0)],
    ['bytes after the trailer', Buffer.concat([SIGNATURE, TRAILER, binaryTuple([null, null])])],
    ['another number of columns', Buffer.concat([SIGNATURE, binaryTuple([null]), TRAILER])],
    ['a length of -2', Buffer.concat([SIGNATURE, Buffer.from([0, 2]), int32(-2), int32(-1), TRAILER])],
  ])('%s is malformed', (_, stream) => {
    expect(() => run(masker({ format: 'binary' }, [REDACT, undefined]), [[stream]])).toThrow(
      expect.objectContaining({ code: 'malformed-row' }),
    );
  });
});

test.each<[string, Options, Buffer[]]>([
  ['text', { format: 'text' }, ['a\tsecret1\\\\\\n\n', '123-45-6789\t\\N\n', '\tsecret2\\tx\n'].map(text)],
  ['csv', { format: 'csv', header: true }, ['x,y\n', '"a ""\n","secret1"\n', '123-45-6789,\n', ',"secret2,"""\n'].map(text)],
  ['csv with an escape', { format: 'csv', quote: "'", escape: '\\' }, ["'a\\'\n',secret1\n", "123-45-6789,'secret2\\\\'\n"].map(text)],
  [
    'binary',
    { format: 'binary' },
    [Buffer.concat([SIGNATURE, binaryTuple([text('a'), text('secret1')])]), binaryTuple([text('123-45-6789'), null]), TRAILER],
  ],
])('%s rows cut anywhere come out the same, one per message', (_, options, rows) => {
  const whole = run(masker(options, [undefined, REDACT], ALL), [rows]).payloads;
  expect(whole).toHaveLength(rows.length);
  expect(Buffer.concat(whole).toString('latin1')).not.toMatch(/secret|6789/);
  const stream = Buffer.concat(rows);
  fc.assert(
    fc.property(fc.array(fc.nat(stream.length)), fc.array(fc.boolean()), (cuts, flushes) => {
      const edges = [0, ...cuts.toSorted((a, b) => a - b), stream.length];
      const calls: Buffer[][] = [[]];
      edges.slice(1).forEach((edge, i) => {
        calls.at(-1)?.push(stream.subarray(edges[i], edge));
        if (flushes[i] === true) calls.push([]);
      });
      expect(run(masker(options, [undefined, REDACT], ALL), calls).payloads).toEqual(whole);
    }),
  );
});

test('a message that is no CopyData is malformed, and nothing is released', () => {
  const source = Buffer.concat([message('d', text('a\n')), message('D', text('a\n'))]);
  const sink = new ByteSink();
  expect(() => masker({ format: 'text' }, [REDACT]).maskMessages(source, 0, source.length, sink)).toThrow(
    expect.objectContaining({ code: 'malformed-row' }),
  );
  expect(sink.length).toBe(0);
});

test('any values pass text and csv unchanged when nothing is found in them', () => {
  const none = compileDetectors([], [{ name: 'never', pattern: 'ZZZZ' }]);
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: fc.constantFrom('a', '"', ',', '\n', '\\', '\t', 'é', '.') }), { minLength: 2, maxLength: 2 }),
      (values) => {
        const csv = values.map((value) => `"${value.replaceAll('"', '""')}"`).join(',') + '\n';
        expect(out({ format: 'csv' }, [undefined, undefined], [csv], none)).toEqual([csv]);
        const escaped = values.map((value) =>
          value.replace(/[\\\t\n]/g, (found) => ({ '\\': '\\\\', '\t': '\\t', '\n': '\\n' })[found] ?? found),
        );
        expect(out({ format: 'text' }, [undefined, undefined], [`${escaped.join('\t')}\n`], none)).toEqual([`${escaped.join('\t')}\n`]);
      },
    ),
  );
});
