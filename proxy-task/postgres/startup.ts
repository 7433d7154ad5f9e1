/** From an accepted connection to a client that has said who it is and what it wants; nothing is believed yet. */
import type { Socket } from 'node:net';
import { type SecureContext, TLSSocket } from 'node:tls';
import type { Arrival } from '../listener.ts';
import type { Clock } from '../ports.ts';
import { ByteSource, ConnectionLost } from './byte-source.ts';
import {
  encodeAuthenticationCleartextPassword,
  encodeAuthenticationSasl,
  encodeAuthenticationSaslContinue,
} from './messages/authentication.ts';
import { encodeLegacyError } from './messages/error-response.ts';
import { MalformedMessage, WrongEncoding } from './messages/malformed-message.ts';
import { encodeNegotiateProtocolVersion } from './messages/negotiate-protocol-version.ts';
import { decodePassword, decodeSaslInitialResponse } from './messages/password.ts';
import { MAX_STARTUP_PACKET_BYTES, MIN_STARTUP_PACKET_BYTES, type StartupPacket, decodeStartupPacket } from './messages/startup-packet.ts';
import type { CancelKey } from './messages/backend-key-data.ts';
import { OAUTHBEARER, type OAuthDiscovery, encodeBearerFailure, readBearerToken } from './oauthbearer.ts';
import { type Refusal, encodeRefusal, invalidOption, notLetIn, protocolViolation, tlsRequired, unsupported } from './refusal.ts';
import { endSocket } from '../socket-ending.ts';
import { OptionsRefused, type StartupOption, parseStartupOptions } from './startup-options.ts';

/** `PG_MAX_AUTH_TOKEN_LENGTH` of PostgreSQL. */
const MAX_TOKEN_MESSAGE_BYTES = 65_535;
/** One startup packet or one token, and what a client may have sent after it. */
const MAX_BUFFERED_BYTES = 128 * 1024;
/** First byte of a TLS handshake record: direct TLS (PostgreSQL 17). */
const TLS_HANDSHAKE_BYTE = 0x16;
/** The newest minor version of protocol 3 that is spoken. */
const NEWEST_MINOR = 2;
const ALPN = 'postgresql';

/** A client as far as it has introduced itself. The socket is paused; the caller owns it from here. */
export type ClientCandidate = {
  readonly socket: Socket;
  readonly protocol: { readonly major: 3; readonly minor: 0 | 2 };
  /** Startup parameters without `options`, `replication`, `sallyport.auth` and `_pq_.` ones; `user` and `database` are always there. */
  readonly parameters: ReadonlyMap<string, string>;
  /** Settings from `options`, in order, without `sallyport.auth`. Later ones win, as in PostgreSQL. */
  readonly options: readonly StartupOption[];
  readonly token: string;
  readonly mechanism: 'cleartext' | 'oauthbearer';
  readonly remoteAddress: string;
  /** `TLSv1.3 TLS_AES_256_GCM_SHA384`, or `none`. */
  readonly tls: string;
  /** Bytes that came after the token. */
  readonly leftover: Buffer;
};

export type StartupPolicy = {
  /** Asked at every handshake, so that a renewed certificate is taken up; absent: no TLS. */
  readonly secureContext?: () => SecureContext;
  /** For the whole phase, and for the answer to a failure of OAUTHBEARER. */
  readonly timeoutMs: number;
  readonly oauth?: OAuthDiscovery;
};

export type StartupPorts = {
  readonly clock: Pick<Clock, 'after'>;
  readonly onCancel: (key: CancelKey, remoteAddress: string) => void;
  /** Why a connection ended before it became a candidate; never a token. */
  readonly onRefused?: (reason: string) => void;
};

type Phase = { socket: Socket; source: ByteSource; remoteAddress: string; tls: string };
type Hello = StartupPacket & { readonly kind: 'startup' };
/** Last words for a client, or silence. */
type Ending = { readonly kind: 'ending'; readonly bytes: Buffer | undefined; readonly reason: string };

/** Resolves with a candidate, or with undefined when the connection was ended here. Never rejects. */
export async function acceptStartup(
  { socket: raw, address, late }: Pick<Arrival, 'socket' | 'address' | 'late'>,
  policy: StartupPolicy,
  ports: StartupPorts,
): Promise<ClientCandidate | undefined> {
  const phase: Phase = {
    socket: raw,
    source: new ByteSource(raw, { maxBufferedBytes: MAX_BUFFERED_BYTES }),
    remoteAddress: address,
    tls: 'none',
  };
  const tooLong = (): void => phase.source.fail(new ConnectionLost('the startup phase took too long'));
  late.addEventListener('abort', tooLong);
  try {
    const outcome = await introduce(phase, policy, ports);
    if (!('kind' in outcome)) return outcome;
    end(phase, outcome, ports);
  } catch (error) {
    end(phase, endingOf(error), ports);
  } finally {
    late.removeEventListener('abort', tooLong);
  }
  return undefined;
}

/**
 * Refuses a candidate in the form of its mechanism: OAUTHBEARER has a failure message of its own before the error.
 * Resolves when the last bytes are written; never rejects.
 */
export async function refuseCandidate(
  candidate: ClientCandidate,
  refusal: Refusal,
  policy: Pick<StartupPolicy, 'timeoutMs' | 'oauth'>,
  ports: Pick<StartupPorts, 'clock'>,
): Promise<void> {
  const { socket } = candidate;
  if (candidate.mechanism === 'oauthbearer') {
    const source = new ByteSource(socket, { maxBufferedBytes: MAX_BUFFERED_BYTES });
    const timer = ports.clock.after(policy.timeoutMs, () => source.fail(new ConnectionLost('no answer to the failure')));
    try {
      socket.write(encodeAuthenticationSaslContinue(encodeBearerFailure(policy.oauth)));
      await source.message(MAX_TOKEN_MESSAGE_BYTES);
    } catch {
      // Whatever the client said instead, the refusal below is what follows.
    } finally {
      timer.cancel();
      source.detach();
    }
  }
  endSocket(socket, encodeRefusal(refusal), ports.clock);
}

/** 127.0.0.0/8 and ::1, also as IPv4 in IPv6. */
export function isLoopback(address: string): boolean {
  return address === '::1' || /^(?:::ffff:)?127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/u.test(address);
}

async function introduce(phase: Phase, policy: StartupPolicy, ports: StartupPorts): Promise<ClientCandidate | Ending> {
  if ((await phase.source.peekByte()) === TLS_HANDSHAKE_BYTE) {
    if (policy.secureContext === undefined) return silence('direct TLS, but no certificate is configured');
    await startTls(phase, policy.secureContext(), phase.source.detach());
    if (negotiatedProtocol(phase.socket) !== ALPN) {
      return words(protocolViolation('direct TLS needs ALPN with the protocol "postgresql"'));
    }
  }
  let asked: ReadonlySet<string> = new Set<string>();
  for (;;) {
    const body = await phase.source.packet(MIN_STARTUP_PACKET_BYTES, MAX_STARTUP_PACKET_BYTES);
    const packet = decodeStartupPacket(body, 0, body.length);
    switch (packet.kind) {
      case 'sslRequest':
      case 'gssencRequest': {
        // Bytes behind the request were not encrypted, whoever put them there (CVE-2021-23214).
        if (phase.source.bufferedBytes > 0) return words(protocolViolation('received unencrypted data after a request for encryption'));
        if (asked.has(packet.kind) || phase.tls !== 'none') return words(protocolViolation('encryption was requested twice'));
        asked = new Set([...asked, packet.kind]);
        if (packet.kind === 'sslRequest' && policy.secureContext !== undefined) {
          const context = policy.secureContext();
          const behind = phase.source.detach();
          phase.socket.write('S');
          await startTls(phase, context, behind);
        } else {
          phase.socket.write('N');
        }
        break;
      }
      case 'cancelRequest':
        if (phase.source.bufferedBytes === 0) {
          ports.onCancel({ processId: packet.processId, secret: packet.secret }, phase.remoteAddress);
        }
        return silence('');
      case 'unsupported':
        return refuseVersion(packet.major, packet.minor);
      case 'startup':
        return authenticate(phase, packet, policy);
    }
  }
}

async function authenticate(phase: Phase, hello: Hello, policy: StartupPolicy): Promise<ClientCandidate | Ending> {
  if (phase.tls === 'none' && !isLoopback(phase.remoteAddress)) return words(tlsRequired());
  const parameters = new Map(hello.parameters);
  const unknownOptions = [...parameters.keys()].filter((name) => name.startsWith('_pq_.'));
  for (const name of unknownOptions) parameters.delete(name);
  // 3.1 was never released: what comes closest below it is 3.0.
  const minor = hello.minor >= NEWEST_MINOR ? NEWEST_MINOR : 0;
  if (minor !== hello.minor || unknownOptions.length > 0) phase.socket.write(encodeNegotiateProtocolVersion({ minor, unknownOptions }));

  const replication = parameters.get('replication');
  if (replication !== undefined && !['false', 'off', 'no', '0'].includes(replication)) {
    return words(unsupported('replication connections are not taken'));
  }
  const user = parameters.get('user') ?? '';
  if (user === '') return words(notLetIn());
  if ((parameters.get('database') ?? '') === '') parameters.set('database', user);

  const allOptions = parseStartupOptions(parameters.get('options') ?? '');
  const isAuth = ([name]: StartupOption): boolean => name.toLowerCase() === 'sallyport.auth';
  const wanted = allOptions.findLast(isAuth)?.[1] ?? parameters.get('sallyport.auth') ?? 'cleartext';
  if (wanted !== 'cleartext' && wanted !== 'oauthbearer') return words(invalidOption('sallyport.auth is "cleartext" or "oauthbearer"'));
  for (const name of ['options', 'replication', 'sallyport.auth']) parameters.delete(name);

  const token = wanted === 'cleartext' ? await askPassword(phase) : await askBearer(phase, policy);
  if (typeof token !== 'string') return token;
  return {
    socket: phase.socket,
    protocol: { major: 3, minor },
    parameters,
    options: allOptions.filter((option) => !isAuth(option)),
    token,
    mechanism: wanted,
    remoteAddress: phase.remoteAddress,
    tls: phase.tls,
    leftover: phase.source.detach(),
  };
}

async function askPassword(phase: Phase): Promise<string | Ending> {
  phase.socket.write(encodeAuthenticationCleartextPassword());
  const body = await passwordMessage(phase);
  const token = decodePassword(body, 0, body.length);
  return token === '' ? words(notLetIn()) : token;
}

async function askBearer(phase: Phase, policy: StartupPolicy): Promise<string | Ending> {
  phase.socket.write(encodeAuthenticationSasl([OAUTHBEARER]));
  const body = await passwordMessage(phase);
  const initial = decodeSaslInitialResponse(body, 0, body.length);
  if (initial.mechanism !== OAUTHBEARER) return words(protocolViolation('client selected a SASL mechanism that was not offered'));
  let { response } = initial;
  if (response === undefined) {
    phase.socket.write(encodeAuthenticationSaslContinue(Buffer.alloc(0)));
    response = await passwordMessage(phase);
  }
  const token = readBearerToken(response);
  if (token !== '') return token;
  phase.socket.write(encodeAuthenticationSaslContinue(encodeBearerFailure(policy.oauth)));
  await passwordMessage(phase);
  return words(notLetIn());
}

async function passwordMessage(phase: Phase): Promise<Buffer> {
  const { type, body } = await phase.source.message(MAX_TOKEN_MESSAGE_BYTES);
  if (type !== 'p') throw new MalformedMessage('expected a password message');
  return body;
}

/** Replaces the socket by its TLS side. `received` are bytes of the handshake that were read already. */
async function startTls(phase: Phase, secureContext: SecureContext, received: Buffer): Promise<void> {
  const raw = phase.socket;
  if (received.length > 0) raw.unshift(received);
  const encrypted = new TLSSocket(raw, { isServer: true, secureContext, ALPNProtocols: [ALPN] });
  phase.socket = encrypted;
  await new Promise<void>((resolve, reject) => {
    encrypted.on('error', (cause) => {
      reject(new ConnectionLost('the TLS handshake failed', { cause }));
      encrypted.destroy();
    });
    encrypted.once('close', () => reject(new ConnectionLost('the peer closed the connection')));
    raw.once('close', () => reject(new ConnectionLost('the peer closed the connection')));
    encrypted.once('secure', resolve);
  });
  encrypted.disableRenegotiation();
  phase.source = new ByteSource(encrypted, { maxBufferedBytes: MAX_BUFFERED_BYTES });
  phase.tls = `${encrypted.getProtocol() ?? 'TLS'} ${encrypted.getCipher().name}`;
}

function negotiatedProtocol(socket: Socket): string | false | null {
  return socket instanceof TLSSocket ? socket.alpnProtocol : false;
}

function refuseVersion(major: number, minor: number): Ending {
  const message = `unsupported frontend protocol ${major}.${minor}: the gateway supports 3.0 to 3.${NEWEST_MINOR}`;
  // Clients older than protocol 3 read errors without length and fields.
  if (major < 3) return { kind: 'ending', bytes: encodeLegacyError(message), reason: message };
  return words(unsupported(message));
}

function endingOf(error: unknown): Ending {
  if (error instanceof MalformedMessage || error instanceof WrongEncoding) return words(protocolViolation(error.message));
  if (error instanceof OptionsRefused) return words(invalidOption(error.message));
  if (error instanceof ConnectionLost) return silence(error.message);
  return silence(`internal error: ${error instanceof Error ? error.message : 'unknown'}`);
}

function words(refusal: Refusal): Ending {
  return { kind: 'ending', bytes: encodeRefusal(refusal), reason: refusal.message };
}

function silence(reason: string): Ending {
  return { kind: 'ending', bytes: undefined, reason };
}

function end(phase: Phase, ending: Ending, ports: StartupPorts): void {
  phase.source.detach();
  if (ending.bytes === undefined) phase.socket.destroy();
  else endSocket(phase.socket, ending.bytes, ports.clock);
  if (ending.reason !== '') ports.onRefused?.(ending.reason);
}
