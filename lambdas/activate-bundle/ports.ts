/** What activating a bundle needs from outside. */
import type { VerifyIdToken } from '../../core/approval/votes.ts';
import type { InForce } from '../../core/config/bundle-in-force.ts';
import type { Config } from '../../core/config/config.ts';
import type { PublishedBundle } from '../../core/config/published-bundle.ts';
import type { BundlePointer } from '../../core/state/control.ts';

export type ActivatePorts = {
  /** Undefined before the first activation; rejects where what is named cannot be trusted. */
  readonly inForce: () => Promise<InForce | undefined>;
  /** A published version, checked. Throws BundleRefused. */
  readonly open: (version: string) => Promise<{ readonly bundle: PublishedBundle; readonly config: Config }>;
  /** Verifies people's ID tokens by the issuers of a configuration. */
  readonly verifier: (config: Config) => VerifyIdToken;
  /** With the key for bundles: ECDSA P-256 over SHA-256 of the text, DER. */
  readonly sign: (text: string) => Promise<Buffer>;
  /** Writes the pointer if its item still has version `v` (0: none is there). */
  readonly point: (pointer: BundlePointer, v: number) => Promise<'written' | 'conflict'>;
  readonly now: () => number;
};
