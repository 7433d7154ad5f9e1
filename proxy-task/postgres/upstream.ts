/** Logging in to a target with the gateway's own credential. */
import { createHash, randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { POSTGRES_MAJORS, type PostgresMajor, type PostgresTarget } from '../../core/target.ts';
import { type Authentication, decodeAuthentication } from './messages/authentication.ts';
import { type CancelKey, decodeBackendKeyData } from './messages/backend-key-data.ts';
import { decodeErrorFields } from './messages/error-response.ts';
import { decodeParameterStatus } from './messages/parameter-status.ts';
import { encodePassword, encodeSaslInitialResponse, encodeSaslResponse } from './messages/password.ts';
import { decodeReadyForQuery } from './messages/ready-for-query.ts';
import { encodeCancelRequest, encodeStartupMessage } from './messages/startup-packet.ts';
import { type ChannelBinding, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramExchange, type ScramKeyCache } from './scram.ts';
import { UpstreamUnavailable, loginRefused } from './upstream-error.ts';
import { type Address, type OnBytes, type UpstreamSocket, abortedBy, openUpstreamSocket } from './upstream-socket.ts';

/** Settings whose meaning the gateway's reading of statements depends on; the startup packet beats ALTER ROLE and RESET (design §5). */
export const PINNED_PARAMETERS: ReadonlyMap<string, string> = new Map([
  ['client_encoding', 'UTF8'],
  ['standard_conforming_strings', 'on'],
]);

/** Startup parameters that are no settings, or that the gateway sets itself. */
const RESERVED = new Set(['user', 'database', 'options', 'replication', 'application_name', ...PINNED_PARAMETERS.keys()]);
const MAX_LOGIN_MESSAGE_BYTES = 256 * 1024;
const NONCE_BYTES = 18;

export type Login = {
  readonly target: Pick<PostgresTarget, 'host' | 'port' | 'tls' | 'database' | 'user'>;
  readonly password: string;
  readonly applicationName: string;
  /** Settings that the client asked for and the caller allows; a pinned or reserved name is a bug and throws. */
  readonly extraParameters: ReadonlyMap<string, string>;
  readonly timeoutMs: number;
  /** The client went away, or the gateway stops. */
  readonly signal?: AbortSignal;
  readonly scramKeys: ScramKeyCache;
  /** The read buffer that all sessions of the process share; see `openUpstreamSocket`. */
  readonly readBuffer?: Buffer;
};

/** A session on the target that waits for its first statement. The socket is paused until `read`. */
export type Upstream = {
  readonly socket: Socket;
  /** From now on bytes go to `onBytes`, after those in `leftover`; `socket.pause()` and `resume()` hold them back. */
  readonly read: (onBytes: OnBytes) => void;
  /** As reported until ReadyForQuery. */
  readonly parameters: ReadonlyMap<string, string>;
  /** With an empty secret where the target cannot cancel: RDS Proxy sends no BackendKeyData. */
  readonly backendPid: number;
  readonly backendSecret: Buffer;
  readonly serverVersion: PostgresMajor;
  readonly tls: string;
  readonly leftover: Buffer;
};

/** Connects and logs in. Rejects with UpstreamUnavailable; nothing stays open then. */
export async function openUpstream(login: Login): Promise<Upstream> {
  const parameters = startupParameters(login);
  const signal = deadline(login.timeoutMs, login.signal);
  const connection = await openUpstreamSocket(login.target, {
    signal,
    ...(login.readBuffer === undefined ? {} : { readBuffer: login.readBuffer }),
  });
  const abort = (): void => connection.source.fail(abortedBy(signal));
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  try {
    connection.socket.write(encodeStartupMessage(0, parameters));
    await authenticate(connection, login);
    const session = await readSession(connection);
    const leftover = connection.source.detach();
    return { socket: connection.socket, read: connection.read, tls: connection.tls, leftover, ...session };
  } catch (error) {
    connection.source.detach();
    connection.socket.destroy();
    if (error instanceof UpstreamUnavailable) throw error;
    throw new UpstreamUnavailable('protocol', 'the login broke off', { cause: error });
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/**
 * Asks the target to cancel what a session runs, on a connection of its own, encrypted as the session's was. Resolves when the
 * target has taken the request, which says nothing about its success; at once where the target gave no key. Rejects with
 * UpstreamUnavailable.
 */
export async function cancelUpstream(
  target: Address,
  key: CancelKey,
  options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
): Promise<void> {
  if (key.secret.length === 0) return;
  const signal = deadline(options.timeoutMs, options.signal);
  const { socket, source } = await openUpstreamSocket(target, { signal });
  source.detach();
  await new Promise<void>((resolve, reject) => {
    const abort = (): void => {
      reject(abortedBy(signal));
      socket.destroy();
    };
    signal.addEventListener('abort', abort, { once: true });
    socket.once('close', () => {
      signal.removeEventListener('abort', abort);
      resolve();
    });
    if (signal.aborted) abort();
    // The target closes once it has read the request.
    socket.write(encodeCancelRequest(key.processId, key.secret));
    socket.resume();
  });
}

function startupParameters(login: Login): [string, string][] {
  const { target } = login;
  for (const name of login.extraParameters.keys()) {
    if (RESERVED.has(name.toLowerCase()) || name.startsWith('_pq_.')) throw new Error(`startup parameter ${name} is the gateway's own`);
  }
  return [
    ['user', target.user],
    ['database', target.database],
    ['application_name', login.applicationName],
    ...login.extraParameters,
    ...PINNED_PARAMETERS,
  ];
}

async function authenticate(connection: UpstreamSocket, login: Login): Promise<void> {
  let scram: ScramExchange | undefined;
  let scramStep: 'none' | 'first' | 'final' | 'proven' = 'none';
  let passwordSent = false;
  for (;;) {
    const step = await nextAuthentication(connection);
    switch (step.kind) {
      case 'ok':
        // A server that skips its own proof may be anyone.
        if (scramStep !== 'none' && scramStep !== 'proven') throw unexpected('AuthenticationOk before the server proved itself');
        return;
      case 'cleartext':
        if (connection.tls === 'none')
          throw new UpstreamUnavailable('credential', 'the target asks for the password in the clear, without TLS');
        if (passwordSent || scram !== undefined) throw unexpected('a second request for the password');
        passwordSent = true;
        connection.socket.write(encodePassword(login.password));
        break;
      case 'md5':
        if (passwordSent || scram !== undefined) throw unexpected('a second request for the password');
        passwordSent = true;
        connection.socket.write(encodePassword(md5Password(login.target.user, login.password, step.salt)));
        break;
      case 'sasl':
        if (passwordSent || scram !== undefined) throw unexpected('a second request for the password');
        scram = new ScramExchange({
          password: login.password,
          clientNonce: randomBytes(NONCE_BYTES).toString('base64'),
          binding: chooseBinding(step.mechanisms, connection.bindingData),
          keys: login.scramKeys,
        });
        scramStep = 'first';
        connection.socket.write(encodeSaslInitialResponse(scram.mechanism, scram.first()));
        break;
      case 'saslContinue':
        if (scram === undefined || scramStep !== 'first') throw unexpected('AuthenticationSASLContinue out of turn');
        connection.socket.write(encodeSaslResponse(await scram.final(step.data)));
        scramStep = 'final';
        break;
      case 'saslFinal':
        if (scram === undefined || scramStep !== 'final') throw unexpected('AuthenticationSASLFinal out of turn');
        scram.verify(step.data);
        scramStep = 'proven';
        break;
      case 'unsupported':
        throw new UpstreamUnavailable(
          'credential',
          `the target asks for authentication method ${step.method}, which the gateway does not have`,
        );
    }
  }
}

async function nextAuthentication(connection: UpstreamSocket): Promise<Authentication> {
  for (;;) {
    const { type, body } = await connection.source.message(MAX_LOGIN_MESSAGE_BYTES);
    if (type === 'E') throw loginRefused(decodeErrorFields(body, 0, body.length));
    if (type === 'R') return decodeAuthentication(body, 0, body.length);
    if (type !== 'N') throw unexpected(`message ${JSON.stringify(type)} during authentication`);
  }
}

/** PLUS is offered over TLS only; where it is not offered the flag says that the gateway could have, so that a server notices a downgrade. */
function chooseBinding(mechanisms: readonly string[], data: Buffer | undefined): ChannelBinding {
  if (data !== undefined && mechanisms.includes(SCRAM_SHA_256_PLUS)) return { kind: 'bound', data };
  if (!mechanisms.includes(SCRAM_SHA_256))
    throw new UpstreamUnavailable('credential', 'the target offers no SASL mechanism that the gateway has');
  return { kind: data === undefined ? 'none' : 'unoffered' };
}

type Session = Pick<Upstream, 'parameters' | 'backendPid' | 'backendSecret' | 'serverVersion'>;

async function readSession(connection: UpstreamSocket): Promise<Session> {
  const parameters = new Map<string, string>();
  let key: CancelKey = { processId: 0, secret: Buffer.alloc(0) };
  for (;;) {
    const { type, body } = await connection.source.message(MAX_LOGIN_MESSAGE_BYTES);
    switch (type) {
      case 'S': {
        const { name, value } = decodeParameterStatus(body, 0, body.length);
        parameters.set(name, value);
        break;
      }
      case 'K':
        key = decodeBackendKeyData(body, 0, body.length);
        break;
      case 'N':
        break;
      case 'E':
        throw loginRefused(decodeErrorFields(body, 0, body.length));
      case 'Z':
        if (decodeReadyForQuery(body, 0, body.length) !== 'I') throw unexpected('a transaction that is open before the first statement');
        return { parameters, backendPid: key.processId, backendSecret: key.secret, serverVersion: checkedVersion(parameters) };
      default:
        throw unexpected(`message ${JSON.stringify(type)} before the first statement`);
    }
  }
}

function checkedVersion(parameters: ReadonlyMap<string, string>): PostgresMajor {
  for (const [name, value] of PINNED_PARAMETERS) {
    if (parameters.get(name) !== value) throw new UpstreamUnavailable('protocol', `the target does not keep ${name} at ${value}`);
  }
  const version = parameters.get('server_version') ?? '';
  const major = POSTGRES_MAJORS.find((candidate) => candidate === Number.parseInt(version, 10));
  if (major === undefined)
    throw new UpstreamUnavailable('version', `the target is PostgreSQL ${version}; ${POSTGRES_MAJORS.join(', ')} are understood`);
  return major;
}

function md5Password(user: string, password: string, salt: Buffer): string {
  const inner = createHash('md5')
    .update(password + user)
    .digest('hex');
  return `md5${createHash('md5').update(inner).update(salt).digest('hex')}`;
}

function unexpected(what: string): UpstreamUnavailable {
  return new UpstreamUnavailable('protocol', `the target broke the protocol: ${what}`);
}

function deadline(timeoutMs: number, signal: AbortSignal | undefined): AbortSignal {
  const timeout = AbortSignal.timeout(timeoutMs);
  return signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
}
