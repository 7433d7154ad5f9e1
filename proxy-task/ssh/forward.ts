/** A connection that the host makes for the agent (RFC 4254 §7.2): judged by where it goes; what goes through is counted and hashed. */
import { createHash } from 'node:crypto';
import { isIPv4, isIPv6 } from 'node:net';
import type { ServerChannel, TcpipRequestInfo } from 'ssh2';
import { ChannelJudging } from './channel-judging.ts';
import { ChannelRelay } from './channel-relay.ts';
import { ChannelEnvironment } from './channel-settings.ts';
import type { LiveHostSession } from './live-session.ts';
import { reconnect, refusalLine, targetRefused, unsupported, type HostRefusal } from './refusal.ts';
import { openForward } from './upstream.ts';

const HOST = /^[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252}[A-Za-z0-9_.])?$/;
const ADDRESS_6 = /^[0-9A-Fa-f:.]{2,45}$/;

/** What resolvers read as an address: 2130706433, 0x7f.1, 127.1 and 0177.0.0.1 are all one. */
const NUMBER = /^(?:\d+|0x[\da-f]*)$/u;
/** An address of IPv4 within one of IPv6, as the parser of URLs writes it. */
const MAPPED = /^\[::ffff:([\da-f]{1,4}):([\da-f]{1,4})\]$/u;

/**
 * `db.internal:5432`, `[::1]:80`; undefined where it is no place. Every address has one spelling, since policy compares names: what a
 * name leads to is the host's to say.
 */
export function endpointOf({ destIP, destPort }: Pick<TcpipRequestInfo, 'destIP' | 'destPort'>): string | undefined {
  if (!Number.isInteger(destPort) || destPort < 1 || destPort > 65_535) return undefined;
  const place = destIP.includes(':') ? address6(destIP) : nameOf(destIP);
  return place === undefined ? undefined : `${place}:${destPort}`;
}

function nameOf(written: string): string | undefined {
  // A name with a dot at its end is the same place.
  const host = written.toLowerCase().replace(/\.$/u, '');
  if (!HOST.test(host)) return undefined;
  return NUMBER.test(host.slice(host.lastIndexOf('.') + 1)) && !isIPv4(host) ? undefined : host;
}

function address6(written: string): string | undefined {
  if (!ADDRESS_6.test(written) || !isIPv6(written)) return undefined;
  const { hostname } = new URL(`http://[${written}]/`);
  const [, high, low] = MAPPED.exec(hostname) ?? [];
  if (high === undefined || low === undefined) return hostname;
  const bits = [high, low].map((part) => Number.parseInt(part, 16));
  return bits.flatMap((part) => [part >> 8, part & 255]).join('.');
}

export class ForwardChannel {
  readonly #session: LiveHostSession;
  readonly #number: number;
  readonly #onClosed: () => void;
  readonly #judging: ChannelJudging;
  #relay: ChannelRelay | undefined;
  #gone = false;

  constructor(session: LiveHostSession, number: number, onClosed: () => void) {
    this.#session = session;
    this.#number = number;
    this.#onClosed = onClosed;
    // There is nowhere to say that it waits: the approval itself tells people.
    this.#judging = new ChannelJudging(session, new ChannelEnvironment([]), () => undefined);
  }

  get isBusy(): boolean {
    return false;
  }

  get isRunning(): boolean {
    return this.#judging.record.running > 0;
  }

  /** Judges, connects, then answers the client. Never rejects. */
  async open(info: TcpipRequestInfo, accept: () => ServerChannel, reject: (why: string) => void): Promise<void> {
    const session = this.#session;
    const endpoint = endpointOf(info);
    if (endpoint === undefined || !session.restrictions.forward || session.restrictions.command !== undefined) {
      session.refusedRequest('direct-tcpip');
      this.#refuse(
        reject,
        unsupported(endpoint === undefined ? 'that is no place to connect to' : 'the certificate that was shown forbids it'),
      );
      return;
    }
    const { account } = session;
    const judgement = await this.#judging.ask(() => Promise.resolve({ kind: 'forward', endpoint, account }));
    if (judgement.kind === 'refused' || this.#gone) {
      this.#refuse(reject, judgement.kind === 'refused' ? judgement.refusal : reconnect('it has ended'));
      return;
    }
    let upstream;
    try {
      upstream = await openForward(session.upstream, hostOf(endpoint), info.destPort);
    } catch {
      this.#judging.completed(judgement.statement, 'error');
      this.#refuse(reject, targetRefused(session.target.name, `connect to ${endpoint}`));
      return;
    }
    if (this.#gone) {
      upstream.close();
      return;
    }
    const { turn } = session;
    turn.append({ type: 'channel.opened', channel: this.#number, kind: 'forward' });
    const hashes = { input: createHash('sha256'), output: createHash('sha256') };
    const client = accept();
    const relay = new ChannelRelay({
      session,
      channel: this.#number,
      client,
      terminal: false,
      hasStderr: false,
      onBytes: (direction, bytes) => void hashes[direction].update(bytes),
      onEnded: (_exit, reason) => {
        const { inputBytes, outputBytes } = relay;
        turn.append({
          type: 'channel.operation',
          channel: this.#number,
          statement: judgement.statement,
          text: `forward to ${endpoint}`,
          outcome: 'ok',
          detail: `sent ${inputBytes} bytes, sha256 ${hashes.input.digest('hex')}; received ${outputBytes} bytes, sha256 ${hashes.output.digest('hex')}`,
        });
        this.#judging.completed(judgement.statement, 'ok');
        turn.append({ type: 'channel.closed', channel: this.#number, reason, inputBytes, outputBytes });
      },
      onDelivered: () => this.#judging.delivered(),
    });
    this.#relay = relay;
    client.on('close', () => {
      relay.clientGone('the client closed it');
      this.#close('the client closed it');
    });
    relay.start(upstream);
  }

  end(_refusal: unknown, reason: string): Promise<void> {
    this.#relay?.clientGone(reason);
    this.#close(reason);
    return Promise.resolve();
  }

  /** Nothing can be recorded any more. */
  cut(): void {
    this.#relay?.cut(undefined);
    this.#close('the recorder cannot write');
  }

  #refuse(reject: (why: string) => void, refusal: HostRefusal): void {
    reject(refusalLine(refusal));
    this.#close('it was refused');
  }

  #close(reason: string): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#judging.close(reason);
    this.#onClosed();
  }
}

function hostOf(endpoint: string): string {
  const host = endpoint.slice(0, endpoint.lastIndexOf(':'));
  return host.startsWith('[') ? host.slice(1, -1) : host;
}
