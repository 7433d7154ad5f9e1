/**
 * Everything that a verdict on one held statement rests on, as the session has it: what another process needs to read and judge the
 * statement anew, instead of believing what this one says of it.
 */
import type { PinnedMask } from '../masking/bind.ts';
import type { Principal } from '../principal.ts';
import type { SessionState } from '../statement/sql/session-state.ts';
import type { HostOperation } from '../statement/host/host-operation.ts';
import type { BoundParameter } from './digest.ts';
import type { HostEnvironment } from './operation-digest.ts';

export type RawStatement = RawSql | RawOperation;

/** What a channel would do on a host. The operation is all there is: its paths are as the host itself gave them. */
export type RawOperation = {
  readonly protocol: 'ssh';
  readonly operation: HostOperation;
  readonly environment: HostEnvironment;
  readonly principal: Principal;
  readonly session: string;
  readonly target: string;
  readonly reasonGiven: string;
};

export type RawSql = {
  readonly protocol: 'postgres';
  /** As received; of a statement prepared by SQL the whole PREPARE. */
  readonly sql: string;
  readonly fromSql: boolean;
  /** What the names stand for that it EXECUTEs. */
  readonly prepared: readonly { readonly name: string; readonly text: string; readonly fromSql: boolean }[];
  readonly parameters: readonly BoundParameter[];
  readonly inTransaction: boolean;
  /** The transaction has changed the catalog without committing. */
  readonly unsettled: boolean;
  readonly principal: Principal;
  readonly session: string;
  readonly target: string;
  readonly reasonGiven: string;
  readonly state: SessionState;
  /** What masking rules were bound to before something was renamed. */
  readonly pinned: readonly PinnedMask[];
  readonly catalog: {
    readonly version: string;
    /** The file of this version (`catalog-dump.ts`), as JSON. Rejects where it has been replaced meanwhile. */
    readonly dump: () => Promise<Uint8Array>;
  };
};
