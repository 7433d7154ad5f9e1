import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ByteSink } from '../../../core/masking/byte-sink.ts';
import { cellMask } from '../../../core/masking/methods.ts';
import type { MaskMethod } from '../../../core/masking/rules.ts';
import { startPostgres } from '../../support/postgres.ts';
import { KEYS } from './rows.ts';

let postgres: Awaited<ReturnType<typeof startPostgres>>;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(async () => postgres.stop());

const TYPES = [
  ['boolean', 'true'],
  ['bytea', '\\x1234'],
  ['"char"', 'x'],
  ['name', 'secret_name'],
  ['bigint', '-1234567890123'],
  ['smallint', '1234'],
  ['integer', '123456'],
  ['text', 'secret text'],
  ['oid', '4711'],
  ['json', '{"a":"secret"}'],
  ['xml', '<a>secret</a>'],
  ['point', '(1,2)'],
  ['cidr', '10.1.0.0/16'],
  ['real', '1.5'],
  ['double precision', '2.5'],
  ['macaddr8', '08:00:2b:01:02:03:04:05'],
  ['money', '$12.34'],
  ['macaddr', '08:00:2b:01:02:03'],
  ['inet', '10.1.2.3'],
  ['character(4)', 'abcd'],
  ['character(12)', 'abcd'],
  ['character varying(5)', 'abcde'],
  ['character varying(40)', 'secret value'],
  ['date', '1984-05-06'],
  ['time', '12:34:56'],
  ['timestamp', '1984-05-06 12:34:56'],
  ['timestamptz', '1984-05-06 12:34:56+02'],
  ['interval', '3 days'],
  ['timetz', '12:34:56+02'],
  ['bit(11)', '10101010101'],
  ['bit varying(9)', '1010'],
  ['numeric(12,2)', '1234.56'],
  ['numeric', '1234.5678'],
  ['uuid', '0f8fad5b-d9cb-469f-a165-708677289a01'],
  ['tsvector', "'secret'"],
  ['jsonb', '{"a":"secret"}'],
  ['int4range', '[1,9)'],
  ['tstzrange', '[2020-01-01,2021-01-01)'],
  ['int8multirange', '{[1,9)}'],
  ['text[]', '{secret,"x y"}'],
  ['integer[]', '{1,2}'],
  ['jsonb[]', '{1}'],
  ['uuid[]', '{0f8fad5b-d9cb-469f-a165-708677289a01}'],
] as const;

const METHODS: readonly MaskMethod[] = [
  { kind: 'redact' },
  { kind: 'partial', keepFirst: 1, keepLast: 1 },
  { kind: 'hash' },
  { kind: 'tokenize' },
];

describe.each(TYPES)('%s', (type, value) => {
  test.each(METHODS)('$kind gives a value that PostgreSQL takes, the same as text and as binary', async (method) => {
    const [about] = await postgres.query(
      `select t.oid::int8::int4 as oid, t.typsend::regproc::text as send, atttypmod as typmod
         from pg_attribute join pg_type t on t.oid = atttypid
        where attrelid = 'public.${tableOf(type)}'::regclass and attnum = 1`,
    );
    const [sent] = await postgres.query(`select v::text as text, ${String(about?.['send'])}(v) as binary from public.${tableOf(type)}`);
    const asText = masked(
      method,
      about,
      0,
      Buffer.from(type.startsWith('character(') ? value.padEnd(Number(about?.['typmod']) - 4) : String(sent?.['text'])),
    );
    // The driver gives bytea as a Buffer.
    const asBinary = masked(method, about, 1, sent?.['binary'] as Buffer);
    expect(asText).not.toBeNull();
    const [back] = await postgres.query(`select ${String(about?.['send'])}($1::text::${type}) as binary`, [asText?.toString()]);
    expect(asBinary).toEqual(back?.['binary']);
    expect(asText?.toString()).not.toBe(value);
  });

  beforeAll(async () => {
    await postgres.query(`create table public.${tableOf(type)} (v ${type})`);
    await postgres.query(`insert into public.${tableOf(type)} values ($1)`, [value]);
  });
});

function tableOf(type: string): string {
  return `t_${type.replace(/\W/g, '_').toLowerCase()}`;
}

function masked(method: MaskMethod, about: Record<string, unknown> | undefined, format: 0 | 1, value: Buffer): Buffer | null {
  const column = { typeOid: Number(about?.['oid']), typmod: Number(about?.['typmod']), format };
  const mask = cellMask({ method, notNull: false }, column, KEYS);
  if (mask.kind === 'constant') return mask.bytes;
  const sink = new ByteSink();
  mask.append(value, 0, value.length, sink);
  return Buffer.from(sink.content());
}
