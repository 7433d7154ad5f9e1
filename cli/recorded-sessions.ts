// What `sessions` and `replay` need of evidence: the recordings, and the one that an id means.
import { SallyportError } from '../core/errors.ts';
import type { FoundEvent } from '../core/evidence/batch.ts';
import { textField } from '../core/evidence/play.ts';
import { listRecordings, readRecording } from '../core/evidence/recordings.ts';
import type { EvidenceSource } from '../core/evidence/source.ts';
import type { NamedRecording } from '../core/evidence/spine-ledger.ts';

/** No recording has this id, or several start with it. */
export class SessionNotFound extends SallyportError {
  readonly code = 'session-not-found';
}

/**
 * The recording with this id, or the only one whose id starts with it; `latest` is the newest in which a statement was
 * judged. Throws SessionNotFound.
 */
export async function findRecording(source: EvidenceSource, id: string): Promise<NamedRecording> {
  const recordings = await listRecordings(source);
  if (id === 'latest') return latest(source, recordings);
  const exact = recordings.find(({ session }) => session === id);
  if (exact !== undefined) return exact;
  const near = recordings.filter(({ session }) => session.startsWith(id));
  const [only] = near;
  if (only === undefined || id === '') throw new SessionNotFound(`no session ${id} was recorded`);
  if (near.length > 1) throw new SessionNotFound(`${near.length} sessions start with ${id}`);
  return only;
}

async function latest(source: EvidenceSource, recordings: readonly NamedRecording[]): Promise<NamedRecording> {
  const opened: { readonly recording: NamedRecording; readonly at: string }[] = [];
  for (const recording of recordings) {
    const first = await firstEvent(source, recording);
    opened.push({ recording, at: first === undefined ? '' : textField(first, 'at') });
  }
  for (const { recording } of opened.toSorted((a, b) => (a.at < b.at ? 1 : -1))) {
    for await (const { events } of readRecording(source, recording)) {
      if (events.some(({ type }) => type === 'statement.judged')) return recording;
    }
  }
  throw new SessionNotFound('no session with a statement was recorded yet');
}

/** `session.opened` of a recording; undefined where not even that was written. */
export async function firstEvent(source: EvidenceSource, recording: NamedRecording): Promise<FoundEvent | undefined> {
  for await (const { events } of readRecording(source, recording)) return events[0];
  return undefined;
}
