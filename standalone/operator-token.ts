/** The operator of one machine proves itself by reading a file that only the gateway's own account may read. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const FILE = 'operator-token';
const TOKEN_BYTES = 32;

/** Where the token is, for whoever presented another one. */
export const OPERATOR_HELP = 'Send the content of `operator-token` in the data directory as a bearer token.';

/** The token of this data directory; made on first use, readable by its owner only. */
export function ensureOperatorToken(dataDir: string): string {
  const kept = readOperatorToken(dataDir);
  if (kept !== undefined) return kept;
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const token = randomBytes(TOKEN_BYTES).toString('base64url');
  // `wx`: a file that is there but unreadable or damaged is an error, not something to write over.
  writeFileSync(join(dataDir, FILE), `${token}\n`, { mode: 0o600, flag: 'wx' });
  return token;
}

/** The token, or undefined where this data directory has none (yet). */
export function readOperatorToken(dataDir: string): string | undefined {
  let token: string;
  try {
    token = readFileSync(join(dataDir, FILE), 'utf8').trim();
  } catch {
    // Missing or not readable for this account: either way the caller is not the operator.
    return undefined;
  }
  return Buffer.from(token, 'base64url').length === TOKEN_BYTES ? token : undefined;
}

/** Whether what was presented is the token; takes the same time whatever was presented. */
export function operatorCheck(token: string): (presented: string) => boolean {
  const expected = sha256(token);
  return (presented) => timingSafeEqual(sha256(presented), expected);
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
