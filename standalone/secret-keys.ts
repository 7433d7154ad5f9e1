/** Keys of this data directory that never leave it: for digests of requests, and for masks that are stable. */
import { randomBytes } from 'node:crypto';
import { chmodSync, closeSync, fsyncSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { SallyportError } from '../core/errors.ts';
import type { SessionKeys } from '../proxy-task/postgres/live-session.ts';

/** A key file is damaged; a new key would break pending approvals and change every stable mask, so none is made. */
export class SecretKeyUnusable extends SallyportError {
  readonly code = 'secret-key-unusable';
}

const KEY_BYTES = 32;

/** Reads the keys, or makes them at the first start. Throws SecretKeyUnusable. */
export function secretKeys(dataDir: string): SessionKeys {
  const folder = join(dataDir, 'keys');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return {
    digest: secretKey(join(folder, 'request-digest.key')),
    masks: { hash: secretKey(join(folder, 'mask-hash.key')), tokenize: secretKey(join(folder, 'mask-tokenize.key')) },
  };
}

function secretKey(path: string): Buffer {
  const kept = readKept(path);
  if (kept !== undefined) {
    if (kept.length !== KEY_BYTES)
      throw new SecretKeyUnusable(
        `${path} is not a key of ${KEY_BYTES} bytes: restore it from a backup, or start with a new data directory`,
      );
    chmodSync(path, 0o600);
    return kept;
  }
  const key = randomBytes(KEY_BYTES);
  const fd = openSync(path, 'wx', 0o600);
  try {
    writeSync(fd, key);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  return key;
}

function readKept(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw new SecretKeyUnusable(`${path} cannot be read`, { cause: error });
  }
}
