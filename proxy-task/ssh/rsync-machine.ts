/**
 * `rsync --server`: the command line says what is read or written, and is judged as a whole before it runs. The stream that
 * follows is not read: it holds pieces of files, often compressed and as differences to what the other side has. So it is said
 * how much passed and what its hash is; which files were sent, whether all of them arrived, and what is in them is not known.
 * What detectors find in it is counted as far as it is not compressed; a finding that may not pass ends the channel, but that
 * there is none proves nothing.
 */
import type { HostPath } from '../../core/statement/host/host-operation.ts';
import type { ChannelActions, ChannelProtocol } from './channel-protocol.ts';
import { type Direction, stoppedMessage, Transfer, type TransferRules } from './transfer.ts';

export type RsyncOptions = {
  readonly channel: number;
  readonly actions: ChannelActions;
  readonly transfers: TransferRules;
  /** Under which the command is on record. */
  readonly statement: number;
  /** `sender`: the host sends files; `receiver`: it gets them. `paths` as the host says them; the first names the transfer. */
  readonly command: { readonly mode: 'sender' | 'receiver'; readonly paths: readonly HostPath[] };
};

const UNSCANNED = { scan: false } as const;

export class RsyncProtocol implements ChannelProtocol {
  readonly #options: RsyncOptions;
  /** The direction in which files go; the other holds checksums and answers. */
  readonly #transfer: Transfer;
  #clientDone = false;
  #over = false;

  constructor(options: RsyncOptions) {
    const { transfers, statement, command } = options;
    const [path = ''] = command.paths;
    this.#options = options;
    const direction = command.mode === 'sender' ? 'read' : 'write';
    this.#transfer = new Transfer({ direction, path, statement, rules: transfers });
  }

  fromClient(chunk: Buffer): void {
    if (this.#passes('write', chunk)) this.#options.actions.toTarget(chunk);
  }

  fromTarget(chunk: Buffer, stream: 'stdout' | 'stderr'): void {
    if (stream === 'stdout' && this.#passes('read', chunk)) this.#options.actions.toClient(chunk, UNSCANNED);
  }

  clientEnded(): void {
    if (this.#over || this.#clientDone) return;
    this.#clientDone = true;
    this.#options.actions.endTarget();
  }

  targetEnded(): void {
    this.#finish();
  }

  /** Nothing is asked. */
  answered(): void {}

  #passes(direction: Direction, chunk: Buffer): boolean {
    if (this.#over) return false;
    const transfer = this.#transfer;
    const stopped = direction === transfer.direction ? transfer.pass(chunk, 0, chunk.length, transfer.bytes) : undefined;
    if (stopped === undefined) return true;
    this.#finish();
    this.#options.actions.refuse('ZG010', stoppedMessage(stopped));
    return false;
  }

  /** Whether all arrived is not known, so nothing is ever said to be complete. */
  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    const { actions, channel } = this.#options;
    actions.record(this.#transfer.event(channel, 'rsync', false));
  }
}
