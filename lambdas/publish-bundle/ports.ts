/** What publishing a bundle needs from outside. */
import type { VerifyIdToken } from '../../core/approval/votes.ts';
import type { InForce } from '../../core/config/bundle-in-force.ts';
import type { Config } from '../../core/config/config.ts';
import type { PublishedBundle } from '../../core/config/published-bundle.ts';

export type PublishPorts = {
  /** Undefined before the first activation; rejects where what is named cannot be trusted. */
  readonly inForce: () => Promise<InForce | undefined>;
  /** A published version, checked. */
  readonly open: (version: string) => Promise<{ readonly bundle: PublishedBundle }>;
  /** Verifies people's ID tokens by the issuers of a configuration. */
  readonly verifier: (config: Config) => VerifyIdToken;
  /** Never replaces an object. */
  readonly put: (version: string, text: string) => Promise<'stored' | 'exists'>;
  /** With the key for bundles: ECDSA P-256 over SHA-256 of the text, DER. */
  readonly sign: (text: string) => Promise<Buffer>;
  readonly now: () => number;
};
