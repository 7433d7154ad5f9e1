/** git over a channel (design §11): each ref update of a push is an effect of its own; a fetch is one with its command. */
import type { HostPath } from '../../core/statement/host/host-operation.ts';
import type { ChannelActions, ChannelAnswer, ChannelProtocol } from './channel-protocol.ts';
import { GitFetch } from './git-fetch.ts';
import { GitPush } from './git-push.ts';

/** The channel that git speaks on, and where it leads. */
export type GitChannel = {
  readonly channel: number;
  readonly actions: ChannelActions;
  readonly account: string;
  /** As the host itself spells it. */
  readonly repository: HostPath;
};

export type GitProtocolOptions = GitChannel & {
  readonly service: 'upload-pack' | 'receive-pack';
  /** The number under which the channel's command is on record. */
  readonly statement: number;
};

/**
 * What the command was judged for covers all of a fetch, and of a push that the host shows its refs. The push itself is asked for
 * here, once, with all its updates. Content of packs is counted and hashed, not searched by detectors: it is compressed.
 */
export class GitProtocol implements ChannelProtocol {
  readonly #service: ChannelProtocol;

  constructor({ service, statement, ...channel }: GitProtocolOptions) {
    this.#service = service === 'upload-pack' ? new GitFetch(channel, statement) : new GitPush(channel);
  }

  get isDraining(): boolean {
    return this.#service.isDraining === true;
  }

  fromClient(chunk: Buffer): void {
    this.#service.fromClient(chunk);
  }

  fromTarget(chunk: Buffer, stream: 'stdout' | 'stderr'): void {
    this.#service.fromTarget(chunk, stream);
  }

  clientEnded(): void {
    this.#service.clientEnded();
  }

  targetEnded(): void {
    this.#service.targetEnded();
  }

  answered(ask: number, answer: ChannelAnswer): void {
    this.#service.answered(ask, answer);
  }
}
