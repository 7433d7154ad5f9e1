/** A file or folder that a client has open, by the handle that the host gave it. */
import type { HostPath } from '../../core/statement/host/host-operation.ts';
import type { ChannelEvent } from '../../core/evidence/channel-event.ts';
import type { Transfer } from './transfer.ts';

export class OpenFile {
  readonly kind: 'file' | 'folder';
  readonly path: HostPath;
  /** Absent where the file was not opened for it. */
  readonly read: Transfer | undefined;
  readonly write: Transfer | undefined;
  /** Numbers of the operations by which it was opened. */
  readonly statements: readonly number[];
  /** What is written is the whole file: nothing of an older one is left. */
  #whole: boolean;
  /** Requests on it that are not answered. */
  outstanding = 0;
  /** What the host said when it was opened. */
  size: number | undefined;
  /** The host said that nothing follows. */
  atEnd = false;
  /** Something of it did not come through. */
  failed = false;
  /** A finding has ended it. */
  stopped = false;
  closed = false;

  constructor(options: {
    readonly kind: 'file' | 'folder';
    readonly path: HostPath;
    readonly read?: Transfer | undefined;
    readonly write?: Transfer | undefined;
    readonly statements: readonly number[];
    readonly whole: boolean;
  }) {
    this.kind = options.kind;
    this.path = options.path;
    this.read = options.read;
    this.write = options.write;
    this.statements = options.statements;
    this.#whole = options.whole;
  }

  /** Its size was set when so many bytes had been written: after them nothing of an older file is left, or part of them is gone. */
  cut(size: number, written: number): void {
    if (size === written) this.#whole = true;
    else this.failed = true;
  }

  /** What passed, once nothing more will. `ended` says whether the client closed it, or the channel broke off. */
  events(channel: number, ended: boolean): readonly ChannelEvent[] {
    const sound = ended && !this.failed && !this.stopped;
    const readWhole = this.read !== undefined && (this.atEnd || (this.size !== undefined && this.read.next >= this.size));
    const shown: ChannelEvent[] = [];
    if (this.read !== undefined && (this.read.bytes > 0 || this.write === undefined)) {
      shown.push(this.read.event(channel, 'sftp', sound && readWhole), ...piecesOf(this.read, channel));
    }
    if (this.write !== undefined) shown.push(this.write.event(channel, 'sftp', sound && this.#whole), ...piecesOf(this.write, channel));
    return shown;
  }
}

/** Which parts passed, where it was not the file from its start on. */
function piecesOf(transfer: Transfer, channel: number): readonly ChannelEvent[] {
  if (transfer.inOrder) return [];
  const text = `sftp ${transfer.direction} of parts`;
  return [{ type: 'channel.operation', channel, statement: transfer.statement, text, outcome: 'ok', detail: `bytes ${transfer.ranges}` }];
}
