// Evidence by its path or its address: a directory, a data directory, or `s3://bucket/prefix`.
import type { EvidenceSource } from '../core/evidence/source.ts';
import { directorySource } from '../standalone/evidence/directory-source.ts';
import { evidenceDirectory } from '../standalone/evidence/evidence-directory.ts';
import { UsageError } from './verb.ts';

export type NamedSource = { readonly name: string; readonly source: EvidenceSource };

/** Throws UsageError where the address of a bucket is none. The AWS SDK is loaded only for a bucket: the rest starts faster. */
export async function evidenceSource(where: string): Promise<NamedSource> {
  if (!where.startsWith('s3:')) {
    const root = evidenceDirectory(where);
    return { name: root, source: directorySource(root) };
  }
  const { parseBucketUri, s3EvidenceSource } = await import('./adapters/s3-evidence-source.ts');
  const place = parseBucketUri(where);
  if (place === undefined) throw new UsageError(`${where} is no address of a bucket: s3://BUCKET or s3://BUCKET/PREFIX`);
  return { name: where, source: s3EvidenceSource(place) };
}
