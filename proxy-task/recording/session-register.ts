/** Makes the sessions of a writer known to others while they live. */
import type { SessionEvent } from '../../core/evidence/event.ts';
import type { LiveSessions } from '../../core/evidence/journal-store.ts';
import type { LiveSessionItem } from '../../core/state/control.ts';
import type { Clock } from '../ports.ts';
import { persistently } from './persistence.ts';

const PATIENCE_MS = 5_000;

export type SessionRegisterParts = {
  readonly writer: string;
  readonly sessions: LiveSessions;
  readonly clock: Clock;
  /** Told of an attempt that failed. */
  readonly problem: (error: unknown) => void;
  /** Whether nobody waits any longer. */
  readonly given: () => boolean;
};

type Opened = SessionEvent & { readonly type: 'session.opened' };

export class SessionRegister {
  private readonly parts: SessionRegisterParts;
  /** What is under way for each session; settles, and never rejects. */
  private readonly known = new Map<string, Promise<unknown>>();

  constructor(parts: SessionRegisterParts) {
    this.parts = parts;
  }

  /** Resolves when others can find the session. */
  add(event: Opened, day: string): Promise<void> {
    const { writer, sessions, clock, problem, given } = this.parts;
    const item = liveSession(event, writer, day, clock.now());
    const added = persistently(clock, PATIENCE_MS, () => sessions.put(item), { given, failed: problem });
    this.known.set(
      event.session,
      added.catch(() => undefined),
    );
    return added;
  }

  /** Best effort: what stays is cleaned away with the writer. */
  remove(session: string): void {
    const { writer, sessions, clock, problem } = this.parts;
    const before = this.known.get(session);
    if (before === undefined) return;
    const removed = before.then(() => persistently(clock, PATIENCE_MS, () => sessions.remove(writer, session)));
    const settled = removed.catch(problem).finally(() => {
      if (this.known.get(session) === settled) this.known.delete(session);
    });
    this.known.set(session, settled);
  }

  /** Resolves when nothing is under way any more. */
  async settled(): Promise<void> {
    await Promise.all(this.known.values());
  }
}

function liveSession(event: Opened, writer: string, day: string, openedAtMs: number): LiveSessionItem {
  const { issuer, agent, human, owner } = event.principal;
  return {
    session: event.session,
    writer,
    principal: `${issuer}/${agent}`,
    ...(human === undefined ? {} : { human }),
    ...(owner === undefined ? {} : { owner }),
    target: event.target,
    source: event.source,
    openedAtMs,
    day,
  };
}
