/** Which machine speaks on a channel: that of files for sftp, scp and rsync, that of repositories for git, none for other programs. */
import type { HostPath } from '../../core/statement/host/host-operation.ts';
import { StreamScanner } from '../../core/masking/stream-scanner.ts';
import { RelayedActions, type ActionParts } from './channel-actions.ts';
import type { Asking } from './channel-judging.ts';
import type { ChannelProtocol } from './channel-protocol.ts';
import type { LiveHostSession } from './live-session.ts';
import { SftpProtocol } from './sftp-machine.ts';
import type { TransferRules } from './transfer.ts';

export type StartedProtocol = {
  /** What is judged before the channel opens on the host; undefined: each operation asks for itself. */
  readonly first: Asking | undefined;
  /** Whether that statement lasts as long as the channel. */
  readonly isOneStatement: boolean;
  /** `statement`: under which `first` is on record. */
  make(statement: number | undefined): ChannelProtocol;
};

export type TransferStart = ActionParts & { readonly channel: number; readonly home: HostPath };

/** Files by packets: every one of them asks for itself. */
export function sftpOn(start: TransferStart): StartedProtocol {
  const { session, channel, home } = start;
  return {
    first: undefined,
    isOneStatement: false,
    make: () => {
      const actions = new RelayedActions(start, () => machine);
      const machine = new SftpProtocol({ channel, actions, account: session.account, home, transfers: transferRules(session) });
      return withRulesOf(session, machine);
    },
  };
}

function transferRules(session: LiveHostSession): TransferRules {
  const { blockFindings } = session.target;
  return {
    blockFindings,
    newScanner: () => {
      const set = session.detectors();
      return set.detectors.length === 0 ? undefined : new StreamScanner(set);
    },
  };
}

/** Listings are not judged one by one: under other rules they are judged anew. */
function withRulesOf(session: LiveHostSession, machine: SftpProtocol): ChannelProtocol {
  let { version } = session.bundle();
  return {
    fromClient: (chunk) => {
      const now = session.bundle().version;
      if (now !== version) machine.forgetListings();
      version = now;
      machine.fromClient(chunk);
    },
    fromTarget: (chunk, stream) => machine.fromTarget(chunk, stream),
    clientEnded: () => machine.clientEnded(),
    targetEnded: () => machine.targetEnded(),
    answered: (ask, answer) => machine.answered(ask, answer),
  };
}
