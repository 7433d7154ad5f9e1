/**
 * How an agent gets from its token to a login by SSH: it registers a public key for minutes, with a proof that it has the private
 * one, or it gets a code that is good for one login. What is kept is the token itself, since credentials are issued to it; it is
 * sealed under what the login will show, so that whoever reads the store alone gets no token.
 */
import { createCipheriv, createDecipheriv, createHash, hkdfSync } from 'node:crypto';

/** Namespace of the proof's signature: a signature for another purpose proves nothing here. */
export const PROOF_NAMESPACE = 'sallyport-ssh-key';
/** Tokens that live longer are good for another registration. */
export const LOGIN_MS = 15 * 60_000;
/** 256 bits in base64url. */
export const CODE_CHARACTERS = 43;

export type LoginKind = 'key' | 'code';

/** A login as a store keeps it. */
export type StoredLogin = {
  /** `corp/agent-7` */
  readonly principal: string;
  readonly expiresAtMs: number;
  /** The token, under a key that is made from what the login shows. */
  readonly sealed: string;
};

const CIPHER = 'aes-256-gcm';
const KEY_BYTES = 32;
/** Random for each login: no two of them have one key, so that the nonce may stand still. */
export const SALT_BYTES = 32;
const NONCE = Buffer.alloc(12);
const TAG_BYTES = 16;

/**
 * What a key signs to be registered with this token at the gateway whose API has this address (no slash at the end). It names the
 * token by its hash, which binds it more tightly than a `jti` would: two issuers may use one.
 */
export function proofMessage(api: string, token: string): string {
  return `${PROOF_NAMESPACE}\n${api}\n${createHash('sha256').update(token).digest('hex')}\n`;
}

/** Where a login is kept, by what it shows: the blob of a key, or a code. Says neither. */
export function loginId(kind: LoginKind, shown: string | Uint8Array): string {
  return `${kind}#${createHash('sha256').update(`sallyport ssh ${kind}\0`).update(shown).digest('base64url')}`;
}

/** Whether a password has the form of a code; no token has. */
export function isCode(password: string): boolean {
  return /^[A-Za-z0-9_-]{43}$/.test(password);
}

/** What is stored under `loginId`. `salt` is random, of SALT_BYTES, and for this login only. */
export function sealLogin(
  kind: LoginKind,
  shown: string | Uint8Array,
  login: Pick<StoredLogin, 'principal' | 'expiresAtMs'> & { readonly token: string },
  salt: Uint8Array,
): StoredLogin {
  const { principal, expiresAtMs, token } = login;
  const cipher = createCipheriv(CIPHER, keyFor(kind, shown, salt), NONCE).setAAD(boundTo({ principal, expiresAtMs }));
  const sealed = Buffer.concat([salt, cipher.update(token, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  return { principal, expiresAtMs, sealed: sealed.toString('base64url') };
}

/** The token; undefined for a login that something else has opened, or that was changed in the store. */
export function openLogin(kind: LoginKind, shown: string | Uint8Array, stored: StoredLogin): string | undefined {
  const bytes = Buffer.from(stored.sealed, 'base64url');
  if (bytes.length <= SALT_BYTES + TAG_BYTES) return undefined;
  const decipher = createDecipheriv(CIPHER, keyFor(kind, shown, bytes.subarray(0, SALT_BYTES)), NONCE);
  decipher.setAAD(boundTo(stored)).setAuthTag(bytes.subarray(-TAG_BYTES));
  try {
    const token = [decipher.update(bytes.subarray(SALT_BYTES, -TAG_BYTES)), decipher.final()];
    return Buffer.concat(token).toString('utf8');
  } catch {
    // The tag does not fit: nothing that was decrypted may be used.
    return undefined;
  }
}

/** A login as it stands in a store, where it is one; undefined for anything else. */
export function readStoredLogin(value: unknown): StoredLogin | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { principal, expiresAtMs, sealed }: Readonly<Record<string, unknown>> = { ...value };
  if (typeof principal !== 'string' || typeof sealed !== 'string') return undefined;
  return typeof expiresAtMs === 'number' && Number.isSafeInteger(expiresAtMs) ? { principal, expiresAtMs, sealed } : undefined;
}

function keyFor(kind: LoginKind, shown: string | Uint8Array, salt: Uint8Array): Buffer {
  const secret = typeof shown === 'string' ? Buffer.from(shown, 'utf8') : shown;
  return Buffer.from(hkdfSync('sha256', secret, salt, `sallyport ssh ${kind}`, KEY_BYTES));
}

function boundTo({ principal, expiresAtMs }: Pick<StoredLogin, 'principal' | 'expiresAtMs'>): Buffer {
  return Buffer.from(JSON.stringify([principal, expiresAtMs]), 'utf8');
}
