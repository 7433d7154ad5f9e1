// Statements out of the evidence, with what became of them as far as it says.
import { listRecordings, readRecording } from '../../core/evidence/recordings.ts';
import type { EvidenceSource } from '../../core/evidence/source.ts';

export type RecordedStatement = {
  readonly session: string;
  readonly text: string;
  readonly parameters: readonly string[];
  readonly sent: boolean;
};

export type RecordedSessions = {
  readonly statements: readonly RecordedStatement[];
  /** Sessions without `session.closed`. */
  readonly unclosed: readonly string[];
};

/** Reads every recording to its last whole batch. */
export async function recordedSessions(source: EvidenceSource): Promise<RecordedSessions> {
  const statements: RecordedStatement[] = [];
  const unclosed: string[] = [];
  for (const recording of await listRecordings(source)) {
    const judged = new Map<unknown, { text: string; parameters: readonly string[]; sent: boolean }>();
    let closed = false;
    for await (const { events } of readRecording(source, recording)) {
      for (const event of events) {
        const { type, statement, text, parameters } = event;
        if (type === 'session.closed') closed = true;
        if (type === 'statement.judged')
          judged.set(statement, { text: String(text), parameters: Array.isArray(parameters) ? parameters.map(String) : [], sent: false });
        const known = type === 'statement.sent' ? judged.get(statement) : undefined;
        if (known !== undefined) known.sent = true;
      }
    }
    for (const each of judged.values()) statements.push({ session: recording.session, ...each });
    if (!closed) unclosed.push(recording.session);
  }
  return { statements, unclosed };
}
