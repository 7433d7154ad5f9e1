/**
 * An account without rights of its own, which exists for one sshd only: that server and its children read another list of accounts
 * (nss_wrapper). What root's logins leave out is there as on any host: signals of clients, and files that are not for everybody.
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

const LIBRARY = 'libnss_wrapper.so';
/** Nobody's on a machine of Debian's, and above what `useradd` gives. */
const UID = 61_042;

export type SshAccount = {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  /** For whoever starts the server. */
  readonly env: Readonly<Record<string, string>>;
};

/** Writes its lists into `folder`. Throws the name of the package that is missing. */
export function makeAccount(folder: string, home: string): SshAccount {
  // The loader only says that it is missing, and goes on without.
  const tried = spawnSync('true', [], { env: { PATH: process.env['PATH'], LD_PRELOAD: LIBRARY }, encoding: 'utf8' });
  if (tried.stderr.includes(LIBRARY)) throw new Error('nss_wrapper is not installed (Debian: libnss-wrapper)');
  const own = process.getuid?.() ?? UID;
  const uid = own === 0 ? UID : own;
  const gid = own === 0 ? UID : (process.getgid?.() ?? UID);
  const [passwd, group] = [join(folder, 'passwd'), join(folder, 'group')];
  writeFileSync(passwd, `app:x:${uid}:${gid}::${home}:/bin/bash\n`);
  writeFileSync(group, `app:x:${gid}:\n`);
  return { name: 'app', uid, gid, env: { LD_PRELOAD: LIBRARY, NSS_WRAPPER_PASSWD: passwd, NSS_WRAPPER_GROUP: group } };
}
