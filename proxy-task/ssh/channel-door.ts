/**
 * Where channels of a client knock. A client that has proved who it is opens channels at once, while it is still being decided
 * whether there is a session and the host is being reached: they wait, a few, and get their answer then.
 */
import type { AcceptConnection, Connection, ServerChannel, Session, TcpipRequestInfo } from 'ssh2';
import { disconnect } from './channel-internals.ts';
import { type HostRefusal, refusalLine, refusalLines, REFUSED_STATUS, tooManyRefused } from './refusal.ts';
import type { Clock } from '../ports.ts';
import type { TransportGuard } from './transport-guard.ts';

/** Clients show `why`: one line. */
type Reject = (why: string) => void;

export type Knock =
  | { readonly kind: 'session'; readonly accept: AcceptConnection<Session>; readonly reject: Reject }
  | {
      readonly kind: 'forward';
      readonly accept: AcceptConnection<ServerChannel>;
      readonly reject: Reject;
      readonly info: TcpipRequestInfo;
    };

const MAX_WAITING = 64;
const TOO_MANY_WAIT = 'sallyport: 53300 too many channels are asked for before the session has begun';
/** No client asks for so much of what there is not before it has a session. */
const MAX_REFUSED_BEFORE = 1_000;
const MAX_NAME_CHARACTERS = 64;
/** Long enough for a client to open its channel and to read why it may not. */
const LAST_WORDS_MS = 3_000;

export class ChannelDoor {
  readonly #connection: Connection;
  readonly #waiting: Knock[] = [];
  readonly #refusedBefore: string[] = [];
  readonly #guard: TransportGuard;
  #answer: ((knock: Knock) => void) | undefined;
  #refused: ((what: string) => void) | undefined;

  /** To be made as soon as the client is authenticated: what nobody listens for is refused at once. */
  constructor(connection: Connection, guard: TransportGuard) {
    this.#connection = connection;
    this.#guard = guard;
    guard.onRefused((what) => this.#refuseKind(what));
    const saying =
      (reject: () => void): Reject =>
      (why) =>
        guard.refusingOpen(why, reject);
    connection.on('session', (accept, reject) => this.#knock({ kind: 'session', accept, reject: saying(reject) }));
    connection.on('tcpip', (accept, reject, info) => this.#knock({ kind: 'forward', accept, reject: saying(reject), info }));
    connection.on('openssh.streamlocal', (_accept, reject) => {
      this.#refuseKind('direct-streamlocal@openssh.com');
      guard.refusingOpen('sallyport: 0A000 sockets of the host are not offered', reject);
    });
    connection.on('request', (_accept, reject: (() => void) | undefined, name: string) => {
      this.#refuseKind(name);
      reject?.();
    });
  }

  /** From now on every channel is answered by this; `refused` is told of what is never offered. */
  open(answer: (knock: Knock) => void, refused: (what: string) => void): void {
    this.#answer = answer;
    this.#refused = refused;
    for (const what of this.#refusedBefore.splice(0)) refused(what);
    for (const knock of this.#waiting.splice(0)) answer(knock);
  }

  /** There is no session: whatever is started is told why, then the connection ends. */
  refuse(refusal: HostRefusal, clock: Pick<Clock, 'after'>): void {
    const connection = this.#connection;
    const end = (): void => disconnect(connection, `sallyport: ${refusal.code} ${refusal.message}`);
    const timer = clock.after(LAST_WORDS_MS, end);
    connection.once('close', () => timer.cancel());
    let told = 0;
    this.open(
      (knock) => {
        told += 1;
        if (knock.kind === 'session' && told <= MAX_WAITING) tellWhy(knock.accept(), refusal, end);
        else knock.reject(refusalLine(refusal));
      },
      () => undefined,
    );
  }

  #refuseKind(what: string): void {
    if (this.#refused !== undefined) this.#refused(what);
    else if (this.#refusedBefore.length < MAX_REFUSED_BEFORE) this.#refusedBefore.push(what.slice(0, MAX_NAME_CHARACTERS));
    else this.#guard.cut('too many requests that were refused', tooManyRefused(MAX_REFUSED_BEFORE));
  }

  #knock(knock: Knock): void {
    if (this.#answer !== undefined) this.#answer(knock);
    else if (this.#waiting.length < MAX_WAITING) this.#waiting.push(knock);
    else knock.reject(TOO_MANY_WAIT);
  }
}

function tellWhy(session: Session, refusal: HostRefusal, told: () => void): void {
  let newline: '\n' | '\r\n' = '\n';
  const tell = (accept: () => ServerChannel): void => {
    const channel = accept();
    channel.on('error', () => undefined);
    channel.resume();
    channel.stderr.write(refusalLines(refusal, newline), () => {
      channel.exit(REFUSED_STATUS);
      channel.end();
    });
  };
  // A client that reads that the connection ends in the same breath would say only that.
  session.on('close', told);
  session.on('env', (_accept, reject: (() => void) | undefined) => reject?.());
  session.on('pty', (accept: (() => void) | undefined) => {
    newline = '\r\n';
    accept?.();
  });
  session.on('exec', tell);
  session.on('shell', tell);
  session.on('subsystem', tell);
}
