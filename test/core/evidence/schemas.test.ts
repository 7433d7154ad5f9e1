import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { describe, expect, test } from 'vitest';
import type { FoundEvent } from '../../../core/evidence/batch.ts';
import { BatchReader } from '../../../core/evidence/batch-reader.ts';
import { EVENT_TYPES, eventJson } from '../../../core/evidence/event-json.ts';
import type { SessionEvent } from '../../../core/evidence/event.ts';
import { judged, opened, sessionClosed, smallEvidence } from '../../support/evidence.ts';
import { MemoryPlane } from '../../support/sealing.ts';

const FOLDER = join(import.meta.dirname, '../../../core/evidence/schemas');
const SPINE_TYPES = [
  'writer.opened',
  'recording.opened',
  'recording.head',
  'recording.closed',
  'recording.sealed',
  'writer.fenced',
  'checkpoint.signed',
  'writer.closed',
  'writer.seen',
  'seal.behind',
  'journal.broken',
  'approval.closed',
];

const ajv = new Ajv({ allErrors: true });
const schemas = new Map(
  readdirSync(FOLDER).map((name) => [name.slice(0, -'.v1.json'.length), ajv.compile(JSON.parse(readFileSync(join(FOLDER, name), 'utf8')))]),
);

function problems(event: FoundEvent): unknown {
  const validate = schemas.get(event.type);
  if (validate === undefined) return `no schema for ${event.type}`;
  return validate(event) ? [] : validate.errors;
}

/** One event of each type, with every optional key. */
const EXAMPLES: { readonly [T in SessionEvent['type']]: Extract<SessionEvent, { readonly type: T }> } = {
  'session.opened': {
    ...opened('s1'),
    principal: { issuer: 'corp', agent: 'a', human: 'h', owner: 'o', groups: ['g'], tokenId: 't', expiresAt: '2026-11-20T10:00:00Z' },
  },
  'session.refused': { type: 'session.refused', source: 's', label: 'l', target: 't', reason: 'r', principal: 'corp/a' },
  'credential.issued': { type: 'credential.issued', credential: 'env:X', role: 'app' },
  'statement.judged': { ...judged(1, 'select 1'), parameters: ['1', null], code: 'ZG010', reasonGiven: 'because' },
  'statement.sent': { type: 'statement.sent', statement: 1, approval: 'ap_1' },
  'rows.released': { type: 'rows.released', statement: 1, rows: 1, bytes: 9, masked: ['public.customers.ssn'], detected: 0 },
  'statement.completed': { type: 'statement.completed', statement: 1, tag: 'SELECT 1', rows: 1, durationUs: 5, outcome: 'ok' },
  error: { type: 'error', statement: 1, code: 'ZG010', severity: 'ERROR', message: 'm', from: 'gateway' },
  'copy.received': { type: 'copy.received', statement: 1, bytes: 1, rows: 1, sha256: 'a'.repeat(64) },
  'approval.requested': { type: 'approval.requested', statement: 1, approval: 'ap_1', digest: 'd', expiresAt: 'e', mode: 'wait' },
  'approval.decided': {
    type: 'approval.decided',
    approval: 'ap_1',
    outcome: 'approved',
    approvers: [{ person: 'p', group: 'dba', at: 'a', issuer: 'corp' }],
    reason: '',
    requestBundle: 'b-1',
    bundle: 'b-1',
  },
  'approval.claimed': { type: 'approval.claimed', statement: 1, approval: 'ap_1' },
  transaction: { type: 'transaction', status: 'I' },
  'bundle.changed': { type: 'bundle.changed', from: 'b-1', to: 'b-2' },
  setting: { type: 'setting', name: 'sallyport.reason', value: 'v' },
  'cancel.requested': { type: 'cancel.requested', statement: 1 },
  'channel.opened': { type: 'channel.opened', channel: 1, kind: 'shell', columns: 80, rows: 24, term: 'xterm-256color' },
  'channel.data': { type: 'channel.data', channel: 1, stream: 'stdout', bytes: 5, detected: 0 },
  'channel.resized': { type: 'channel.resized', channel: 1, columns: 100, rows: 30 },
  'channel.signal': { type: 'channel.signal', channel: 1, signal: 'INT' },
  'channel.file': {
    type: 'channel.file',
    channel: 1,
    statement: 2,
    by: 'sftp',
    action: 'read',
    path: '/srv/app/config.yaml',
    bytes: 12,
    sha256: 'a'.repeat(64),
    complete: true,
    detected: 0,
  },
  'channel.operation': { type: 'channel.operation', channel: 1, statement: 2, text: 'sftp remove /tmp/x', outcome: 'ok', detail: '' },
  'channel.closed': {
    type: 'channel.closed',
    channel: 1,
    reason: 'the program ended',
    exitStatus: 0,
    exitSignal: 'TERM',
    inputBytes: 0,
    outputBytes: 5,
  },
  'session.closed': { ...sessionClosed(1), code: '57P01' },
};

describe('the schemas', () => {
  test('are one for each type of event, and no more', () => {
    expect([...schemas.keys()].sort()).toEqual([...EVENT_TYPES, ...SPINE_TYPES].sort());
  });

  test('accept every event with all of its keys', () => {
    for (const event of Object.values(EXAMPLES)) {
      const json: FoundEvent = JSON.parse(eventJson(event, { seq: 0, at: '2026-11-20T09:00:00.000Z', monoUs: 1 }));
      expect([event.type, problems(event.type === json.type ? json : { type: 'another' })]).toEqual([event.type, []]);
    }
  });

  test('refuse an event with a key too many or one too few', () => {
    const stamp = { seq: 0, at: '2026-11-20T09:00:00.000Z', monoUs: 1 };
    for (const event of Object.values(EXAMPLES)) {
      expect(problems({ ...event, ...stamp, more: 1 })).not.toEqual([]);
      expect(problems(event)).not.toEqual([]);
    }
  });

  test('accept everything that was recorded, in recordings and spines', async () => {
    const seen = new Set<string>();
    for (const [path, bytes] of await smallEvidence()) {
      if (!/\.(seg|log)$/.test(path)) continue;
      const check = (event: FoundEvent): void => {
        seen.add(event.type);
        expect([path, event.type, problems(event)]).toEqual([path, event.type, []]);
      };
      new BatchReader({ batch: ({ events }) => events.forEach(check) }).push(bytes);
    }
    // Only a sealer elsewhere meets writers that are not its own, and only there do approvals close by themselves.
    const elsewhere = new Set(['writer.seen', 'seal.behind', 'journal.broken', 'approval.closed']);
    expect(SPINE_TYPES.filter((type) => !elsewhere.has(type) && !seen.has(type))).toEqual([]);
  });

  test('accept what sealer and sweeper make of the journal of a writer that died', async () => {
    const plane = new MemoryPlane();
    const task = plane.writer('t1');
    await task.start();
    await task.open('s1');
    await task.statement('s1', 10_000);
    await task.heads();
    await plane.seal();
    plane.minutes(1);
    await plane.sweep();
    await plane.seal();
    const seen = new Map<string, FoundEvent>();
    for (const [path, bytes] of plane.memory.objects) {
      if (!/\.(seg|log|torn)$/.test(path)) continue;
      const check = (event: FoundEvent): void => {
        seen.set(event.type, event);
        expect([path, event.type, problems(event)]).toEqual([path, event.type, []]);
      };
      const reader = new BatchReader({ batch: ({ events }) => events.forEach(check) }, { torn: path.endsWith('.torn') });
      reader.push(bytes);
      expect([path, reader.endByte, reader.unreadable]).toEqual([path, bytes.length, undefined]);
    }
    expect(seen.get('recording.sealed')).toMatchObject({ lost: { batches: 1, bytes: 10_000 } });
    expect(seen.has('writer.fenced')).toBe(true);
  });
});
