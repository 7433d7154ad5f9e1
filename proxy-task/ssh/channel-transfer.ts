/** Which machine speaks on a channel: that of files for sftp, scp and rsync, that of repositories for git, none for other programs. */
import type { HostPath } from '../../core/statement/host/host-operation.ts';
import type { ActionParts } from './channel-actions.ts';
import type { Asking } from './channel-judging.ts';
import type { ChannelProtocol } from './channel-protocol.ts';

export type StartedProtocol = {
  /** What is judged before the channel opens on the host; undefined: each operation asks for itself. */
  readonly first: Asking | undefined;
  /** Whether that statement lasts as long as the channel. */
  readonly isOneStatement: boolean;
  /** `statement`: under which `first` is on record. */
  make(statement: number | undefined): ChannelProtocol;
};

export type TransferStart = ActionParts & { readonly channel: number; readonly home: HostPath | undefined };

/** Undefined for a program that merely prints. */
export function protocolFor(
  _what: { readonly kind: 'exec'; readonly command: string } | { readonly kind: 'sftp' },
  _start: TransferStart,
): StartedProtocol | undefined {
  return undefined;
}
