/**
 * receive-pack: the client's request is read and held back, judged as one operation, and passed on as it came or not at all. The
 * host itself compares what each ref was said to be with what it is, so that what was judged is what is updated.
 */
import { createHash } from 'node:crypto';
import type { HostOperation, RefUpdate } from '../../core/statement/host/host-operation.ts';
import { describeOperation } from '../../core/statement/host/describe-operation.ts';
import { GitAdvertisement } from './git-advertisement.ts';
import { GitHeldBytes } from './git-held-bytes.ts';
import { GitPackCommits, isProvenDescendant } from './git-pack-commits.ts';
import type { GitChannel } from './git-protocol.ts';
import { isNoObject, type ObjectFormat } from './git-ref.ts';
import { GitReportReader, refusedReport, wantsReport } from './git-report.ts';
import { GitRequestReader, type GitCommand, type GitRequest } from './git-request.ts';
import type { ChannelAnswer, ChannelProtocol } from './channel-protocol.ts';
import { MalformedMessage } from './messages/malformed-message.ts';

/** Of a pack, while it is read for proofs: thousands of commits, which come first. */
const MAX_PROOF_BYTES = 8 * 1024 * 1024;
/** What may come besides: the request, and what was on its way when the client was paused. */
const MAX_HELD_BYTES = MAX_PROOF_BYTES + 6 * 1024 * 1024;
/** Steps from commit to parent, for all refs of a push together. */
const MAX_PROOF_STEPS = 200_000;
const MAX_DETAIL_CHARACTERS = 4_096;
const ASK = 1;

type State =
  | { readonly kind: 'advertising' }
  | { readonly kind: 'requesting'; readonly reader: GitRequestReader; readonly format: ObjectFormat }
  | { readonly kind: 'proving'; readonly request: GitRequest; readonly commits: GitPackCommits }
  /** `whole`: nothing more will come of the request. */
  | { readonly kind: 'asking'; readonly request: GitRequest; readonly operation: HostOperation; readonly whole: boolean }
  | { readonly kind: 'running'; readonly statement: number; readonly operation: HostOperation; readonly report: GitReportReader }
  | { readonly kind: 'draining'; readonly code: string; readonly message: string }
  /** Nothing was pushed: no byte of the client may follow. */
  | { readonly kind: 'idle' }
  | { readonly kind: 'over' };

export class GitPush implements ChannelProtocol {
  readonly #channel: GitChannel;
  readonly #held = new GitHeldBytes(MAX_HELD_BYTES);
  readonly #advertisement = new GitAdvertisement();
  readonly #packHash = createHash('sha256');
  #packBytes = 0;
  #clientEnded = false;
  #state: State = { kind: 'advertising' };

  constructor(channel: GitChannel) {
    this.#channel = channel;
  }

  get isDraining(): boolean {
    return this.#state.kind === 'draining';
  }

  fromClient(chunk: Buffer): void {
    const state = this.#state;
    if (state.kind === 'running') this.#passPack(chunk);
    else if (state.kind === 'idle') this.#guard(() => this.#refuseMalformed('the client goes on after the end of its request'));
    else if (state.kind !== 'draining' && state.kind !== 'over') {
      this.#guard(() => {
        if (chunk.length > this.#held.free) throw new MalformedMessage('the client sends more than it may before its push is judged');
        this.#held.append(chunk);
        this.#readOn();
      });
    }
  }

  fromTarget(chunk: Buffer, stream: 'stdout' | 'stderr'): void {
    if (stream === 'stderr') return;
    const { actions } = this.#channel;
    const state = this.#state;
    if (state.kind === 'draining' || state.kind === 'over') return;
    if (state.kind !== 'advertising') {
      if (state.kind === 'running') state.report.read(chunk);
      actions.toClient(chunk, { scan: false });
      return;
    }
    this.#guard(() => {
      const passed = this.#advertisement.read(chunk);
      if (passed.length > 0) actions.toClient(passed, { scan: false });
      const { offer } = this.#advertisement;
      if (offer === undefined) return;
      this.#state = { kind: 'requesting', reader: new GitRequestReader(offer, this.#held), format: offer.format };
      this.#readOn();
    });
  }

  clientEnded(): void {
    this.#clientEnded = true;
    const state = this.#state;
    switch (state.kind) {
      case 'draining':
        this.#over();
        this.#channel.actions.refuse(state.code, state.message);
        return;
      case 'proving':
        this.#guard(() => this.#refuseMalformed('the client ended before its pack did'));
        return;
      case 'asking':
      case 'over':
        return;
      case 'advertising':
      case 'requesting':
      case 'idle':
      case 'running':
        // What was held of a request that never became whole is not passed on.
        this.#channel.actions.endTarget();
    }
  }

  targetEnded(): void {
    const state = this.#state;
    if (state.kind === 'running') this.#tell(state.statement, state.operation, state.report);
    // A refused client is still to be heard to its end.
    if (state.kind !== 'draining') this.#over();
  }

  answered(ask: number, answer: ChannelAnswer): void {
    const state = this.#state;
    if (ask !== ASK) return;
    if (state.kind !== 'asking') {
      if (answer.kind === 'run') this.#channel.actions.completed(answer.statement, 'error');
      return;
    }
    const { request, operation, whole } = state;
    const { actions } = this.#channel;
    if (answer.kind === 'refused') {
      this.#held.take();
      if (wantsReport(request)) actions.toClient(refusedReport(request, `sallyport: ${answer.code} ${answer.message}`), { scan: false });
      // Its pack is taken to its end, or a client that is still sending would never read why.
      this.#state = { kind: 'draining', code: answer.code, message: answer.message };
      if (whole || this.#clientEnded) this.clientEnded();
      else actions.resumeClient();
      return;
    }
    this.#state = { kind: 'running', statement: answer.statement, operation, report: new GitReportReader(request) };
    actions.toTarget(request.bytes);
    this.#passPack(this.#held.take());
    if (this.#clientEnded) actions.endTarget();
    actions.resumeClient();
  }

  #readOn(): void {
    if (this.#state.kind === 'requesting') {
      const { reader, format } = this.#state;
      const request = reader.read();
      if (request === undefined) return;
      if (request.commands.length === 0) {
        this.#passNothing(request);
        return;
      }
      this.#state = { kind: 'proving', request, commits: new GitPackCommits(format) };
    }
    if (this.#state.kind !== 'proving') return;
    const { request, commits } = this.#state;
    const toProve = request.commands.some(mayBeFastForward);
    if (request.withPack && toProve) {
      commits.read(this.#held.view);
      if (commits.state === 'reading' && this.#held.length < MAX_PROOF_BYTES) return;
    }
    this.#ask(request, commits);
  }

  #ask(request: GitRequest, commits: GitPackCommits): void {
    const { repository, account, actions } = this.#channel;
    const steps = { left: MAX_PROOF_STEPS };
    const updates = request.commands.map((command): RefUpdate => ({ ...command, change: changeOf(command, commits, steps) }));
    const options = request.options === undefined || request.options.length === 0 ? {} : { options: request.options };
    const operation: HostOperation = { kind: 'gitPush', repository, account, updates, ...options };
    const whole = !request.withPack || commits.state === 'complete';
    this.#state = { kind: 'asking', request, operation, whole };
    actions.pauseClient();
    actions.ask(ASK, operation);
  }

  /** A client that finds nothing to push says so by an empty request. */
  #passNothing(request: GitRequest): void {
    if (this.#held.length > 0) this.#refuseMalformed('the client goes on after the end of its request');
    this.#state = { kind: 'idle' };
    this.#channel.actions.toTarget(request.bytes);
  }

  #passPack(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#packBytes += bytes.length;
    this.#packHash.update(bytes);
    this.#channel.actions.toTarget(bytes);
  }

  #tell(statement: number, operation: HostOperation, report: GitReportReader): void {
    const { channel, actions } = this.#channel;
    const { outcome } = report;
    const ok = outcome !== undefined && outcome.unpack === 'ok' && outcome.rejected.length === 0;
    const said =
      outcome === undefined
        ? ['the host did not say what it updated']
        : [`unpack ${outcome.unpack}`, `${outcome.updated} updated`, ...outcome.rejected.map((refused) => `not ${refused}`)];
    const pack = this.#packBytes === 0 ? [] : [`pack of ${this.#packBytes} bytes, sha256 ${this.#packHash.digest('hex')}`];
    const detail = [...pack, ...said].join('; ').slice(0, MAX_DETAIL_CHARACTERS);
    actions.record({
      type: 'channel.operation',
      channel,
      statement,
      text: describeOperation(operation),
      outcome: ok ? 'ok' : 'error',
      detail,
    });
    actions.completed(statement, outcome === undefined ? 'unknown' : ok ? 'ok' : 'error');
  }

  #refuseMalformed(message: string): never {
    throw new MalformedMessage(message);
  }

  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      if (!(error instanceof MalformedMessage)) throw error;
      this.#over();
      this.#channel.actions.refuse('ZG014', `the push could not be judged: ${error.message}`);
    }
  }

  #over(): void {
    this.#state = { kind: 'over' };
    this.#held.take();
  }
}

/** Tags are not for moving, whatever they name. */
function mayBeFastForward({ ref, from, to }: GitCommand): boolean {
  return !isNoObject(from) && !isNoObject(to) && !ref.startsWith('refs/tags/');
}

/** A history that the host has and the pack does not is not seen from here: without proof it is `force`. */
function changeOf(command: GitCommand, commits: GitPackCommits, steps: { left: number }): RefUpdate['change'] {
  const { ref, from, to } = command;
  if (isNoObject(to)) return 'delete';
  // git reads the one commit wherever the other is meant: every branch that has it is another then (git-replace).
  if (ref.startsWith('refs/replace/')) return 'force';
  if (isNoObject(from)) return 'create';
  return mayBeFastForward(command) && isProvenDescendant(commits, to, from, steps) ? 'update' : 'force';
}
