/** Writes one session event as canonical JSON without sorting: the keys of every event type are known, in order. */
import { canonicalJson } from './canonical-json.ts';
import type { SessionEvent } from './event.ts';

/** What the recorder adds to each event. */
export type Stamp = {
  readonly seq: number;
  /** RFC 3339, UTC, milliseconds. */
  readonly at: string;
  readonly monoUs: number;
};

type EventType = SessionEvent['type'];

/** Every key that an event may have besides those of its stamp; the compiler holds it against the events. */
const KEYS: { readonly [T in EventType]: Readonly<Record<keyof Extract<SessionEvent, { readonly type: T }>, true>> } = {
  'session.opened': {
    applicationName: true,
    bundle: true,
    database: true,
    label: true,
    policies: true,
    principal: true,
    protocol: true,
    serverVersion: true,
    session: true,
    source: true,
    target: true,
    tls: true,
    type: true,
    writer: true,
  },
  'session.refused': { label: true, principal: true, reason: true, source: true, target: true, type: true },
  'credential.issued': { credential: true, role: true, type: true },
  'statement.judged': {
    bundle: true,
    code: true,
    decision: true,
    digest: true,
    effects: true,
    facts: true,
    masked: true,
    parameters: true,
    policies: true,
    protocol: true,
    reason: true,
    reasonGiven: true,
    statement: true,
    text: true,
    textBytes: true,
    type: true,
  },
  'statement.sent': { approval: true, statement: true, type: true },
  'rows.released': { bytes: true, detected: true, masked: true, rows: true, statement: true, type: true },
  'statement.completed': { durationUs: true, outcome: true, rows: true, statement: true, tag: true, type: true },
  error: { code: true, from: true, message: true, severity: true, statement: true, type: true },
  'copy.received': { bytes: true, rows: true, sha256: true, statement: true, type: true },
  'approval.requested': { approval: true, digest: true, expiresAt: true, mode: true, statement: true, type: true },
  'approval.decided': { approval: true, approvers: true, bundle: true, outcome: true, reason: true, requestBundle: true, type: true },
  'approval.claimed': { approval: true, statement: true, type: true },
  transaction: { status: true, type: true },
  'bundle.changed': { from: true, to: true, type: true },
  setting: { name: true, type: true, value: true },
  'cancel.requested': { statement: true, type: true },
  'channel.opened': { channel: true, columns: true, kind: true, rows: true, term: true, type: true },
  'channel.data': { bytes: true, channel: true, detected: true, stream: true, type: true },
  'channel.resized': { channel: true, columns: true, rows: true, type: true },
  'channel.signal': { channel: true, signal: true, type: true },
  'channel.file': {
    action: true,
    by: true,
    bytes: true,
    channel: true,
    complete: true,
    detected: true,
    path: true,
    sha256: true,
    statement: true,
    type: true,
  },
  'channel.operation': { channel: true, detail: true, outcome: true, statement: true, text: true, type: true },
  'channel.closed': { channel: true, exitSignal: true, exitStatus: true, inputBytes: true, outputBytes: true, reason: true, type: true },
  'session.closed': { abnormal: true, bytes: true, code: true, reason: true, rows: true, statements: true, type: true },
};

/** The types of session events. */
export const EVENT_TYPES: readonly string[] = Object.keys(KEYS);

type Field = { readonly key: string; readonly prefix: string; readonly of: 'event' | 'stamp' };

/** The keys of an event with those of its stamp in their places, each with its JSON written once. */
const FIELDS = new Map<string, readonly Field[]>(
  Object.entries(KEYS).map(([type, keys]) => [
    type,
    [...Object.keys(keys), 'at', 'monoUs', 'seq']
      .sort()
      .map((key) => ({ key, prefix: `${JSON.stringify(key)}:`, of: key in keys ? 'event' : 'stamp' })),
  ]),
);

/**
 * Canonical JSON of the event with its stamp; equal to `canonicalJson({ ...event, ...stamp })`. Throws on an unknown type
 * or key: what has no schema is not recorded in silence, nor left out.
 */
export function eventJson(event: SessionEvent, stamp: Stamp): string {
  const fields = FIELDS.get(event.type);
  if (fields === undefined) throw new Error(`no such event: ${event.type}`);
  // The union has no index signature; the keys come from the table of its own type.
  const values = event as unknown as Readonly<Record<string, unknown>>;
  let text = '';
  let taken = 0;
  for (const { key, prefix, of } of fields) {
    let json: string;
    if (of === 'event') {
      const value = values[key];
      if (value === undefined) continue;
      taken += 1;
      // Most values are one of these two; a number that has no form is `canonicalJson`'s to refuse.
      if (typeof value === 'string') json = JSON.stringify(value);
      else if (typeof value === 'number' && Number.isFinite(value)) json = String(value);
      else json = canonicalJson(value);
    } else if (key === 'at') json = `"${stamp.at}"`;
    else if (key === 'monoUs') json = String(stamp.monoUs);
    else json = String(stamp.seq);
    text += text === '' ? `{${prefix}${json}` : `,${prefix}${json}`;
  }
  let present = 0;
  for (const key in values) if (values[key] !== undefined) present += 1;
  if (present !== taken) throw new Error(`an event ${event.type} has a key that its schema does not know`);
  return `${text}}`;
}
