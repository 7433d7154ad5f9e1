/** Evidence in a directory of this machine. */
import { open, readdir, stat } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import type { EvidenceSource } from '../../core/evidence/source.ts';

export function directorySource(root: string): EvidenceSource {
  return {
    async *list() {
      const folders = [root];
      for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
        for (const entry of await readdir(folder, { withFileTypes: true })) {
          const whole = join(folder, entry.name);
          if (entry.isDirectory()) folders.push(whole);
          else {
            const info = await stat(whole).catch(absent);
            if (info !== undefined) yield { path: relative(root, whole).split(sep).join('/'), bytes: info.size };
          }
        }
      }
    },
    async open(path) {
      const handle = await open(join(root, path), 'r').catch(absent);
      if (handle === undefined) return undefined;
      return {
        read: async (into, fromByte) => (await handle.read(into, 0, into.length, fromByte)).bytesRead,
        close: () => handle.close(),
      };
    },
  };
}

/** Undefined for a file that is gone; any other failure is thrown on. */
function absent(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
  throw error;
}
