/** Reads of sftp (draft-ietf-secsh-filexfer-02) below the demo's folder. Everything else is refused. */
import { closeSync, fstatSync, lstatSync, openSync, readdirSync, readSync, realpathSync, statSync, type Stats } from 'node:fs';
import { basename, join, posix } from 'node:path';
import ssh2, { type SFTPWrapper } from 'ssh2';
import { HOST_ROOT } from './host-files.ts';

const { STATUS_CODE, OPEN_MODE } = ssh2.utils.sftp;
const READ: number = OPEN_MODE.READ;
const MOST_READ_BYTES = 256 * 1024;

type Open = { readonly fd: number } | { readonly names: string[]; readonly folder: string };

/** Serves one channel. */
export function serveFiles(sftp: SFTPWrapper): void {
  const open = new Map<number, Open>();
  let next = 0;
  const answer = (id: number, work: () => void): void => {
    try {
      work();
    } catch (error) {
      const missing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
      sftp.status(id, missing ? STATUS_CODE.NO_SUCH_FILE : STATUS_CODE.PERMISSION_DENIED);
    }
  };
  const keep = (id: number, handle: Open): void => {
    open.set(next, handle);
    const name = Buffer.alloc(4);
    name.writeUInt32BE(next++);
    sftp.handle(id, name);
  };
  const handleOf = (name: Buffer): Open => {
    const found = name.length === 4 ? open.get(name.readUInt32BE(0)) : undefined;
    if (found === undefined) throw new Error('no such handle');
    return found;
  };
  sftp.on('REALPATH', (id, path) =>
    answer(id, () => {
      const real = realOf(path);
      sftp.name(id, [{ filename: real, longname: real, attrs: attributesOf(statSync(HOST_ROOT)) }]);
    }),
  );
  sftp.on('STAT', (id, path) => answer(id, () => sftp.attrs(id, attributesOf(statSync(within(path))))));
  sftp.on('LSTAT', (id, path) => answer(id, () => sftp.attrs(id, attributesOf(lstatSync(within(path))))));
  sftp.on('OPENDIR', (id, path) =>
    answer(id, () => {
      const folder = within(path);
      keep(id, { names: readdirSync(folder), folder });
    }),
  );
  sftp.on('READDIR', (id, name) =>
    answer(id, () => {
      const found = handleOf(name);
      if (!('names' in found)) throw new Error('not a folder');
      const names = found.names.splice(0, 100);
      if (names.length === 0) sftp.status(id, STATUS_CODE.EOF);
      else
        sftp.name(
          id,
          names.map((each) => entryOf(found.folder, each)),
        );
    }),
  );
  sftp.on('OPEN', (id, path, flags) =>
    answer(id, () => {
      if (flags !== READ) throw new Error('files are read only');
      keep(id, { fd: openSync(within(path), 'r') });
    }),
  );
  sftp.on('FSTAT', (id, name) =>
    answer(id, () => {
      const found = handleOf(name);
      if (!('fd' in found)) throw new Error('not a file');
      sftp.attrs(id, attributesOf(fstatSync(found.fd)));
    }),
  );
  sftp.on('READ', (id, name, offset, length) =>
    answer(id, () => {
      const found = handleOf(name);
      if (!('fd' in found)) throw new Error('not a file');
      const bytes = Buffer.alloc(Math.min(length, MOST_READ_BYTES));
      const read = readSync(found.fd, bytes, 0, bytes.length, offset);
      if (read === 0) sftp.status(id, STATUS_CODE.EOF);
      else sftp.data(id, bytes.subarray(0, read));
    }),
  );
  sftp.on('CLOSE', (id, name) =>
    answer(id, () => {
      const found = handleOf(name);
      if ('fd' in found) closeSync(found.fd);
      open.delete(name.readUInt32BE(0));
      sftp.status(id, STATUS_CODE.OK);
    }),
  );
  for (const refused of [
    'WRITE',
    'SETSTAT',
    'FSETSTAT',
    'REMOVE',
    'MKDIR',
    'RMDIR',
    'RENAME',
    'SYMLINK',
    'READLINK',
    'EXTENDED',
  ] as const) {
    sftp.on(refused, (id: number) => sftp.status(id, STATUS_CODE.PERMISSION_DENIED));
  }
  sftp.on('close', () => {
    for (const handle of open.values()) if ('fd' in handle) closeSync(handle.fd);
    open.clear();
  });
}

/** As OpenSSH says it: the last part may be missing. Paths outside have names too, but nothing is read there. */
function realOf(path: string): string {
  const whole = posix.resolve(HOST_ROOT, path);
  const real = resolved(whole) ?? join(resolved(posix.dirname(whole)) ?? '/', basename(whole));
  // Where links lead to the folder itself, it is called as policies call it.
  const root = realpathSync(HOST_ROOT);
  return real === root || real.startsWith(`${root}/`) ? `${HOST_ROOT}${real.slice(root.length)}` : real;
}

function resolved(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    // What is not there yet has its name in the folder that would hold it.
    return undefined;
  }
}

function within(path: string): string {
  const real = realOf(path);
  if (real !== HOST_ROOT && !real.startsWith(`${HOST_ROOT}/`)) throw new Error('outside of the demo');
  return real;
}

function entryOf(folder: string, name: string): { filename: string; longname: string; attrs: ReturnType<typeof attributesOf> } {
  const found = lstatSync(join(folder, name));
  const size = String(found.size).padStart(9);
  return {
    filename: name,
    longname: `${found.isDirectory() ? 'd' : '-'}r--r--r-- 1 demo demo ${size} Nov 20 09:00 ${name}`,
    attrs: attributesOf(found),
  };
}

function attributesOf({ mode, uid, gid, size, atimeMs, mtimeMs }: Stats) {
  return { mode, uid, gid, size, atime: Math.floor(atimeMs / 1000), mtime: Math.floor(mtimeMs / 1000) };
}
