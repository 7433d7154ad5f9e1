// What `sessions` and `replay` need of evidence: the recordings, and the one that an id means.
import { SallyportError } from '../core/errors.ts';
import type { FoundEvent } from '../core/evidence/batch.ts';
import { listRecordings, readRecording } from '../core/evidence/recordings.ts';
import type { EvidenceSource } from '../core/evidence/source.ts';
import type { NamedRecording } from '../core/evidence/spine-ledger.ts';

/** No recording has this id, or several start with it. */
export class SessionNotFound extends SallyportError {
  readonly code = 'session-not-found';
}

/** The recording with this id, or the only one whose id starts with it. Throws SessionNotFound. */
export async function findRecording(source: EvidenceSource, id: string): Promise<NamedRecording> {
  const recordings = await listRecordings(source);
  const exact = recordings.find(({ session }) => session === id);
  if (exact !== undefined) return exact;
  const near = recordings.filter(({ session }) => session.startsWith(id));
  const [only] = near;
  if (only === undefined || id === '') throw new SessionNotFound(`no session ${id} was recorded`);
  if (near.length > 1) throw new SessionNotFound(`${near.length} sessions start with ${id}`);
  return only;
}

/** `session.opened` of a recording; undefined where not even that was written. */
export async function firstEvent(source: EvidenceSource, recording: NamedRecording): Promise<FoundEvent | undefined> {
  for await (const { events } of readRecording(source, recording)) return events[0];
  return undefined;
}
