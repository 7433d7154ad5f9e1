// The data path before a recorder that takes its time: nothing overtakes the record, and nothing piles up while it is awaited.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../proxy-task/system-clock.ts';
import { createJournalRecorder, type JournalRecorder } from '../../proxy-task/recording/journal-recorder.ts';
import type { JournalCommit } from '../../core/evidence/journal.ts';
import { findingText } from '../../core/evidence/findings.ts';
import type { Recorder } from '../../core/evidence/recorder.ts';
import { verifyEvidence } from '../../core/evidence/verify.ts';
import { memorySource } from '../support/evidence.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { evidenceOf, MemoryJournal, MemoryLiveSessions, MemoryObjects } from '../support/journal-stores.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';

let postgres: TestPostgres;
let gateway: TestGateway | undefined;
const MIB = 1024 * 1024;

/** Answers after some milliseconds, as a journal across a network does; or not before it is let go. */
class DistantJournal extends MemoryJournal {
  private gate: Promise<void> | undefined;
  private open: () => void = () => undefined;

  override async put(commit: JournalCommit): Promise<'written' | 'fenced'> {
    await new Promise((resolve) => setTimeout(resolve, 3));
    await this.gate;
    return super.put(commit);
  }

  hold(): void {
    this.gate = new Promise((resolve) => {
      this.open = resolve;
    });
  }

  letGo(): void {
    this.open();
    this.gate = undefined;
  }
}

beforeAll(async () => {
  postgres = await startPostgres();
  await postgres.script(`CREATE TABLE wide (id int, filler text);
    INSERT INTO wide SELECT g, repeat('x', 1000) FROM generate_series(1, 60000) g;`);
});

afterEach(async () => {
  await gateway?.stop();
  gateway = undefined;
});

afterAll(async () => {
  await postgres.stop();
});

type Started = {
  readonly gateway: TestGateway;
  readonly recorder: JournalRecorder;
  readonly journal: DistantJournal;
  readonly segments: MemoryObjects;
  /** Released bytes that sessions handed to the recorder. */
  readonly recordedBytes: () => number;
};

async function start(): Promise<Started> {
  const journal = new DistantJournal();
  const segments = new MemoryObjects();
  const recorder = createJournalRecorder({
    writer: 't1',
    boot: 'b',
    program: '0.1.0',
    journal,
    segments,
    staging: new MemoryObjects(),
    sessions: new MemoryLiveSessions(),
    clock: systemClock,
    problem: (error) => {
      throw error;
    },
  });
  let recorded = 0;
  const counting: Recorder = {
    open: (id, rows) => {
      const session = recorder.open(id, rows);
      return {
        append: (event) => session.append(event),
        appendContent: (source, start, end) => {
          recorded += end - start;
          session.appendContent(source, start, end);
        },
        flush: (durability, done) => session.flush(durability, done),
        close: (event) => session.close(event),
      };
    },
    recordRefusal: (event) => recorder.recordRefusal(event),
  };
  gateway = await startGateway(postgres, { beforeRecorder: () => counting });
  return { gateway, recorder, journal, segments, recordedBytes: () => recorded };
}

async function expectSound(recorder: JournalRecorder, journal: MemoryJournal, segments: MemoryObjects): Promise<void> {
  await recorder.close();
  const result = await verifyEvidence(memorySource(evidenceOf(journal.records(), segments.files)));
  expect(result.findings.map(findingText)).toEqual([]);
  expect(result.abnormal).toEqual([]);
}

describe('a recorder that answers later', () => {
  test('statements run, results arrive whole, and the evidence is sound', async () => {
    const { gateway: at, recorder, journal, segments } = await start();
    const client = await at.connect();
    expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
    const { rows } = await client.query('select id, length(filler) as bytes from wide order by id');
    expect([rows.length, rows.at(-1)]).toEqual([60_000, { id: 60_000, bytes: 1000 }]);
    await client.query('begin');
    await client.query("insert into wide values (0, 'y')");
    await client.query('rollback');
    const many = await Promise.all(Array.from({ length: 20 }, () => at.connect()));
    const sums = await Promise.all(many.map((each, index) => each.query('select $1::int + 1 as sum', [index])));
    expect(sums.map(({ rows: [row] }) => row.sum)).toEqual(many.map((_, index) => index + 1));
    await Promise.all([client, ...many].map((each) => each.end()));
    await at.stop();
    gateway = undefined;
    await expectSound(recorder, journal, segments);
  });

  test('no row leaves before it is on record, and the target stops sending meanwhile', async () => {
    const { gateway: at, recorder, journal, segments, recordedBytes } = await start();
    const client = await at.connect();
    const received = countBytes(client);
    const sent = client.query('select * from wide');
    while (recordedBytes() < MIB) await turn();
    journal.hold();
    // What was on its way before is on record, and arrives.
    while (recordedBytes() < received() + 4 * MIB) await turn();
    const released = received();
    const taken = recordedBytes();
    for (let count = 0; count < 300; count += 1) await turn();
    expect(recordedBytes() - taken).toBeLessThan(2 * MIB);
    expect(received() - released).toBeLessThan(2 * MIB);
    expect(recordedBytes() - received()).toBeLessThan(8 * MIB);
    journal.letGo();
    expect((await sent).rows).toHaveLength(60_000);
    expect(received()).toBeGreaterThan(60 * MIB - 4 * MIB);
    await client.end();
    await at.stop();
    gateway = undefined;
    await expectSound(recorder, journal, segments);
  });

  test('a recorder that fails while rows wait releases none of them', async () => {
    const { gateway: at, journal, recordedBytes } = await start();
    const client = await at.connect();
    const received = countBytes(client);
    const failed = expect(client.query('select * from wide')).rejects.toMatchObject({ code: 'ZG030' });
    while (recordedBytes() < MIB) await turn();
    journal.fence();
    await failed;
    const content = journal
      .records()
      .flatMap(({ record }) =>
        record.kind === 'batch' ? [Number(/"content":\{"bytes":(\d+)/u.exec(record.line.toString())?.[1] ?? 0)] : [],
      )
      .reduce((sum, bytes) => sum + bytes, 0);
    expect(received()).toBeLessThan(content + 64 * 1024);
  });
});

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Bytes that a client has received so far. */
function countBytes(client: unknown): () => number {
  // The driver's socket, which its declared types do not show.
  const { stream } = (client as { connection: { stream: { readonly bytesRead: number } } }).connection;
  return () => stream.bytesRead;
}
