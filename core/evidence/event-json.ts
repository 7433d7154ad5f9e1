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

/** Every key that an event may have besides those of its stamp, sorted by code units. */
export const EVENT_KEYS: { readonly [T in EventType]: readonly string[] } = {
  'session.opened': [
    'applicationName',
    'bundle',
    'database',
    'label',
    'policies',
    'principal',
    'protocol',
    'serverVersion',
    'session',
    'source',
    'target',
    'tls',
    'type',
    'writer',
  ],
  'session.refused': ['label', 'principal', 'reason', 'source', 'target', 'type'],
  'credential.issued': ['credential', 'role', 'type'],
  'statement.judged': [
    'bundle',
    'code',
    'decision',
    'digest',
    'effects',
    'facts',
    'masked',
    'parameters',
    'policies',
    'protocol',
    'reason',
    'reasonGiven',
    'statement',
    'text',
    'textBytes',
    'type',
  ],
  'statement.sent': ['approval', 'statement', 'type'],
  'rows.released': ['bytes', 'detected', 'masked', 'rows', 'sha256', 'statement', 'type'],
  'statement.completed': ['durationUs', 'outcome', 'rows', 'statement', 'tag', 'type'],
  error: ['code', 'from', 'message', 'severity', 'statement', 'type'],
  'copy.received': ['bytes', 'rows', 'sha256', 'statement', 'type'],
  'approval.requested': ['approval', 'digest', 'expiresAt', 'mode', 'statement', 'type'],
  'approval.decided': ['approval', 'approvers', 'bundle', 'outcome', 'reason', 'requestBundle', 'type'],
  'approval.claimed': ['approval', 'statement', 'type'],
  transaction: ['status', 'type'],
  'bundle.changed': ['from', 'to', 'type'],
  setting: ['name', 'type', 'value'],
  'cancel.requested': ['statement', 'type'],
  'session.closed': ['abnormal', 'bytes', 'code', 'reason', 'rows', 'statements', 'type'],
};

type Field = { readonly key: string; readonly prefix: string };

/** The keys of an event with those of its stamp in their places, each with its JSON written once. */
const FIELDS = new Map<string, readonly Field[]>(
  Object.entries(EVENT_KEYS).map(([type, keys]) => [
    type,
    [...keys, 'at', 'monoUs', 'seq'].sort().map((key) => ({ key, prefix: `${JSON.stringify(key)}:` })),
  ]),
);

/**
 * Canonical JSON of the event with its stamp; equal to `canonicalJson({ ...event, ...stamp })`. Throws on an unknown type
 * or key: what has no schema is not recorded in silence, nor left out.
 */
export function eventJson(event: SessionEvent, stamp: Stamp): string {
  const fields = FIELDS.get(event.type);
  if (fields === undefined) throw new Error(`no such event: ${String(event.type)}`);
  // The union has no index signature; the keys come from the table of its own type.
  const values = event as unknown as Readonly<Record<string, unknown>>;
  let text = '';
  let taken = 0;
  for (const { key, prefix } of fields) {
    let json: string;
    if (key === 'at') json = `"${stamp.at}"`;
    else if (key === 'monoUs') json = String(stamp.monoUs);
    else if (key === 'seq') json = String(stamp.seq);
    else {
      const value = values[key];
      if (value === undefined) continue;
      taken += 1;
      json = canonicalJson(value);
    }
    text += text === '' ? `{${prefix}${json}` : `,${prefix}${json}`;
  }
  let present = 0;
  for (const key in values) if (values[key] !== undefined) present += 1;
  if (present !== taken) throw new Error(`an event ${event.type} has a key that its schema does not know`);
  return `${text}}`;
}
