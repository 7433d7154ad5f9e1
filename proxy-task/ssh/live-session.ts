/** What the parts of one session on a host share: who it is, what it knows, and how it speaks to either side. */
import type { Connection } from 'ssh2';
import type { DetectorSet } from '../../core/masking/detectors.ts';
import type { Bundle } from '../../core/policy/bundle.ts';
import type { SshTarget } from '../../core/target.ts';
import type { Session } from '../pipeline/session.ts';
import type { ExecReader } from '../../core/statement/host/host-reading.ts';
import type { PathResolver } from './path-resolver.ts';
import type { Restrictions } from './proofs.ts';
import type { HostRefusal } from './refusal.ts';
import type { RelayTurn } from './relay-turn.ts';
import type { RelayWire } from './relay-wire.ts';
import type { Upstream } from './upstream.ts';

export interface LiveHostSession extends Session<SshTarget, HostRefusal> {
  /** The account on the host that everything runs as. */
  readonly account: string;
  /** Of the certificate that the agent logged in with, where it did. */
  readonly restrictions: Restrictions;
  /** Events and bytes of channels, and what waits for them to be recorded. */
  readonly turn: RelayTurn;
  /** Keys the digests of operations and approvals. */
  readonly digestKey: Uint8Array;
  readonly client: Connection;
  readonly clientWire: RelayWire;
  readonly upstream: Upstream;
  readonly upstreamWire: RelayWire;
  readonly paths: PathResolver;
  readonly commands: ExecReader;
  /** The bundle in force; a change since the last call is on record. */
  bundle(): Bundle;
  /** Detectors of the bundle in force. */
  detectors(): DetectorSet;
  /** Numbers the next statement. */
  nextStatement(): number;
  /** A request of a kind that is never offered: on record, within reason. */
  refusedRequest(name: string): void;
  /** Bytes that went to the client. */
  released(bytes: number): void;
  /** Resolves when the shared state is current; false: the session has ended meanwhile. */
  whenCurrent(): Promise<boolean>;
  /** A bug: told to the operator's log, never to the client. */
  failed(error: unknown): void;
}
