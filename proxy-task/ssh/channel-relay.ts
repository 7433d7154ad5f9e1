/**
 * The bytes of one channel, both ways: what a program prints and reads is redacted, recorded, then passed on; what a transfer
 * protocol speaks goes through its machine. Nothing is read from one end faster than the other takes it.
 */
import type { ClientChannel, ServerChannel } from 'ssh2';
import type { Redacted } from '../../core/masking/stream-output.ts';
import { StreamRedactor } from '../../core/masking/stream-redactor.ts';
import type { ChannelEvent } from '../../core/evidence/channel-event.ts';
import { readChannel, readOn, sendExitSignal, sendExitStatus, toldExit } from './channel-internals.ts';
import type { ChannelProtocol } from './channel-protocol.ts';
import type { LiveHostSession } from './live-session.ts';
import { budgetUsedUp, capHit, reconnect, refusalLines, REFUSED_STATUS, type HostRefusal } from './refusal.ts';
import { RelayFlow } from './relay-flow.ts';
import { RelayWriter } from './relay-writer.ts';
import { isSignalName } from './signal-messages.ts';

/** How a program ended, as the host tells it. */
export type Exit = { readonly status: number } | { readonly signal: string; readonly coreDumped: boolean; readonly message: string };

export type RelayOptions = {
  readonly session: LiveHostSession;
  /** The channel's number in the session. */
  readonly channel: number;
  readonly client: ServerChannel;
  /** A person may sit before it: what is held back is let go after a moment, and lines end as in raw mode. */
  readonly terminal: boolean;
  /** Whether the client shows standard error: a forwarded port has none. */
  readonly hasStderr: boolean;
  /** Told of all bytes that are neither redacted nor recorded; absent where they are. */
  readonly onBytes?: (direction: 'input' | 'output', bytes: Buffer) => void;
  /**
   * The other end has ended, or was given up: once, with what the client is told of it. `isCut`: by the gateway, so that it is not
   * known what became of it. Events appended here leave before the client hears of it.
   */
  readonly onEnded: (exit: Exit | undefined, reason: string, isCut: boolean) => void;
  /** The client has been told everything. */
  readonly onDelivered: () => void;
};

type Part = 'stdout' | 'stderr' | 'close';
const PARTS = 3;
/** Nothing more came for so long: a prompt is shown before it is answered. Without a terminal, programs seldom ask. */
const IDLE_MS = { terminal: 30, program: 250 } as const;

/** How long the end of a program's output waits for its exit status. */
const EXIT_MS = 200;

export class ChannelRelay {
  readonly #options: RelayOptions;
  readonly #toClient: RelayFlow;
  readonly #redactors: Record<'input' | 'stdout' | 'stderr', StreamRedactor>;
  #upstream: ClientChannel | undefined;
  #toTarget: RelayFlow | undefined;
  #protocol: ChannelProtocol | undefined;
  #protocolWaits = false;
  #protocolEnded = false;
  /** What the host has ended. */
  readonly #over = new Set<Part>();
  #exit: Exit | undefined;
  #isCut = false;
  #told = '';
  #idle: { cancel(): void } | undefined;
  #lastUs = 0;
  #ended = false;
  #inputBytes = 0;
  #outputBytes = 0;

  constructor(options: RelayOptions) {
    this.#options = options;
    const { session, client } = options;
    const set = session.detectors();
    this.#redactors = { input: new StreamRedactor(set), stdout: new StreamRedactor(set), stderr: new StreamRedactor(set) };
    this.#toClient = new RelayFlow(session.turn, new RelayWriter(client, session.clientWire), () => this.#balance());
    // What comes before the program runs waits.
    client.pause();
    readChannel(
      client,
      (bytes) => {
        this.#fromClient(bytes);
        return true;
      },
      () => session.end(reconnect('more was sent than the window allows', 'unknown'), 'window overrun by the client', true),
    );
    client.on('error', () => undefined);
  }

  get inputBytes(): number {
    return this.#inputBytes;
  }

  get outputBytes(): number {
    return this.#outputBytes;
  }

  get isEnded(): boolean {
    return this.#ended;
  }

  /** Begins to pass bytes. */
  start(upstream: ClientChannel, protocol?: ChannelProtocol): void {
    const { session, client } = this.#options;
    this.#upstream = upstream;
    this.#protocol = protocol;
    this.#toTarget = new RelayFlow(session.turn, new RelayWriter(upstream, session.upstreamWire), () => this.#balance());
    upstream.on('error', () => undefined);
    readChannel(
      upstream,
      (bytes, stream) => {
        this.#fromTarget(bytes, stream);
        return !this.#toClient.isFull;
      },
      () => session.end(reconnect('the host broke the protocol', 'unknown'), 'window overrun by the host', true),
    );
    upstream.on('end', () => this.#closed('stdout'));
    upstream.stderr.on('end', () => this.#closed('stderr'));
    upstream.on('close', () => this.#closed('close'));
    upstream.on('exit', () => {
      this.#exit = exitOf(upstream);
    });
    client.on('end', () => this.#clientEnded());
    this.#balance();
  }

  /** A line of the gateway's own on standard error. */
  say(text: string): void {
    const { session, channel, terminal, hasStderr } = this.#options;
    if (!hasStderr || this.#ended) return;
    const bytes = Buffer.from(terminal ? text.replaceAll(/\r?\n/gu, '\r\n') : text);
    session.turn.data(channel, 'stderr', bytes, 0);
    this.#toClient.send(bytes, 'stderr');
  }

  /** A refusal on standard error; the same in a row once. */
  tell(refusal: HostRefusal): void {
    const told = `${refusal.code} ${refusal.message}`;
    if (told !== this.#told) this.say(refusalLines(refusal, '\n'));
    this.#told = told;
  }

  /** Ends the channel: the reason on standard error, unless it stands there already, and exit status 77. */
  refuse(refusal: HostRefusal): void {
    if (this.#ended) return;
    this.tell(refusal);
    this.#exit = { status: REFUSED_STATUS };
    this.#isCut = true;
    this.#finish(`${refusal.code} ${refusal.message}`);
  }

  /** The client has closed the channel, or is gone. */
  clientGone(reason: string): void {
    if (this.#ended) return;
    this.#exit = undefined;
    this.#finish(reason);
  }

  /** Nothing can be recorded any more: what waited for that is dropped, and the client told at once, where there is a reason. */
  cut(refusal: HostRefusal | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#idle?.cancel();
    const { session, client, terminal, hasStderr } = this.#options;
    this.#upstream?.close();
    this.#upstream?.resume();
    this.#upstream?.stderr.resume();
    client.resume();
    if (refusal !== undefined && hasStderr && !session.clientWire.isBusy) {
      client.stderr.write(refusalLines(refusal, terminal ? '\r\n' : '\n'));
      sendExitStatus(session.client, client, REFUSED_STATUS);
    }
    client.close();
  }

  /** Bytes of a protocol for the client. */
  toClient(bytes: Buffer, scan: boolean): void {
    if (this.#ended || !this.#count(bytes.length)) return;
    if (scan) this.#release('stdout', this.#redactors.stdout.push(bytes));
    else this.#toClient.send(bytes);
  }

  toTarget(bytes: Buffer): void {
    if (!this.#ended) this.#toTarget?.send(bytes);
  }

  endTarget(): void {
    this.#toTarget?.end(() => undefined);
  }

  /** A protocol that cannot take more now. */
  pauseClient(paused: boolean): void {
    this.#protocolWaits = paused;
    this.#balance();
  }

  record(event: ChannelEvent): void {
    if (!this.#ended) this.#options.session.turn.append(event);
  }

  /** The bytes are lent. */
  #fromClient(chunk: Buffer): void {
    const { session, onBytes } = this.#options;
    if (this.#ended) return;
    session.touch();
    this.#inputBytes += chunk.length;
    if (this.#protocol !== undefined) {
      const own = Buffer.from(chunk);
      this.#guard((protocol) => protocol.fromClient(own));
      return;
    }
    if (onBytes !== undefined) onBytes('input', chunk);
    else {
      const { maxBytes } = session.target.limits;
      // All of it is kept: without a limit one agent could fill the disk that every session is recorded on.
      if (this.#inputBytes > maxBytes) {
        this.refuse(capHit(maxBytes, 'unknown'));
        return;
      }
      this.#record('input', this.#redactors.input.push(chunk));
      if (this.#redactors.input.heldBytes > 0) this.#flushWhenIdle();
    }
    this.#toTarget?.send(chunk);
  }

  #clientEnded(): void {
    if (this.#ended) return;
    if (this.#protocol !== undefined) {
      this.#guard((protocol) => protocol.clientEnded());
      return;
    }
    this.#record('input', this.#redactors.input.flush());
    this.#toTarget?.end(() => undefined);
  }

  /** The bytes are lent. */
  #fromTarget(chunk: Buffer, stream: 'stdout' | 'stderr'): void {
    const { session, onBytes } = this.#options;
    if (this.#ended) return;
    session.touch();
    if (this.#protocol !== undefined) {
      // A protocol keeps its chunks, and may use them up; standard error is passed on here too.
      const own = Buffer.from(chunk);
      this.#guard((protocol) => protocol.fromTarget(own, stream));
      if (stream === 'stdout' || this.#ended) return;
    }
    if (!this.#count(chunk.length)) return;
    if (onBytes !== undefined) {
      onBytes('output', chunk);
      this.#toClient.send(chunk, stream);
      return;
    }
    const redactor = this.#redactors[stream];
    this.#release(stream, redactor.push(chunk));
    if (redactor.heldBytes > 0) this.#flushWhenIdle();
  }

  #release(stream: 'stdout' | 'stderr', redacted: Redacted): void {
    this.#record(stream, redacted);
    for (const piece of redacted.pieces) this.#toClient.send(piece, stream);
  }

  /** Matches are counted with the first piece. */
  #record(stream: 'input' | 'stdout' | 'stderr', { pieces, detected }: Redacted): void {
    const { session, channel } = this.#options;
    pieces.forEach((piece, index) => session.turn.data(channel, stream, piece, index === 0 ? detected : 0));
  }

  /** False: a limit is hit, and the channel refused. */
  #count(bytes: number): boolean {
    const { session } = this.#options;
    this.#outputBytes += bytes;
    const { maxBytes } = session.target.limits;
    if (this.#outputBytes > maxBytes) {
      this.refuse(capHit(maxBytes, 'unknown'));
      return false;
    }
    const spent = session.budgets.spend('bytes', bytes);
    if (!spent.ok) {
      this.refuse(budgetUsedUp('bytes', spent, 'unknown'));
      return false;
    }
    session.released(bytes);
    return true;
  }

  #flushWhenIdle(): void {
    const { clock } = this.#options.session;
    this.#lastUs = clock.monoUs();
    if (this.#idle === undefined) this.#lookLater(IDLE_MS[this.#options.terminal ? 'terminal' : 'program']);
  }

  #lookLater(ms: number): void {
    const { session, terminal } = this.#options;
    this.#idle = session.clock.after(ms, () => {
      this.#idle = undefined;
      if (this.#ended) return;
      const leftMs = IDLE_MS[terminal ? 'terminal' : 'program'] - (session.clock.monoUs() - this.#lastUs) / 1_000;
      if (leftMs >= 1) {
        this.#lookLater(leftMs);
        return;
      }
      for (const stream of ['stdout', 'stderr'] as const) this.#release(stream, this.#redactors[stream].idle());
      this.#record('input', this.#redactors.input.idle());
      session.turn.after(() => undefined);
    });
  }

  #closed(part: Part): void {
    this.#over.add(part);
    if (this.#ended) return;
    if (part !== 'close' && this.#over.has('stdout') && this.#over.has('stderr')) {
      this.#endProtocol();
      if (this.#ended) return;
      for (const stream of ['stdout', 'stderr'] as const) this.#release(stream, this.#redactors[stream].flush());
      // Some clients close a channel whose data has ended both ways, and would never learn how it ended: that mostly comes next.
      if (!this.#options.hasStderr) this.#toClient.end(() => undefined);
      else if (this.#exit === undefined) this.#options.session.clock.after(EXIT_MS, () => this.#endOutput());
    }
    if (this.#over.size === PARTS && this.#protocol?.isDraining !== true)
      this.#finish(this.#exit === undefined ? 'the host closed it' : 'it ended');
  }

  /** The program goes on without its output. */
  #endOutput(): void {
    if (!this.#ended) this.#toClient.end(() => undefined);
  }

  /** Once: what is still open in it is told as it is. */
  #endProtocol(): void {
    if (this.#protocolEnded) return;
    this.#protocolEnded = true;
    this.#guard((protocol) => protocol.targetEnded());
  }

  #finish(reason: string): void {
    if (this.#ended) return;
    this.#endProtocol();
    // It may have refused the channel meanwhile.
    if (this.#ended) return;
    const { session, client, onEnded, onDelivered } = this.#options;
    for (const stream of ['stdout', 'stderr'] as const) this.#release(stream, this.#redactors[stream].flush());
    this.#record('input', this.#redactors.input.flush());
    this.#ended = true;
    this.#idle?.cancel();
    const exit = this.#exit;
    onEnded(exit, reason, this.#isCut);
    // What the client still sends is nobody's, but its end must be read.
    client.resume();
    this.#upstream?.close();
    this.#upstream?.resume();
    this.#upstream?.stderr.resume();
    this.#toClient.end(() => {
      if (exit !== undefined && 'status' in exit) sendExitStatus(session.client, client, exit.status);
      else if (exit !== undefined) sendExitSignal(session.client, client, exit.signal, exit.coreDumped, exit.message);
      client.close();
      onDelivered();
    });
  }

  /** Either end is read only while the other takes what comes of it; with a protocol, bytes of one can be answers to itself. */
  #balance(): void {
    const { client } = this.#options;
    const upstream = this.#upstream;
    if (upstream === undefined || this.#ended) return;
    const clientWaits = this.#protocolWaits || this.#toTarget?.isFull === true || (this.#protocol !== undefined && this.#toClient.isFull);
    if (clientWaits) client.pause();
    else client.resume();
    if (!this.#toClient.isFull) readOn(upstream);
  }

  #guard(run: (protocol: ChannelProtocol) => void): void {
    const { session } = this.#options;
    const protocol = this.#protocol;
    if (protocol === undefined) return;
    try {
      run(protocol);
    } catch (error) {
      session.failed(error);
      this.refuse(reconnect('the gateway could not follow the channel', 'unknown'));
    }
  }
}

/** The transport puts SIG before every name. One that is none becomes what OpenSSH's client makes of all of them. */
function exitOf(upstream: ClientChannel): Exit | undefined {
  const told = toldExit(upstream);
  if (told === undefined || 'status' in told) return told;
  const signal = told.signal.replace(/^SIG/u, '');
  return isSignalName(signal) ? { signal, coreDumped: told.coreDumped, message: told.message.slice(0, 256) } : { status: 255 };
}
