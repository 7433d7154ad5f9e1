/**
 * upload-pack, which changes nothing on the host: that it may run was judged with its command. What the client says is read to
 * name what it fetched, in all versions of the protocol (gitprotocol-pack, gitprotocol-v2); what the host sends is counted.
 */
import { createHash } from 'node:crypto';
import { describeOperation } from '../../core/statement/host/describe-operation.ts';
import { GitHeldBytes } from './git-held-bytes.ts';
import type { GitChannel } from './git-protocol.ts';
import type { ChannelProtocol } from './channel-protocol.ts';
import { MalformedMessage } from './messages/malformed-message.ts';
import { MAX_PKT_BYTES, readPktLine } from './messages/pkt-line.ts';

/** Named in the record; the others are counted. */
const MAX_NAMED_WANTS = 32;
const WANT = /^want ([\da-f]{40}(?:[\da-f]{24})?)\b|^want-ref ([!-~]{1,256})/u;
const WANT_CHARACTERS = 300;

export class GitFetch implements ChannelProtocol {
  readonly #channel: GitChannel;
  readonly #statement: number;
  readonly #held = new GitHeldBytes(MAX_PKT_BYTES);
  readonly #sentHash = createHash('sha256');
  readonly #wants = new Set<string>();
  #wanted = 0;
  #sentBytes = 0;
  #over = false;

  constructor(channel: GitChannel, statement: number) {
    this.#channel = channel;
    this.#statement = statement;
  }

  fromClient(chunk: Buffer): void {
    if (this.#over) return;
    const { actions } = this.#channel;
    try {
      this.#read(chunk);
    } catch (error) {
      if (!(error instanceof MalformedMessage)) throw error;
      this.#tell('error', `the client does not speak git: ${error.message}`);
      actions.refuse('08P01', `the fetch could not be read: ${error.message}`);
      return;
    }
    actions.toTarget(chunk);
  }

  fromTarget(chunk: Buffer, stream: 'stdout' | 'stderr'): void {
    if (this.#over || stream === 'stderr') return;
    this.#sentBytes += chunk.length;
    this.#sentHash.update(chunk);
    this.#channel.actions.toClient(chunk, { scan: false });
  }

  clientEnded(): void {
    if (!this.#over) this.#channel.actions.endTarget();
  }

  targetEnded(): void {
    if (this.#over) return;
    const others = this.#wanted > this.#wants.size ? [`${this.#wanted} wants in all`] : [];
    this.#tell('ok', [this.#wanted === 0 ? 'nothing wanted' : `wants ${[...this.#wants].join(' ')}`, ...others].join('; '));
  }

  answered(): void {
    // Nothing is asked here.
  }

  #read(chunk: Buffer): void {
    for (let at = 0; at < chunk.length;) {
      const part = chunk.subarray(at, at + this.#held.free);
      this.#held.append(part);
      at += part.length;
      for (;;) {
        const line = readPktLine(this.#held.view, 0);
        if (line === undefined) break;
        if (line.kind === 'data') this.#want(line.payload.toString('latin1', 0, WANT_CHARACTERS));
        this.#held.skip(line.end);
      }
    }
  }

  #want(line: string): void {
    const match = WANT.exec(line);
    if (match === null) return;
    this.#wanted += 1;
    if (this.#wants.size < MAX_NAMED_WANTS) this.#wants.add(match[1] ?? match[2] ?? '');
  }

  #tell(outcome: 'ok' | 'error', said: string): void {
    this.#over = true;
    const { channel, actions, repository, account } = this.#channel;
    const text = describeOperation({ kind: 'gitFetch', repository, account });
    const detail = `${said}; sent ${this.#sentBytes} bytes, sha256 ${this.#sentHash.digest('hex')}`;
    actions.record({ type: 'channel.operation', channel, statement: this.#statement, text, outcome, detail });
  }
}
