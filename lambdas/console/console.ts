/** What the console does to sessions that live on other machines: it writes to their task, which obeys within seconds. */
import type { LiveSessionItem } from '../../core/state/control.ts';
import { TokenRefused } from '../../core/identity/token-refused.ts';
import { principalName, type Principal } from '../../core/principal.ts';
import type { LiveSession, LiveSessions, Mailbox, SessionDirectory, SessionRenewal, TokenVerifier } from './ports.ts';

export type RemoteSessionPorts = {
  readonly live: LiveSessions;
  readonly mailbox: Mailbox;
  readonly clock: { now(): number };
  /** Unguessable. */
  readonly newId: () => string;
};

/** Sessions of every task. An end is asked for by mail, and done once however often it is asked for. */
export function sessionDirectory({ live, mailbox, clock, newId }: RemoteSessionPorts): SessionDirectory {
  return {
    list: async (limit) => {
      const { sessions, more } = await live.list(limit);
      return { sessions: sessions.map(shown), more };
    },
    end: async (id, by, reason) => {
      const found = await live.find(id);
      if (found === undefined) return false;
      await mailbox.post(found.writer, { id: newId(), atMs: clock.now(), kind: 'end', session: id, by, reason });
      return true;
    },
  };
}

/**
 * A renewal by mail. The token is verified here, for an answer that can be trusted and so that nobody without one can write to a
 * task; the task verifies it again, and believes nothing else. It takes up the token within a second or two of the answer.
 */
export function sessionRenewal(ports: RemoteSessionPorts & { readonly tokens: TokenVerifier }): SessionRenewal {
  const { live, mailbox, clock, newId, tokens } = ports;
  return {
    renew: async (id, token) => {
      const principal = await verified(tokens, token);
      if (principal === undefined) return undefined;
      const found = await live.find(id);
      if (found?.principal !== principalName(principal) || found.human !== principal.human) return undefined;
      await mailbox.post(found.writer, { id: newId(), atMs: clock.now(), kind: 'renew', session: id, token });
      return { expiresAtMs: principal.expiresAtMs };
    },
  };
}

/** Which task it is on, and where its evidence stands, is nobody's business here. */
function shown({ session: id, principal, human, owner, target, source, openedAtMs }: LiveSessionItem): LiveSession {
  return {
    id,
    principal,
    ...(human === undefined ? {} : { human }),
    ...(owner === undefined ? {} : { owner }),
    target,
    source,
    openedAtMs,
  };
}

async function verified(tokens: TokenVerifier, token: string): Promise<Principal | undefined> {
  try {
    return await tokens.verify(token);
  } catch (error) {
    if (error instanceof TokenRefused) return undefined;
    throw error;
  }
}
