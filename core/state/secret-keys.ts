/** The keys of an instance as its secret holds them: `{"digest","maskHash","maskTokenize"}`, each 32 bytes in base64. */
import { SallyportError } from '../errors.ts';

/** The secret is not what `infra/` made; a new key would break pending approvals and change every stable mask. */
export class SecretKeysUnusable extends SallyportError {
  readonly code = 'secret-keys-unusable';
}

export type SecretKeys = {
  /** Keys the digests of requests and approvals. */
  readonly digest: Buffer;
  readonly masks: { readonly hash: Buffer; readonly tokenize: Buffer };
};

const KEY_BYTES = 32;

/** Throws SecretKeysUnusable, which repeats nothing of the secret. */
export function parseSecretKeys(secret: string): SecretKeys {
  let value: unknown;
  try {
    value = JSON.parse(secret);
  } catch {
    throw new SecretKeysUnusable('the secret of this instance is not JSON');
  }
  const fields: Readonly<Record<string, unknown>> = typeof value === 'object' && value !== null ? { ...value } : {};
  const key = (name: string): Buffer => {
    const text = fields[name];
    const bytes = typeof text === 'string' ? Buffer.from(text, 'base64') : Buffer.alloc(0);
    if (bytes.length !== KEY_BYTES)
      throw new SecretKeysUnusable(`\`${name}\` in the secret of this instance is no key of ${KEY_BYTES} bytes`);
    return bytes;
  };
  const keys = { digest: key('digest'), masks: { hash: key('maskHash'), tokenize: key('maskTokenize') } };
  // One key for two purposes would let digests be compared with masks.
  const distinct = new Set([keys.digest, keys.masks.hash, keys.masks.tokenize].map((bytes) => bytes.toString('hex')));
  if (distinct.size !== 3) throw new SecretKeysUnusable('two keys in the secret of this instance are the same');
  return keys;
}
