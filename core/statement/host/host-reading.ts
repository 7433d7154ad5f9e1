/** What an operation on a host can cause, as far as it is understood. */
import type { Effect } from '../effect.ts';
import type { HostProtocol } from './command/protocols.ts';
import type { PathPattern } from './command/pattern.ts';
import type { HostOperation, HostPath, PatternMatches } from './host-operation.ts';

export type ExecOperation = HostOperation & { readonly kind: 'exec' };

export type HostReading = {
  /** Never empty: what causes nothing that is known causes what is unknown. */
  readonly effects: readonly Effect[];
  /** Code runs that cannot be read; then `unknown` on the target is among the effects. */
  readonly opaque: boolean;
  /** What is touched has no bound that can be told: a folder with all below it, a glob. */
  readonly unbounded: boolean;
  /** Why something is opaque, in words for the agent and the approver. */
  readonly reason?: string;
};

/** Reads a command line. Pure: equal operations have equal readings. Throws nothing. */
export type ReadExec = (operation: ExecOperation) => HostReading;

export type ExecReader = {
  readonly read: ReadExec;
  /**
   * Paths that a command names, absolute and otherwise as written: what the host is asked for before the command is read
   * (`resolved` of the operation has each by this spelling; one that the host does not know is left out). At most 256. What patterns
   * stand for is asked first, and given here as it will be in the operation.
   */
  readonly pathsOf: (command: string, home: HostPath, matched: ReadonlyMap<string, PatternMatches>) => readonly string[];
  /** Patterns of names in a command, of which the host is asked what they stand for. At most 16. */
  readonly patternsOf: (command: string, home: HostPath) => readonly PathPattern[];
  /** Whether a command starts a protocol instead of a program. As a command it is opaque: nothing says what will go over it. */
  readonly protocolOf: (command: string, home: HostPath) => HostProtocol | undefined;
};

/** For hosts whose shell is none that is read: nothing is known of any command. */
export const opaqueExec: ReadExec = () => ({
  effects: [],
  opaque: true,
  unbounded: true,
  reason: 'commands of this host are not read',
});

export const opaqueExecReader: ExecReader = { read: opaqueExec, pathsOf: () => [], patternsOf: () => [], protocolOf: () => undefined };
