import { randomUUID } from 'node:crypto';
import type { VerifiedIdToken, VerifyIdToken } from '../../core/approval/votes.ts';

/** An issuer in memory: its tokens are random names, and it refuses what it did not issue or what carries another nonce. */
export class ApproverTokens {
  readonly #issued = new Map<string, VerifiedIdToken & { readonly nonce: string }>();

  issue(person: string, nonce: string, nowMs: number, groups: readonly string[] = ['demo/dba']): string {
    const token = randomUUID();
    this.#issued.set(token, { person, groups, issuer: 'demo', issuedAtMs: nowMs, expiresAtMs: nowMs + 900_000, nonce });
    return token;
  }

  readonly verify: VerifyIdToken = async (idToken, expected) => {
    const token = this.#issued.get(idToken);
    if (token?.nonce !== expected.nonce) throw new Error('not a token for this');
    return token;
  };
}
