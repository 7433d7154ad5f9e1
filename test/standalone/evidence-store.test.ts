// The store of evidence of one machine: files that appear whole, and are never replaced.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { diskFiles } from '../../standalone/evidence/append-files.ts';
import { directorySource } from '../../standalone/evidence/directory-source.ts';
import { evidenceStoreContract } from '../contract/evidence-store.ts';
import { temporaryDirectory } from '../support/evidence.ts';

evidenceStoreContract(
  'a directory',
  () => {
    const root = temporaryDirectory();
    return Promise.resolve({
      store: {
        put: async (path, bytes) => {
          try {
            await diskFiles.publish(root, path, bytes);
            return 'written';
          } catch {
            return 'taken';
          }
        },
        read: (path) => readFile(join(root, path)).catch(() => undefined),
      },
      source: directorySource(root),
      gaps: [],
      close: () => Promise.resolve(),
    });
  },
  false,
);
