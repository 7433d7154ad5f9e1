import { Client } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ByteSink } from '../../../core/masking/byte-sink.ts';
import type { CopyOptions } from '../../../core/masking/copy-format.ts';
import { createCopyMasker } from '../../../core/masking/copy.ts';
import { compileDetectors } from '../../../core/masking/detectors.ts';
import { startPostgres } from '../../support/postgres.ts';
import { bodies, KEYS, message, planOf } from './rows.ts';

let postgres: Awaited<ReturnType<typeof startPostgres>>;
let client: Client;
beforeAll(async () => {
  postgres = await startPostgres();
  client = new Client({
    host: '127.0.0.1',
    port: postgres.port,
    user: postgres.superuser,
    password: postgres.password,
    database: 'postgres',
  });
  await client.connect();
  await client.query('create table public.t (id serial, secret text, note text)');
  const values = [
    'plain',
    '',
    null,
    'a\tb',
    'a\nb\r\n',
    'back\\slash',
    '\\N',
    '\\.',
    'a,b',
    'say "x"',
    "it's",
    'é日',
    '|',
    ' ',
    '"',
    '\\"',
    'null',
    'x'.repeat(9000),
  ];
  for (const value of values) await client.query('insert into t (secret, note) values ($1, $1), ($1, $2)', [value, 'ann@example.org']);
});
afterAll(async () => {
  await client.end();
  await postgres.stop();
});

/** Payloads of the CopyData messages that PostgreSQL sends for this statement. */
function copyOut(sql: string): Promise<Buffer[]> {
  return new Promise((resolve, reject) => {
    const payloads: Buffer[] = [];
    const submittable = {
      submit: (connection: { query(text: string): void }) => connection.query(sql),
      handleCopyData: (data: { chunk: Buffer }) => payloads.push(Buffer.from(data.chunk)),
      handleError: reject,
      handleCommandComplete: () => undefined,
      handleReadyForQuery: () => resolve(payloads),
    };
    client.query(submittable);
  });
}

const SQL_OPTIONS: readonly (readonly [string, Partial<CopyOptions> & Pick<CopyOptions, 'format'>])[] = [
  ['format text', { format: 'text' }],
  ["format text, delimiter '|', null 'null'", { format: 'text', delimiter: '|', nullText: 'null' }],
  ["format text, delimiter ',', null ''", { format: 'text', delimiter: ',', nullText: '' }],
  ['format text, header', { format: 'text', header: true }],
  ['format csv', { format: 'csv' }],
  ['format csv, header, force_quote (id, note)', { format: 'csv', header: true }],
  [
    "format csv, quote '''', escape '\\', delimiter ';', null 'null'",
    { format: 'csv', quote: "'", escape: '\\', delimiter: ';', nullText: 'null' },
  ],
  ["format csv, delimiter E'\\t', escape '''', null ' '", { format: 'csv', delimiter: '\t', escape: "'", nullText: ' ' }],
  ['format binary', { format: 'binary' }],
];

test.each(SQL_OPTIONS)('COPY (%s): the masked stream is what PostgreSQL writes for masked values', async (sql, options) => {
  const copy: CopyOptions = { direction: 'out', ...options };
  const original = await copyOut(`copy t to stdout (${sql})`);
  // Where NULL may also be a value, it is masked as one.
  const ambiguous = copy.format === 'text' && copy.nullText !== undefined;
  const secret = ambiguous ? "'[masked]'" : "case when secret is null then null else '[masked]' end";
  const expected = await copyOut(
    `copy (select id, ${secret} as secret, replace(note, 'ann@example.org', '[masked:email]') as note from t) to stdout (${sql})`,
  );
  const detectors = compileDetectors(['email']);
  const columns = [23, 25, 25].map((typeOid) => ({ typeOid, typmod: -1, format: 0 as const }));
  const plan = planOf([undefined, { kind: 'redact' }, undefined], ['email']);
  const masker = createCopyMasker({ plan, columns, copy, keys: KEYS, detectors });
  const sink = new ByteSink();
  const source = Buffer.concat(original.map((payload) => message('d', payload)));
  const detected = masker.maskMessages(source, 0, source.length, sink);
  masker.finish(sink);
  expect(bodies('d', Buffer.from(sink.content())).map((payload) => payload.toString('latin1'))).toEqual(
    expected.map((payload) => payload.toString('latin1')),
  );
  expect(masker.rows).toBe(36);
  expect(detected).toBe(18);
});
