/** Limits of a target where the configuration says nothing: room for ordinary work, none for an export. */
import type { TargetLimits } from '../target.ts';

export const DEFAULT_LIMITS: TargetLimits = {
  maxRows: 100_000,
  maxBytes: 256 * 1024 * 1024,
  budgets: [],
  maxSessionMs: 8 * 3_600_000,
  idleMs: 30 * 60_000,
  maxStatementBytes: 1024 * 1024,
};

/** Channels of one session at once: `ControlMaster` shares one connection among a build's many commands. */
export const DEFAULT_MAX_CHANNELS = 64;
