/** Finds the evidence that a path means: its root, or the data directory that it stands in. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { SallyportError } from '../../core/errors.ts';

export class EvidenceNotFound extends SallyportError {
  readonly code = 'evidence-not-found';
}

/** Throws EvidenceNotFound where neither the path nor its `evidence` folder holds any. */
export function evidenceDirectory(path: string): string {
  const root = [join(resolve(path), 'evidence'), resolve(path)].find((folder) =>
    ['format.json', 'writers', 'sessions', 'checkpoints'].some((name) => existsSync(join(folder, name))),
  );
  if (root === undefined) throw new EvidenceNotFound(`there is no evidence in ${path}`);
  return root;
}
