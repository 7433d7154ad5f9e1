/** The key by which SSH clients know this gateway: kept in the data directory, so that what they have pinned stays true. */
import { chmodSync, closeSync, fsyncSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { HostKeyUnusable, makeHostKey, readHostKey, type HostKey } from '../proxy-task/ssh/host-key.ts';

/** Reads the key, or makes one at the first start. Throws HostKeyUnusable: another key would look like another gateway. */
export function sshHostKey(dataDir: string): HostKey {
  const folder = join(dataDir, 'keys');
  const path = join(folder, 'ssh-host.pem');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const kept = readKept(path);
  if (kept !== undefined) {
    chmodSync(path, 0o600);
    return readHostKey(kept, path);
  }
  const made = makeHostKey();
  const fd = openSync(path, 'wx', 0o600);
  try {
    writeSync(fd, made.privateKey);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  return made;
}

function readKept(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined;
    throw new HostKeyUnusable(`${path} cannot be read`, { cause });
  }
}
