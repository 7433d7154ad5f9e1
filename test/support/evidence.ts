/** Small bodies of evidence for tests: a clock that only moves when told, events, a directory in memory. */
import { mkdtempSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import type { SessionEvent } from '../../core/evidence/event.ts';
import type { SessionRecorder } from '../../core/evidence/recorder.ts';
import type { EvidenceSource } from '../../core/evidence/source.ts';
import type { Clock } from '../../proxy-task/ports.ts';
import { createFileRecorder, type FileRecorder, type FileRecorderOptions } from '../../standalone/evidence/file-recorder.ts';
import { localSigner } from '../../standalone/evidence/local-signer.ts';

export type FakeClock = Clock & { advance(ms: number): void };

export function fakeClock(startMs = Date.UTC(2026, 10, 20, 9)): FakeClock {
  let nowMs = startMs;
  let timers: { atMs: number; run: () => void }[] = [];
  return {
    now: () => nowMs,
    monoUs: () => nowMs * 1000,
    after: (ms, run) => {
      const timer = { atMs: nowMs + ms, run };
      timers.push(timer);
      return { cancel: () => void (timers = timers.filter((other) => other !== timer)) };
    },
    advance: (ms) => {
      nowMs += ms;
      const due = timers.filter(({ atMs }) => atMs <= nowMs);
      timers = timers.filter(({ atMs }) => atMs > nowMs);
      for (const { run } of due) run();
    },
  };
}

export function temporaryDirectory(): string {
  return mkdtempSync(join(tmpdir(), 'sallyport-evidence-'));
}

export function startRecorder(data: string, writerId: string, more: Partial<FileRecorderOptions> = {}): FileRecorder {
  return createFileRecorder({
    directory: join(data, 'evidence'),
    writerId,
    clock: fakeClock(),
    signer: localSigner(join(data, 'keys', 'signing.pem')),
    instance: 'test',
    program: '0.1.0',
    problem: (error) => {
      throw error;
    },
    ...more,
  });
}

export const opened = (session: string): SessionEvent & { type: 'session.opened' } => ({
  type: 'session.opened',
  protocol: 'postgres',
  session,
  writer: 'w1',
  principal: {
    issuer: 'corp',
    agent: 'agent-7',
    human: 'ann@example.com',
    groups: ['corp/analysts'],
    expiresAt: '2026-11-20T10:00:00.000Z',
  },
  target: 'bank',
  database: 'bank',
  label: 'psql',
  source: '127.0.0.1:50000',
  tls: 'TLSv1.3',
  applicationName: 'psql',
  bundle: 'b-0123456789abcdef',
  serverVersion: '17.10',
  policies: ['analysts-connect'],
});

export const judged = (statement: number, text: string): SessionEvent & { type: 'statement.judged' } => ({
  type: 'statement.judged',
  statement,
  digest: 'a'.repeat(64),
  text,
  textBytes: Buffer.byteLength(text),
  protocol: 'simple',
  decision: 'permit',
  reason: 'analysts may read',
  policies: ['analysts-read'],
  bundle: 'b-0123456789abcdef',
  effects: [{ action: 'select', resource: { type: 'Table', path: ['public', 'accounts'] } }],
  facts: { unbounded: false, fullExport: false, rows: 1, opaque: false, inTransaction: false },
  masked: [],
});

export const sessionClosed = (statements: number): SessionEvent & { type: 'session.closed' } => ({
  type: 'session.closed',
  reason: 'the client closed',
  abnormal: false,
  statements,
  rows: statements,
  bytes: 16 * statements,
});

/** A DataRow with these text cells. */
export function dataRow(...cells: (string | null)[]): Buffer {
  const parts = cells.map((cell) => {
    const value = Buffer.from(cell ?? '');
    const bytes = Buffer.alloc(4);
    bytes.writeInt32BE(cell === null ? -1 : value.length);
    return Buffer.concat([bytes, value]);
  });
  const body = Buffer.concat(parts);
  const head = Buffer.alloc(7);
  head.write('D');
  head.writeInt32BE(6 + body.length, 1);
  head.writeInt16BE(cells.length, 5);
  return Buffer.concat([head, body]);
}

/** Records one permitted statement with one row, flushed as the data path does. */
export function recordStatement(session: SessionRecorder, statement: number, done: (error?: Error) => void): void {
  const row = dataRow(String(statement), 'ann');
  session.append(judged(statement, `select ${statement}`));
  session.append({ type: 'statement.sent', statement });
  session.flush('written', done);
  session.appendContent(row, 0, row.length);
  session.append({ type: 'rows.released', statement, rows: 1, bytes: row.length, masked: [], detected: 0 });
  session.append({ type: 'statement.completed', statement, tag: 'SELECT 1', rows: 1, durationUs: 120, outcome: 'ok' });
  session.flush('written', done);
}

/** Resolves at the acknowledgement. */
export function flushed(session: SessionRecorder, durability: 'written' | 'durable' = 'durable'): Promise<void> {
  return new Promise((resolve, reject) => session.flush(durability, (error) => (error === undefined ? resolve() : reject(error))));
}

/** Throws what an acknowledgement says. */
export function acknowledged(error?: Error): void {
  if (error !== undefined) throw error;
}

export type Files = ReadonlyMap<string, Buffer>;

/** Every file below a folder, by its path. */
export function readFiles(root: string): Map<string, Buffer> {
  const names = readdirSync(root, { recursive: true, encoding: 'utf8' }).map((name) => join(root, name));
  return new Map(names.filter((name) => statSync(name).isFile()).map((name) => [relative(root, name), readFileSync(name)]));
}

export function memorySource(files: Files): EvidenceSource {
  return {
    async *list() {
      await Promise.resolve();
      for (const [path, { length }] of files) yield { path, bytes: length };
    },
    open: (path) => {
      const bytes = files.get(path);
      return Promise.resolve(
        bytes && {
          read: (into: Buffer, fromByte: number) => Promise.resolve(bytes.copy(into, 0, Math.min(fromByte, bytes.length))),
          close: () => Promise.resolve(),
        },
      );
    },
  };
}

/** Two writers, three recordings, one of them left open by a writer that never closed; then all sealed and closed. */
export async function smallEvidence(): Promise<Map<string, Buffer>> {
  const data = temporaryDirectory();
  const first = startRecorder(data, 'w1');
  for (const id of ['s1', 's2']) {
    const session = first.open(id);
    session.append(opened(id));
    recordStatement(session, 1, acknowledged);
    recordStatement(session, 2, acknowledged);
    if (id === 's1') await session.close(sessionClosed(2));
    else await flushed(session);
  }
  await first.seal();
  const second = startRecorder(data, 'w2');
  second.recordRefusal({ type: 'session.refused', source: '127.0.0.1:1', label: 'psql', target: 'bank', reason: 'expired' });
  const session = second.open('s3');
  session.append(opened('s3'));
  await session.close(sessionClosed(0));
  await second.close();
  return readFiles(join(data, 'evidence'));
}
