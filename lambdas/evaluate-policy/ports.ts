/** What deciding about new sessions needs from outside; `lookup-masking` needs the same. */
import type { Config } from '../../core/config/config.ts';
import type { Bundle } from '../../core/policy/bundle.ts';
import type { Principal } from '../../core/principal.ts';

export type DecidingPorts = {
  /** Rejects where nothing trustworthy is in force. */
  readonly inForce: () => Promise<{ readonly config: Config; readonly bundle: Bundle }>;
  /** Verifies an agent's token under that configuration. Throws TokenRefused. */
  readonly verify: (config: Config, token: string) => Promise<Principal>;
  readonly now: () => number;
};

export type DryRunPorts = {
  /** Any published version, checked; rejects where there is none. */
  readonly open: (version: string) => Promise<{ readonly config: Config }>;
  /** A dump of a target's catalog, or undefined. */
  readonly catalog: (target: string, version: string) => Promise<string | undefined>;
};
