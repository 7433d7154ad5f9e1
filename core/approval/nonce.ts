import { createHash } from 'node:crypto';

/**
 * The `nonce` that an approver's ID token must carry: SHA-256 over the approval's id, a line feed and the statement's
 * digest, in base64url. The issuer signs it, so that the token speaks of this approval of these bytes and no other.
 */
export function approvalNonce(approvalId: string, digest: string): string {
  return createHash('sha256').update(`${approvalId}\n${digest}`).digest('base64url');
}
