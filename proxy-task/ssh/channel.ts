/** One session channel of a client (RFC 4254 §6): its requests in order, and the one program, shell or subsystem that it starts. */
import type { ClientChannel, PseudoTtyOptions, ServerChannel, Session } from 'ssh2';
import { operationBytes } from '../../core/approval/operation-digest.ts';
import { redactText } from '../../core/masking/detectors.ts';
import type { HostOperation } from '../../core/statement/host/host-operation.ts';
import type { ApprovalPointer } from '../pipeline/approval-refusal.ts';
import { closeUnstarted, sendSignal, sendWindowChange } from './channel-internals.ts';
import { ChannelJudging, type Asking } from './channel-judging.ts';
import { protocolOn, sftpOn, type StartedProtocol, type TransferStart } from './channel-transfer.ts';
import { ChannelRelay, type Exit } from './channel-relay.ts';
import { ChannelEnvironment } from './channel-settings.ts';
import { terminalOf, terminalSize, type TerminalSize } from './channel-terminal.ts';
import { execOperation, refuseCommand } from './exec.ts';
import type { LiveHostSession } from './live-session.ts';
import { hostRefusal, reconnect, targetRefused, type HostRefusal } from './refusal.ts';
import { encodedModes } from './terminal-internals.ts';
import { openExec, openShell, openSubsystem, type Begin } from './upstream.ts';

type Started = { readonly kind: 'exec'; readonly command: string } | { readonly kind: 'shell' } | { readonly kind: 'sftp' };

/** A client that sends more of these is no person at a terminal. */
const MAX_SIGNALS = 256;
const RESIZE_EVERY_MS = 100;
const SIGNAL = /^[A-Z0-9]{1,16}(?:@[a-z0-9.-]{1,64})?$/;

export class SessionChannel {
  readonly #session: LiveHostSession;
  readonly #number: number;
  readonly #onClosed: () => void;
  readonly #environment: ChannelEnvironment;
  readonly #judging: ChannelJudging;
  #terminal: PseudoTtyOptions | undefined;
  /** Resolves when the client has closed the channel. */
  readonly #answered: Promise<void>;
  #relay: ChannelRelay | undefined;
  #upstream: ClientChannel | undefined;
  #started = false;
  #kind: Started['kind'] | undefined;
  #isTransfer = false;
  #gone = false;
  /** What was judged before the channel opened, and lasts as long as it. */
  readonly #statements: number[] = [];
  #signals = 0;
  #size: TerminalSize | undefined;
  #resizing = false;

  /** `number` counts the session's channels from 1. `onClosed`: it needs no place any more. */
  constructor(session: LiveHostSession, number: number, ssh: Session, onClosed: () => void) {
    this.#session = session;
    this.#number = number;
    this.#onClosed = onClosed;
    this.#environment = new ChannelEnvironment(session.target.environment);
    this.#judging = new ChannelJudging(session, this.#environment, (reason, pointer) => this.#tellWaiting(reason, pointer));
    let hasAnswered: () => void = () => undefined;
    this.#answered = new Promise((resolve) => {
      hasAnswered = resolve;
    });
    // Replies are only there where the client asked for one.
    ssh.on('env', (accept: Reply, reject: Reply, info: unknown) => answer(this.#setVariable(info), accept, reject));
    ssh.on('pty', (accept, reject, info) => answer(this.#setTerminal(terminalOf(info, encodedModes(session.client))), accept, reject));
    ssh.on('window-change', (accept, _reject, info) => {
      this.#resize(terminalSize(info));
      answer(true, accept, undefined);
    });
    ssh.on('signal', (accept, reject, { name }) => answer(this.#signal(name), accept, reject));
    ssh.on('exec', (accept, reject, { command }) => this.#start({ kind: 'exec', command }, accept, reject));
    ssh.on('shell', (accept, reject) => this.#start({ kind: 'shell' }, accept, reject));
    ssh.on('subsystem', (accept: () => ServerChannel, reject: Reply, { name }: { readonly name: string }) => {
      if (name === 'sftp') this.#start({ kind: 'sftp' }, accept, reject);
      else this.#refuseRequest(`subsystem ${name}`, reject);
    });
    ssh.on('x11', (_accept: Reply, reject: Reply) => this.#refuseRequest('x11-req', reject));
    ssh.on('auth-agent', (_accept: Reply, reject: Reply) => this.#refuseRequest('auth-agent-req@openssh.com', reject));
    ssh.on('close', () => {
      if (!this.#started) closeUnstarted(session.client, ssh);
      this.#clientClosed();
      hasAnswered();
    });
    // Requests of a client that has nothing more to send still count; the transport would drop them.
    ssh.on('end', () => Object.assign(ssh, { _ending: false }));
  }

  /** Whether something of it runs on the host. */
  get isRunning(): boolean {
    return this.#judging.record.running > 0;
  }

  /** Whether something is under way that is no idleness, though nothing is heard of it. */
  get isBusy(): boolean {
    if (this.#relay?.isEnded !== false) return false;
    // A program may think for hours; a transfer of which nothing is heard has stopped.
    return this.#upstream === undefined || (this.#kind === 'exec' && !this.#isTransfer);
  }

  /** Nothing can be recorded any more. */
  cut(refusal: HostRefusal): void {
    this.#relay?.cut(refusal);
    this.#close('the recorder cannot write');
  }

  /**
   * The session ends: the client is told why, and what runs is cut off. Resolves when the client has answered: one that reads in the
   * same breath that the connection ends would tell only that.
   */
  end(refusal: HostRefusal | undefined, reason: string): Promise<void> {
    if (refusal === undefined) this.#relay?.clientGone(reason);
    else this.#relay?.refuse(refusal);
    this.#close(reason);
    return this.#relay === undefined ? Promise.resolve() : this.#answered;
  }

  #refuseRequest(name: string, reject: Reply): void {
    this.#session.refusedRequest(name);
    reject?.();
  }

  #setVariable(info: unknown): boolean {
    // The types say `val`, and give no name: what the transport hands over is both.
    const { key, val } = info as { readonly key: string; readonly val: string };
    return !this.#started && this.#environment.set(key, val);
  }

  #setTerminal(terminal: PseudoTtyOptions | undefined): boolean {
    if (this.#started || terminal === undefined || !this.#session.restrictions.pty) return false;
    this.#terminal = terminal;
    return true;
  }

  /** A window that is dragged changes many times a second. */
  #resize(size: TerminalSize | undefined): void {
    if (size === undefined || this.#terminal === undefined) return;
    this.#size = size;
    if (this.#resizing) return;
    this.#resizing = true;
    this.#session.clock.after(RESIZE_EVERY_MS, () => {
      this.#resizing = false;
      const { client } = this.#session.upstream;
      const last = this.#size;
      if (last === undefined) return;
      this.#terminal = { ...this.#terminal, ...last };
      if (this.#upstream === undefined || this.#relay?.isEnded !== false) return;
      this.#session.turn.append({ type: 'channel.resized', channel: this.#number, columns: last.cols, rows: last.rows });
      const upstream = this.#upstream;
      this.#session.turn.after(() => sendWindowChange(client, upstream, last));
    });
  }

  #signal(name: string): boolean {
    this.#signals += 1;
    if (this.#upstream === undefined || this.#relay?.isEnded !== false || this.#signals > MAX_SIGNALS || !SIGNAL.test(name)) return false;
    const upstream = this.#upstream;
    const { turn } = this.#session;
    turn.append({ type: 'channel.signal', channel: this.#number, signal: name });
    turn.after(() => sendSignal(this.#session.upstream.client, upstream, name));
    return true;
  }

  #start(what: Started, accept: () => ServerChannel, reject: Reply): void {
    if (this.#started || this.#gone) {
      reject?.();
      return;
    }
    this.#started = true;
    this.#kind = what.kind;
    // Accepted before it is judged: what the client sends meanwhile would be lost, and it must be told why it waits.
    const client = accept();
    const session = this.#session;
    const terminal = this.#terminal;
    session.turn.append({
      type: 'channel.opened',
      channel: this.#number,
      kind: what.kind,
      ...(terminal === undefined ? {} : { columns: terminal.cols ?? 0, rows: terminal.rows ?? 0, term: terminal.term ?? '' }),
    });
    this.#relay = new ChannelRelay({
      session,
      channel: this.#number,
      client,
      terminal: terminal !== undefined,
      hasStderr: true,
      onEnded: (exit, reason, isCut) => this.#ended(exit, reason, isCut),
      onDelivered: () => this.#judging.delivered(),
    });
    this.#run(what, this.#relay).catch((error: unknown) => {
      session.failed(error);
      this.#relay?.refuse(reconnect('the gateway met an error of its own', 'unknown'));
    });
  }

  async #run(what: Started, relay: ChannelRelay): Promise<void> {
    const session = this.#session;
    const { command: forced } = session.restrictions;
    if (forced !== undefined && (what.kind !== 'exec' || what.command !== forced)) {
      this.#refuseUnjudged(what, hostRefusal('ZG010', 'the certificate that was shown is for one other command only'), relay);
      return;
    }
    if (what.kind === 'exec') {
      const refusal = refuseCommand(what.command, session.target.limits.maxStatementBytes);
      if (refusal !== undefined) {
        this.#refuseUnjudged(what, refusal, relay);
        return;
      }
    }
    const home = await session.paths.home();
    const start = { session, channel: this.#number, judging: this.#judging, relay };
    if (what.kind === 'sftp' && home === undefined) {
      this.#refuseUnjudged(what, targetRefused(session.target.name, 'say where its files are: it has no sftp'), relay);
      return;
    }
    const found = home === undefined ? undefined : await startedProtocol(what, { ...start, home });
    if (found?.kind === 'refused') {
      this.#refuseUnjudged(what, found.refusal, relay);
      return;
    }
    if (found?.isGit === true) this.#environment.startGit();
    this.#recordVariables();
    const first = this.#firstOperations(what, found);
    const operations: HostOperation[] = [];
    for (const asking of first) {
      const judgement = await this.#judging.ask(asking);
      if (judgement.kind === 'refused') {
        relay.refuse(judgement.refusal);
        return;
      }
      this.#statements.push(judgement.statement);
      operations.push(judgement.operation);
    }
    // While people decide about one of them, the others may become something else.
    if (operations.length > 1 && !(await isStill(first, operations))) {
      relay.refuse(hostRefusal('ZG010', 'what its paths lead to has changed while it was decided about: start it again'));
      return;
    }
    if (this.#gone || relay.isEnded) return;
    const isOpen = await this.#open(what, found?.command, (upstream) => this.#begin(upstream, relay, found));
    if (!isOpen) {
      relay.refuse(targetRefused(session.target.name, what.kind === 'exec' ? 'run the command' : `open the ${what.kind} channel`));
    }
  }

  #begin(upstream: ClientChannel, relay: ChannelRelay, found: StartedProtocol | undefined): void {
    if (relay.isEnded) {
      upstream.close();
      return;
    }
    this.#upstream = upstream;
    if (found?.startsOnly === true) for (const statement of this.#statements) this.#judging.completed(statement, 'ok', 'started');
    this.#isTransfer = found !== undefined;
    relay.start(upstream, found?.make(this.#statements[0]));
  }

  /** What reaches the host with the command is on record before it. */
  #recordVariables(): void {
    const { turn } = this.#session;
    const detectors = this.#session.detectors();
    for (const [name, value] of this.#environment.variables)
      turn.append({ type: 'setting', name: `channel.${this.#number}.env.${name}`, value: redactText(value, detectors) });
  }

  #firstOperations(what: Started, protocol: StartedProtocol | undefined): readonly Asking[] {
    const { account } = this.#session;
    if (protocol !== undefined) return protocol.first;
    if (what.kind === 'exec') return [() => execOperation(what.command, this.#session)];
    return [async (): Promise<HostOperation> => ({ kind: 'shell', account })];
  }

  #open(what: Started, instead: string | undefined, begin: Begin): Promise<boolean> {
    const { upstream } = this.#session;
    const setup = { env: Object.fromEntries(this.#environment.variables), pty: this.#terminal };
    switch (what.kind) {
      case 'exec':
        // Exactly the bytes that were judged: they are UTF-8.
        return openExec(upstream, instead ?? what.command, setup, begin);
      case 'shell':
        return openShell(upstream, setup, begin);
      case 'sftp':
        return openSubsystem(upstream, 'sftp', begin);
    }
  }

  #refuseUnjudged(what: Started, refusal: HostRefusal, relay: ChannelRelay): void {
    const text = what.kind === 'exec' ? what.command : what.kind;
    this.#judging.record.unjudged(this.#session.nextStatement(), text, refusal);
    relay.refuse(refusal);
  }

  #tellWaiting(reason: string, { approvalId, url, expiresAt }: ApprovalPointer): void {
    const relay = this.#relay;
    relay?.say(`sallyport: waits for approval ${approvalId}: ${reason}\nsallyport: ${url} (until ${expiresAt})\n`);
  }

  #ended(exit: Exit | undefined, reason: string, isCut: boolean): void {
    const { turn } = this.#session;
    const relay = this.#relay;
    const known = isCut ? undefined : exit;
    for (const statement of this.#statements) this.#judging.completed(statement, outcomeOf(known), tagOf(known));
    this.#judging.record.closed();
    turn.append({
      type: 'channel.closed',
      channel: this.#number,
      reason,
      ...(exit === undefined ? {} : 'status' in exit ? { exitStatus: exit.status } : { exitSignal: exit.signal }),
      inputBytes: relay?.inputBytes ?? 0,
      outputBytes: relay?.outputBytes ?? 0,
    });
  }

  #clientClosed(): void {
    this.#relay?.clientGone('the client closed it');
    this.#close('the client closed the channel');
  }

  #close(reason: string): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#judging.close(reason);
    this.#onClosed();
  }
}

type Reply = (() => void) | undefined;

async function isStill(first: readonly Asking[], judged: readonly HostOperation[]): Promise<boolean> {
  const now = await Promise.all(first.map((asking) => asking()));
  return now.every((operation, index) => {
    const before = judged[index];
    return before !== undefined && Buffer.compare(operationBytes(operation), operationBytes(before)) === 0;
  });
}

function outcomeOf(exit: Exit | undefined): 'ok' | 'error' | 'unknown' {
  if (exit === undefined) return 'unknown';
  return 'status' in exit && exit.status === 0 ? 'ok' : 'error';
}

function tagOf(exit: Exit | undefined): string {
  if (exit === undefined) return '';
  return 'status' in exit ? `exit ${exit.status}` : `signal ${exit.signal}`;
}

async function startedProtocol(what: Started, start: TransferStart): ReturnType<typeof protocolOn> {
  switch (what.kind) {
    case 'sftp':
      return sftpOn(start);
    case 'exec':
      return protocolOn(what.command, start);
    case 'shell':
      return undefined;
  }
}

function answer(isTaken: boolean, accept: Reply, reject: Reply): void {
  if (isTaken) accept?.();
  else reject?.();
}
