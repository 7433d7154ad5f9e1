import { describe, expect, test } from 'vitest';
import { play, type Scene } from '../../../core/evidence/play.ts';
import type { RecordedBatch } from '../../../core/evidence/recordings.ts';
import { releasedMessages } from '../../../core/evidence/released-rows.ts';
import { dataRow } from '../../support/evidence.ts';

function rowDescription(...names: string[]): Buffer {
  const fields = names.map((name) => Buffer.concat([Buffer.from(`${name}\0`), Buffer.from('00000000000000000019ffffffffffff0000', 'hex')]));
  const body = Buffer.concat([Buffer.of(0, names.length), ...fields]);
  const head = Buffer.alloc(5);
  head.write('T');
  head.writeInt32BE(4 + body.length, 1);
  return Buffer.concat([head, body]);
}

const released = (statement: number, rows: number): RecordedBatch['events'][number] => ({ type: 'rows.released', statement, rows });

async function scenes(...batches: Partial<RecordedBatch>[]): Promise<Scene[]> {
  async function* all(): AsyncGenerator<RecordedBatch> {
    await Promise.resolve();
    for (const batch of batches) yield { events: [], content: Buffer.alloc(0), unkeptBytes: 0, lostBytes: 0, ...batch };
  }
  const played: Scene[] = [];
  for await (const scene of play(all())) if (scene.kind !== 'event') played.push(scene);
  return played;
}

describe('playing', () => {
  test('two statements of one flush each have their own rows and columns', async () => {
    const content = Buffer.concat([rowDescription('a'), dataRow('1'), dataRow('2'), rowDescription('b', 'c'), dataRow(null, 'x')]);
    expect(await scenes({ content, events: [released(1, 2), released(2, 1)] })).toEqual([
      { kind: 'rows', statement: 1, columns: [{ name: 'a', typeOid: 25 }], rows: [['1'], ['2']] },
      {
        kind: 'rows',
        statement: 2,
        columns: [
          { name: 'b', typeOid: 25 },
          { name: 'c', typeOid: 25 },
        ],
        rows: [[null, 'x']],
      },
    ]);
  });

  test('a portal that is fetched in parts shows each row once', async () => {
    const parts = await scenes(
      { content: Buffer.concat([rowDescription('a'), dataRow('1')]), events: [released(1, 1)] },
      { content: dataRow('2'), events: [released(1, 2)] },
    );
    expect(parts.map((part) => (part.kind === 'rows' ? part.rows : []))).toEqual([[['1']], [['2']]]);
    expect(parts[1]).toMatchObject({ columns: [{ name: 'a' }] });
  });

  test('rows that were recorded before a session was cut off are shown with the statement in flight', async () => {
    const sent = { type: 'statement.sent', statement: 3 };
    expect(await scenes({ events: [sent] }, { content: dataRow('1') })).toMatchObject([{ kind: 'rows', statement: 3, rows: [['1']] }]);
  });

  test('content that is cut short, or lies about its lengths, ends without an error', () => {
    const row = dataRow('1', 'two', null);
    for (let length = 0; length < row.length; length += 1) expect([...releasedMessages(row.subarray(0, length))]).toEqual([]);
    for (let at = 0; at < row.length; at += 1) {
      const changed = Buffer.from(row);
      changed.writeUInt8(changed.readUInt8(at) ^ 0xff, at);
      expect([...releasedMessages(changed)].length).toBeLessThanOrEqual(1);
    }
  });

  test('a cell in the binary format is shown in hex', () => {
    const row = dataRow('ab');
    row.writeUInt8(0, row.length - 1);
    expect([...releasedMessages(row)]).toEqual([{ kind: 'row', cells: ['\\x6100'] }]);
  });
});
