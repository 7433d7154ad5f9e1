/** What the parts of one session share: who it is, what it knows, and how it speaks to either side. */
import type { DetectorSet } from '../../core/masking/detectors.ts';
import type { MaskKeys } from '../../core/masking/keyed.ts';
import type { PostgresTarget } from '../../core/target.ts';
import type { StatementJudge } from '../../core/judging/authorize.ts';
import type { View } from '../../core/judging/view.ts';
import type { Session } from '../pipeline/session.ts';
import type { NameBook } from './prepared.ts';
import type { OutputColumn } from '../../core/statement/sql/reading.ts';
import type { Outbox } from './outbox.ts';
import type { Refusal } from './refusal.ts';
import type { DescribeSubject, Prepared, StatementRun } from './run.ts';
import type { SessionMachine } from './session-machine.ts';
import type { TargetRuntime } from './target-runtime.ts';

export type Cursor = {
  readonly output: readonly OutputColumn[] | undefined;
  readonly hold: boolean;
  readonly view: View;
  /** Its rows come from functions, which look names up whenever they run. */
  readonly runsCode: boolean;
  /** Names have meant something else since it was judged. */
  moved: boolean;
};

/** What the agent set with `SET sallyport.*` or `-c` (design §3). */
export type GatewaySettings = { reason: string; approval: 'wait' | 'failfast'; approvalId: string };

export interface LiveSession extends Session<PostgresTarget, Refusal> {
  readonly runtime: TargetRuntime;
  readonly judge: StatementJudge;
  readonly machine: SessionMachine<StatementRun, Refusal, DescribeSubject>;
  readonly statements: NameBook<Prepared>;
  readonly portals: NameBook<StatementRun>;
  readonly cursors: NameBook<Cursor>;
  readonly keys: SessionKeys;
  readonly settings: GatewaySettings;
  readonly toTarget: Outbox;
  readonly toClient: Outbox;
  /** Detectors of the bundle that is in force. */
  detectors(): DetectorSet;
  /** Name of the prepared statement that never exists: what refused messages are replaced by. */
  readonly failingStatement: string;
  /** What has to be read again before the next statement is judged. */
  readonly stale: Staleness;
  /** SET sallyport.* that the target has not confirmed yet. */
  settingsPending: number;
  /** Looks again at the client's message in hand: something it waited for may have happened. */
  wake(): void;
  /** Records and sends what is in `toClient`. */
  flushToClient(): void;
  /** The client says goodbye: what it sent runs to its end on the target, as with PostgreSQL. */
  clientClosed(): void;
}

export type SessionKeys = {
  /** Keys the digests of requests and approvals. */
  readonly digest: Uint8Array;
  readonly masks: MaskKeys;
};

export type Staleness = {
  /** search_path, role, settings or temporary objects may have changed. */
  state: boolean;
  /** The present transaction changed them: its end changes them again. */
  touched: boolean;
  /** DDL was sent; in a transaction it stays unsettled until that ends. */
  catalog: boolean;
  /** The session itself was asked, in its transaction: it does see another catalog than everyone else. */
  unsettled: boolean;
  /** Code ran that may have changed the names of prepared statements behind our back. */
  names: boolean;
};
