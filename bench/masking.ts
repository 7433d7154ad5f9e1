/** Masking alone, on one core: 1M rows of six columns, two of them masked. Run: `node --import tsx bench/masking.ts`. */
import { createRowMasker } from '../core/masking/apply.ts';
import { createCopyMasker } from '../core/masking/copy.ts';
import { ByteSink } from '../core/masking/byte-sink.ts';
import { compileDetectors, BUILT_IN_DETECTORS, NO_DETECTORS } from '../core/masking/detectors.ts';
import type { ResultPlan } from '../core/masking/result-plan.ts';
import type { MaskMethod } from '../core/masking/rules.ts';

const ROWS = 1_000_000;
const CHUNK_BYTES = 64 * 1024;
const ROUNDS = 5;
const KEYS = { hash: Buffer.alloc(32, 1), tokenize: Buffer.alloc(32, 2) };
const ALL = compileDetectors(BUILT_IN_DETECTORS);

const note = 'The customer asked for a new statement to be sent by mail, and was told it takes three days; ref ';
const rows = Array.from({ length: 700 }, (_, i) =>
  dataRow([
    String(100_000 + i),
    `Customer Number ${i}`,
    `customer.${i}@example.com`,
    `123-45-${String(1000 + i)}`,
    `${i}.42`,
    `${note}${i}, 2026-11-20 08:59:13.123456+00`,
  ]),
);
const chunks = chunked(rows);

report('walk only', plan([], []), NO_DETECTORS);
report('two constants', plan(['redact', 'redact'], []), NO_DETECTORS);
report('partial and constant', plan(['redact', 'partial'], []), NO_DETECTORS);
report('two constants, all detectors', plan(['redact', 'redact'], BUILT_IN_DETECTORS), ALL);
report('all detectors, a match in every row', plan([], BUILT_IN_DETECTORS), ALL);
report('hash and token', plan(['hash', 'tokenize'], []), NO_DETECTORS);

function report(name: string, resultPlan: ResultPlan, detectors: typeof ALL): void {
  const columns = [20, 25, 25, 25, 1700, 25].map((typeOid) => ({ typeOid, typmod: -1, format: 0 as const }));
  const masker = createRowMasker(resultPlan, columns, KEYS, detectors);
  const sink = new ByteSink();
  const seconds: number[] = [];
  let bytes = 0;
  for (let round = 0; round < ROUNDS; round++) {
    let masked = 0;
    bytes = 0;
    const before = process.cpuUsage();
    for (let i = 0; masked < ROWS / 5; i = (i + 1) % chunks.length) {
      const chunk = chunks[i] ?? Buffer.alloc(0);
      sink.reset();
      masked += masker.maskRows(chunk, 0, chunk.length, sink).rows;
      bytes += chunk.length;
    }
    const used = process.cpuUsage(before);
    seconds.push(((used.user + used.system) / 1e6) * (ROWS / masked));
  }
  const best = Math.min(...seconds);
  console.log(`${name.padEnd(40)} ${best.toFixed(3)} s per 1M rows  ${((bytes * 5) / 1e6 / best).toFixed(0).padStart(6)} MB/s`);
}

reportCopy('COPY text, two constants', plan(['redact', 'redact'], []), NO_DETECTORS);
reportCopy('COPY text, two constants, all detectors', plan(['redact', 'redact'], BUILT_IN_DETECTORS), ALL);

function reportCopy(name: string, resultPlan: ResultPlan, detectors: typeof ALL): void {
  const columns = [20, 25, 25, 25, 1700, 25].map((typeOid) => ({ typeOid, typmod: -1, format: 0 as const }));
  const masker = createCopyMasker({ plan: resultPlan, columns, copy: { direction: 'out', format: 'text' }, keys: KEYS, detectors });
  const sink = new ByteSink();
  const source = chunks.map(asCopy);
  const bytes = source.reduce((sum, chunk) => sum + chunk.length, 0);
  const seconds: number[] = [];
  let rowsPerRound = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const rowsBefore = masker.rows;
    const before = process.cpuUsage();
    for (let i = 0; i < 20; i++) {
      for (const chunk of source) {
        sink.reset();
        masker.maskMessages(chunk, 0, chunk.length, sink);
      }
    }
    const used = process.cpuUsage(before);
    rowsPerRound = masker.rows - rowsBefore;
    seconds.push((used.user + used.system) / 1e6);
  }
  const best = Math.min(...seconds);
  console.log(
    `${name.padEnd(40)} ${((best * ROWS) / rowsPerRound).toFixed(3)} s per 1M rows  ${((bytes * 20) / 1e6 / best).toFixed(0).padStart(6)} MB/s`,
  );
}

/** The same rows as CopyData messages. */
function asCopy(chunk: Buffer): Buffer {
  const messages: Buffer[] = [];
  for (let at = 0; at < chunk.length; at += 1 + chunk.readInt32BE(at + 1)) {
    const cells: string[] = [];
    for (let cell = at + 7; cells.length < 6; cell += 4 + chunk.readInt32BE(cell)) {
      cells.push(chunk.toString('utf8', cell + 4, cell + 4 + chunk.readInt32BE(cell)));
    }
    const line = Buffer.from(`d\0\0\0\0${cells.join('\t')}\n`);
    line.writeInt32BE(line.length - 1, 1);
    messages.push(line);
  }
  return Buffer.concat(messages);
}

function plan(methods: readonly ('redact' | 'partial' | 'hash' | 'tokenize')[], detectors: readonly string[]): ResultPlan {
  const cells = Array.from({ length: 6 }, (_, i) => {
    const kind = i === 2 ? methods[0] : i === 3 ? methods[1] : undefined;
    if (kind === undefined) return { kind: 'clear' as const };
    const method: MaskMethod = kind === 'partial' ? { kind, keepFirst: 0, keepLast: 4 } : { kind };
    return { kind: 'mask' as const, mask: { column: `1.${i}` as const, columnName: `t.c${i}`, method, notNull: false, source: 'bench' } };
  });
  return { cells, detectors };
}

function dataRow(values: readonly string[]): Buffer {
  const cells = values.map((value) => {
    const text = Buffer.from(value);
    const length = Buffer.alloc(4);
    length.writeInt32BE(text.length);
    return Buffer.concat([length, text]);
  });
  const body = Buffer.concat(cells);
  const header = Buffer.alloc(7);
  header.write('D');
  header.writeInt32BE(body.length + 6, 1);
  header.writeInt16BE(values.length, 5);
  return Buffer.concat([header, body]);
}

/** Whole rows, a chunk's worth each, so that the measured data does not fit the innermost caches. */
function chunked(source: readonly Buffer[]): Buffer[] {
  const made: Buffer[] = [];
  for (let first = 0; made.length < 32; first = (first + 37) % source.length) {
    const picked: Buffer[] = [];
    for (let i = first, bytes = 0; bytes < CHUNK_BYTES - 300; i = (i + 1) % source.length) {
      const row = source[i] ?? Buffer.alloc(0);
      picked.push(row);
      bytes += row.length;
    }
    made.push(Buffer.concat(picked));
  }
  return made;
}
