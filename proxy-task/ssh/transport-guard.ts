/**
 * What the transport by itself leaves open to a client that breaks the rules: it ends a connection without a word, tells nobody of
 * what it refuses, leaves late requests without an answer, and bounds neither windows nor exchanges of keys. Its hooks exist in the
 * version that is installed; a test says so.
 */
import type { Connection } from 'ssh2';
import type { Clock } from '../ports.ts';
import { BY_APPLICATION, protocolOf, sendDisconnect, socketOf } from './channel-internals.ts';
import { refusalLine, type HostRefusal } from './refusal.ts';

type Handler = (protocol: unknown, ...given: readonly unknown[]) => void;
type Hooks = {
  readonly _handlers: Record<HandlerName, Handler>;
  readonly _destruct: unknown;
  parse: (chunk: Buffer, start: number, end: number) => void;
  disconnect: (reason: number) => void;
  channelOpenFail: (recipient: number, reason: number, description: string) => void;
  channelSuccess(recipient: number): void;
  channelFailure(recipient: number): void;
};
type HandlerName =
  | 'CHANNEL_OPEN'
  | 'CHANNEL_REQUEST'
  | 'CHANNEL_WINDOW_ADJUST'
  | 'CHANNEL_DATA'
  | 'CHANNEL_EOF'
  | 'CHANNEL_CLOSE'
  | 'GLOBAL_REQUEST';
type HiddenSession = {
  readonly _chanInfo?: { readonly outgoing: Outgoing };
  readonly _channel?: { readonly outgoing: Outgoing };
  /** Of a channel that is no session. */
  readonly outgoing?: Outgoing;
};
type Outgoing = { readonly id: number; window: number };

/** RFC 4253 §11.1. */
const PROTOCOL_ERROR = 2;
/** RFC 4254 §5.1. */
const UNKNOWN_CHANNEL_TYPE = 3;
/** RFC 4254 §5.2: a window must not grow beyond it. */
const MAX_WINDOW = 2 ** 32 - 1;

const OFFERED_CHANNELS = new Set(['session', 'direct-tcpip', 'direct-streamlocal@openssh.com']);
/** Those that somebody answers, or refuses for a reason of its own. */
const KNOWN_REQUESTS = new Set([
  'env',
  'pty-req',
  'window-change',
  'signal',
  'exec',
  'shell',
  'subsystem',
  'x11-req',
  'auth-agent-req@openssh.com',
]);
/** Clients ask these of every server: a refusal says that the connection lives, or that the extension is not there. */
const COURTESIES = new Set(['keepalive@openssh.com', 'no-more-sessions@openssh.com', 'hostkeys-00@openssh.com', 'keepalive@jcraft.com']);
/** These come back as requests of the connection. */
const FORWARDS = new Set([
  'tcpip-forward',
  'cancel-tcpip-forward',
  'streamlocal-forward@openssh.com',
  'cancel-streamlocal-forward@openssh.com',
]);

/** New keys cost the gateway a signature. Bulk data asks for them every few megabytes, as people set it: that counts for nothing. */
const REKEY_FREE_BYTES = 1_048_576;
/** Others at once, and one more for each second. */
const REKEYS_AT_ONCE = 32;

export class TransportGuard {
  readonly #connection: Connection;
  readonly #hooks: Hooks;
  readonly #clock: Pick<Clock, 'now'>;
  #fault: string | undefined;
  #heard: ((what: string) => void) | undefined;
  #openFailure = '';
  #rekeys = REKEYS_AT_ONCE;
  #rekeyedMs: number;
  #bytesAtRekey = 0;

  /** To be made when the client has said its version: what comes after that is guarded. */
  constructor(connection: Connection, clock: Pick<Clock, 'now'>) {
    const protocol = protocolOf(connection);
    if (protocol === undefined) throw new Error('the transport has not begun');
    this.#connection = connection;
    // As above: the fields exist in the version that is installed.
    this.#hooks = protocol as unknown as Hooks;
    this.#clock = clock;
    this.#rekeyedMs = clock.now();
    this.#hook();
    connection.on('rekey', () => this.#rekeyed());
  }

  /** Why the connection was, or is being, cut for what the client or the network did; undefined where neither did anything. */
  get fault(): string | undefined {
    return this.#fault;
  }

  /** `heard` is told the name of each thing that is refused because it is never offered; without one nobody is. */
  onRefused(heard: (what: string) => void): void {
    this.#heard = heard;
  }

  /** Runs what refuses to open a channel, so that the client reads why. */
  refusingOpen(why: string, refuse: () => void): void {
    this.#openFailure = why;
    refuse();
    this.#openFailure = '';
  }

  /** The connection is not to be spoken on any longer: nothing more of it is read, the client may read why. */
  cut(fault: string, refusal: HostRefusal | undefined): void {
    this.#fault ??= fault;
    const hooks = this.#hooks;
    hooks.parse = () => undefined;
    const socket = socketOf(this.#connection);
    if (socket === undefined) return;
    if (refusal !== undefined && socket.writable && hooks._destruct !== undefined)
      sendDisconnect(this.#connection, PROTOCOL_ERROR, refusalLine(refusal));
    socket.end();
    // What still comes is nobody's, but unread bytes would reset the connection before its end is read.
    socket.removeAllListeners('data');
    socket.resume();
  }

  #hook(): void {
    const hooks = this.#hooks;
    const { channelOpenFail } = hooks;
    const handlers = hooks._handlers;
    const { CHANNEL_OPEN: open, CHANNEL_REQUEST: request, CHANNEL_WINDOW_ADJUST: adjust, GLOBAL_REQUEST: globalRequest } = handlers;
    for (const name of ['CHANNEL_DATA', 'CHANNEL_EOF', 'CHANNEL_CLOSE'] as const) {
      const handle = handlers[name];
      handlers[name] = (protocol, recipient, data) => {
        this.#channel(Number(recipient));
        handle(protocol, recipient, data);
      };
    }
    // The transport's own ways out say nothing.
    hooks.disconnect = (reason) => sendDisconnect(this.#connection, reason, wordsFor(reason));
    hooks.channelOpenFail = (recipient, reason, description) =>
      channelOpenFail.call(hooks, recipient, reason, description === '' ? this.#openFailure : description);
    handlers.CHANNEL_OPEN = (protocol, info) => {
      // As the transport's parser hands it over, here and below.
      const { type, sender } = info as { readonly type: string; readonly sender: number };
      if (OFFERED_CHANNELS.has(type) || !this.#isAuthenticated()) {
        open(protocol, info);
        return;
      }
      this.#refused(`channel ${type}`);
      hooks.channelOpenFail(sender, UNKNOWN_CHANNEL_TYPE, 'sallyport: 0A000 channels of this kind are not offered');
    };
    handlers.CHANNEL_REQUEST = (protocol, recipient, type, wantReply, data) => {
      const name = String(type);
      const channel = this.#channel(Number(recipient));
      if (channel !== undefined && !KNOWN_REQUESTS.has(name)) this.#refused(name);
      // Once a program has started, the transport answers nothing any more.
      const isLate = wantReply === true && channel?._channel !== undefined;
      request(protocol, recipient, type, isLate ? false : wantReply, data);
      if (!isLate) return;
      const { id } = channel._channel.outgoing;
      if (name === 'window-change') hooks.channelSuccess(id);
      else hooks.channelFailure(id);
    };
    handlers.CHANNEL_WINDOW_ADJUST = (protocol, recipient, amount) => {
      const channel = this.#channel(Number(recipient));
      const outgoing = channel?._channel?.outgoing ?? channel?.outgoing ?? channel?._chanInfo?.outgoing;
      if (outgoing !== undefined && outgoing.window + Number(amount) > MAX_WINDOW)
        throw new Error('the window of a channel would grow beyond 4,294,967,295 bytes (RFC 4254 §5.2)');
      // Before its program has started, the transport would forget it.
      if (outgoing !== undefined && channel?._channel === undefined && channel?.outgoing === undefined) outgoing.window += Number(amount);
      else adjust(protocol, recipient, amount);
    };
    handlers.GLOBAL_REQUEST = (protocol, name, wantReply, data) => {
      const asked = String(name);
      if (this.#isAuthenticated() && !COURTESIES.has(asked) && !FORWARDS.has(asked)) this.#refused(asked);
      globalRequest(protocol, name, wantReply, data);
    };
  }

  #refused(what: string): void {
    this.#heard?.(what);
  }

  #rekeyed(): void {
    const socket = socketOf(this.#connection);
    const bytes = (socket?.bytesRead ?? 0) + (socket?.bytesWritten ?? 0);
    const nowMs = this.#clock.now();
    const isPaidFor = bytes - this.#bytesAtRekey >= REKEY_FREE_BYTES;
    this.#bytesAtRekey = bytes;
    this.#rekeys = Math.min(REKEYS_AT_ONCE, this.#rekeys + (nowMs - this.#rekeyedMs) / 1_000);
    this.#rekeyedMs = nowMs;
    if (!isPaidFor) this.#rekeys -= 1;
    if (this.#rekeys < 0) throw new Error('new keys are asked for all the time, with nothing sent in between');
  }

  #isAuthenticated(): boolean {
    // As above.
    return (this.#connection as unknown as { readonly authenticated: boolean }).authenticated;
  }

  #channel(number: number): HiddenSession | undefined {
    // As above; a channel that is not answered yet is no object, and one that is closed is none: the client may not know that yet.
    const { _chanMgr: channels } = this.#connection as unknown as {
      readonly _chanMgr: { readonly _channels: Record<number, unknown>; readonly _cur: number };
    };
    if (number > channels._cur) throw new Error(`a message is for channel ${number}, which was never opened`);
    const found = channels._channels[number];
    return typeof found === 'object' && found !== null ? found : undefined;
  }
}

function wordsFor(reason: number): string {
  if (reason === BY_APPLICATION) return '';
  return 'sallyport: 08P01 a message that SSH has no place for here (RFC 4252, 4253, 4254): check the client';
}
