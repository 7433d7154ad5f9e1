import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { batchLine, type FoundBatch, NO_BATCH } from '../../../core/evidence/batch.ts';
import { BatchReader } from '../../../core/evidence/batch-reader.ts';

const content = Buffer.from('line\nand {"batch":9}\n bytes');
const sha256 = createHash('sha256').update(content).digest('hex');
const owner = { kind: 'session', id: 's1' } as const;
const first = batchLine(owner, 0, NO_BATCH, '{"type":"a"}', { bytes: content.length, sha256, kept: true });
const second = batchLine(owner, 1, createHash('sha256').update(first).digest('hex'), '{"type":"b"}');
const file = Buffer.concat([Buffer.from(`${first}\n`), content, Buffer.from(`\n${second}\n`)]);

function read(pieces: readonly Buffer[]): { batches: FoundBatch[]; content: Buffer; reader: BatchReader } {
  const batches: FoundBatch[] = [];
  const held: Buffer[] = [];
  const reader = new BatchReader({ batch: (batch) => batches.push(batch), content: (piece) => held.push(Buffer.from(piece)) });
  for (const piece of pieces) reader.push(piece);
  return { batches, content: Buffer.concat(held), reader };
}

describe('reading batches', () => {
  test('any cut of the bytes yields the same batches and content', () => {
    const whole = read([file]);
    expect(whole.batches).toMatchObject([
      { batch: 0, atByte: 0, contentBytes: content.length, contentIntact: true },
      { batch: 1, prev: whole.batches[0]?.hash, endByte: file.length },
    ]);
    expect(whole.content).toEqual(content);
    fc.assert(
      fc.property(fc.array(fc.nat({ max: file.length }), { maxLength: 12 }), (cuts) => {
        const at = [0, ...cuts.sort((a, b) => a - b), file.length];
        const cut = read(at.slice(1).map((end, index) => file.subarray(at[index], end)));
        expect(cut.batches).toEqual(whole.batches);
        expect(cut.content).toEqual(content);
      }),
    );
  });

  test('a file that is cut short ends with its last whole batch', () => {
    const end = Buffer.byteLength(first) + 1 + content.length + 1;
    for (let length = 0; length < file.length; length += 1) {
      const { reader, batches } = read([file.subarray(0, length)]);
      expect(reader.unreadable).toBeUndefined();
      expect([reader.endByte, batches.length]).toEqual(length < end ? [0, 0] : [end, 1]);
    }
  });

  test('a line that is not a batch ends the reading there', () => {
    for (const line of ['{}', 'x', '{"batch":-1,"events":[],"prev":"00","session":"s"}', batchLine(owner, 0, 'short', '')]) {
      const { reader, batches } = read([Buffer.from(`${line}\n`), file]);
      expect([reader.unreadable, reader.endByte, batches.length]).toEqual(['the line is not that of a batch', 0, 0]);
    }
  });

  test('content that a target does not keep is counted and takes no bytes', () => {
    const line = batchLine(owner, 0, NO_BATCH, '', { bytes: 1000, sha256, kept: false });
    const { batches, reader } = read([Buffer.from(`${line}\n${second}\n`)]);
    expect(batches).toMatchObject([{ contentBytes: 1000, contentKept: false }, { batch: 1 }]);
    expect(reader.unreadable).toBeUndefined();
  });

  test('of a torn segment any cut of the bytes yields the same, and what is lost is told', () => {
    const kept = batchLine(owner, 1, NO_BATCH, '', { bytes: content.length, sha256, kept: true });
    const digest = batchLine(owner, 2, NO_BATCH, '', { bytes: 9, sha256, kept: false });
    const torn = Buffer.concat([Buffer.from(`${first}\n-\n${kept}\n+\n`), content, Buffer.from(`\n${digest}\n${second}\n`)]);
    const whole = [
      { contentLost: true, contentKept: false, contentIntact: true, atByte: 0, endByte: first.length + 3 },
      { contentLost: false, contentKept: true, contentIntact: true },
      { contentLost: false, contentKept: false },
      { contentLost: false, endByte: torn.length },
    ];
    fc.assert(
      fc.property(fc.array(fc.nat({ max: torn.length }), { maxLength: 12 }), (cuts) => {
        const at = [0, ...cuts.sort((a, b) => a - b), torn.length];
        const batches: FoundBatch[] = [];
        const reader = new BatchReader({ batch: (batch) => batches.push(batch) }, { torn: true });
        for (const [index, end] of at.slice(1).entries()) reader.push(torn.subarray(at[index], end));
        expect(batches).toMatchObject(whole);
        expect([reader.endByte, reader.unreadable]).toEqual([torn.length, undefined]);
      }),
    );
  });
});
