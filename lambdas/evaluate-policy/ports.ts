/** What deciding about new sessions needs from outside; `lookup-masking` needs the same. */
import type { Config } from '../../core/config/config.ts';
import type { Bundle } from '../../core/policy/bundle.ts';
import type { ExecReader } from '../../core/statement/host/host-reading.ts';
import type { VerifyingPorts } from './who-asks.ts';

export type DecidingPorts = VerifyingPorts & {
  /** Rejects where nothing trustworthy is in force. */
  readonly inForce: () => Promise<{ readonly config: Config; readonly bundle: Bundle }>;
};

export type DryRunPorts = {
  /** Any published version, checked; rejects where there is none. */
  readonly open: (version: string) => Promise<{ readonly config: Config }>;
  /** A dump of a target's catalog, or undefined. */
  readonly catalog: (target: string, version: string) => Promise<string | undefined>;
  /** The grammar of commands. */
  readonly commands: () => Promise<ExecReader>;
};
