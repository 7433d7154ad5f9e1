/** Evidence in a directory of this machine. */
import { constants } from 'node:fs';
import { lstat, open, readdir, type FileHandle } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { placeOf } from '../../core/evidence/layout.ts';
import type { EvidenceSource } from '../../core/evidence/source.ts';
import { SallyportError } from '../../core/errors.ts';

/** A part of the evidence is there and cannot be read: nothing can be said of the whole. */
export class EvidenceUnreadable extends SallyportError {
  readonly code = 'evidence-unreadable';
}

/** A link could lead anywhere, a pipe never answer, a device never end: only plain files are read. */
const PLAIN_ONLY = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Throws EvidenceUnreadable where the account may not read. */
export function directorySource(root: string): EvidenceSource {
  return {
    async *list() {
      const folders = [root];
      for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
        for (const entry of (await readdir(folder, { withFileTypes: true }).catch(absentOrUnreadable)) ?? []) {
          const whole = join(folder, entry.name);
          if (entry.isDirectory()) folders.push(whole);
          else {
            const info = await lstat(whole).catch(absentOrUnreadable);
            if (info !== undefined) yield { path: relative(root, whole).split(sep).join('/'), bytes: info.size };
          }
        }
      }
    },
    async open(path) {
      // Paths come from the evidence itself: one that is none of its places could lead out of it.
      if (placeOf(path) === undefined) return undefined;
      const handle = await open(join(root, path), PLAIN_ONLY).catch(absentOrUnreadable);
      if (handle === undefined || !(await isPlain(handle))) return undefined;
      return {
        read: async (into, fromByte) => (await handle.read(into, 0, into.length, fromByte)).bytesRead,
        close: () => handle.close(),
      };
    },
  };
}

async function isPlain(handle: FileHandle): Promise<boolean> {
  const plain = (await handle.stat()).isFile();
  if (!plain) await handle.close();
  return plain;
}

/** Gone, a link, behind something that is no folder, a socket, or a name that no file can have. */
const ABSENT = ['ENOENT', 'ELOOP', 'ENOTDIR', 'ENXIO', 'ENODEV', 'ENAMETOOLONG'];

/** Undefined for a file that is not there; any other failure is thrown on. */
function absentOrUnreadable(cause: unknown): undefined {
  if (!(cause instanceof Error) || !('code' in cause)) throw cause;
  if (ABSENT.includes(String(cause.code))) return undefined;
  throw new EvidenceUnreadable(`the evidence cannot be read: ${cause.message}`, { cause });
}
