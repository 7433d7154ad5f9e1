/** A connection to a target, encrypted as its configuration demands, before the first message of the protocol. */
import { readFile } from 'node:fs/promises';
import { type Socket, connect, isIP } from 'node:net';
import { type ConnectionOptions, type TLSSocket, connect as connectTls } from 'node:tls';
import type { PostgresTarget } from '../../core/target.ts';
import { type ByteFeed, ByteSource } from './byte-source.ts';
import { certificateHash } from './certificate-hash.ts';
import { encodeSslRequest } from './messages/startup-packet.ts';
import { isLoopback } from './startup.ts';
import { UpstreamUnavailable } from './upstream-error.ts';

/** Bytes of the target: `start`..`end` of `buffer` hold until the callback returns. */
export type OnBytes = (buffer: Buffer, start: number, end: number) => void;

export type UpstreamSocket = {
  readonly socket: Socket;
  readonly source: ByteSource;
  /** From now on bytes go to `onBytes`; what `source` held is the caller's to take with `detach` before. */
  readonly read: (onBytes: OnBytes) => void;
  /** `TLSv1.3 TLS_AES_256_GCM_SHA384`, or `none`. */
  readonly tls: string;
  /** `tls-server-end-point` of the target's certificate. */
  readonly bindingData: Buffer | undefined;
};

export type Address = Pick<PostgresTarget, 'host' | 'port' | 'tls'>;

const KEEP_ALIVE_MS = 60_000;
/** Logins are short; a target that sends more than this during one is not PostgreSQL. */
const MAX_BUFFERED_BYTES = 1024 * 1024;

/**
 * Connects and encrypts. `signal` ends it, whenever it fires before the promise settles. `readBuffer` is the read buffer
 * that all sessions share; it serves unencrypted connections only, since Node reads TLS on top of a socket into buffers of its
 * own. Rejects with UpstreamUnavailable.
 */
export async function openUpstreamSocket(
  target: Address,
  options: { readonly signal: AbortSignal; readonly readBuffer?: Buffer },
): Promise<UpstreamSocket> {
  if (target.tls.mode === 'disable' && !isLocal(target.host)) throw notLocal();
  const plain = target.tls.mode === 'disable' ? openPlain(target, options.readBuffer) : openPlain(target, undefined);
  const { socket } = plain;
  const abort = (): void => {
    socket.destroy();
  };
  options.signal.addEventListener('abort', abort, { once: true });
  try {
    await connected(socket, options.signal);
    if (target.tls.mode === 'verify-full') return await encrypt(socket, target, target.tls);
    // A name is what the resolver makes of it.
    if (!target.host.startsWith('/') && !isLoopback(socket.remoteAddress ?? '')) throw notLocal();
    const source = new ByteSource(socket, { maxBufferedBytes: MAX_BUFFERED_BYTES, feed: plain.feed });
    return { socket, source, read: plain.read, tls: 'none', bindingData: undefined };
  } catch (error) {
    socket.destroy();
    if (options.signal.aborted) throw abortedBy(options.signal);
    if (error instanceof UpstreamUnavailable) throw error;
    throw new UpstreamUnavailable('unreachable', 'the target does not answer as PostgreSQL does', { cause: error });
  } finally {
    options.signal.removeEventListener('abort', abort);
  }
}

/** The error for a signal that fired. */
export function abortedBy(signal: AbortSignal): UpstreamUnavailable {
  const timedOut = signal.reason instanceof DOMException && signal.reason.name === 'TimeoutError';
  return timedOut
    ? new UpstreamUnavailable('timedOut', 'the target took too long')
    : new UpstreamUnavailable('canceled', 'the connection is no longer wanted');
}

/** Where TLS may be disabled: a Unix socket, or loopback. */
function isLocal(host: string): boolean {
  return host.startsWith('/') || host === 'localhost' || isLoopback(host);
}

function notLocal(): UpstreamUnavailable {
  return new UpstreamUnavailable('tls', 'the target is not on loopback, and its TLS is disabled');
}

type Plain = { readonly socket: Socket; readonly feed: ByteFeed; readonly read: (onBytes: OnBytes) => void };

function openPlain(target: Address, readBuffer: Buffer | undefined): Plain {
  let onBytes: OnBytes | undefined;
  const where = target.host.startsWith('/')
    ? { path: `${target.host}/.s.PGSQL.${target.port}` }
    : { host: target.host, port: target.port, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS };
  const onread =
    readBuffer === undefined
      ? {}
      : {
          onread: {
            buffer: readBuffer,
            callback: (bytes: number): boolean => {
              onBytes?.(readBuffer, 0, bytes);
              return true;
            },
          },
        };
  const socket = connect({ ...where, ...onread });
  // An error without a listener would end the process; whoever reads learns of it by the close that follows.
  socket.on('error', () => socket.destroy());
  if (readBuffer === undefined) return { socket, feed: dataFeed(socket), read: (next) => readData(socket, next) };
  return {
    socket,
    feed: (take) => {
      onBytes = (buffer, start, end) => take(Buffer.from(buffer.subarray(start, end)));
      socket.resume();
      return {
        stop: () => {
          onBytes = undefined;
        },
      };
    },
    read: (next) => {
      onBytes = next;
      socket.resume();
    },
  };
}

async function encrypt(raw: Socket, target: Address, tls: PostgresTarget['tls'] & { mode: 'verify-full' }): Promise<UpstreamSocket> {
  const ca = tls.caFile === undefined ? tls.ca : await readCa(tls.caFile);
  const plain = new ByteSource(raw, { maxBufferedBytes: MAX_BUFFERED_BYTES });
  raw.write(encodeSslRequest());
  const answer = (await plain.exactly(1))[0];
  // Bytes behind the answer were not encrypted, whoever put them there (CVE-2021-23222).
  if (plain.detach().length > 0) throw new UpstreamUnavailable('tls', 'the target sent unencrypted data after its answer to SSLRequest');
  if (answer !== 0x53) throw new UpstreamUnavailable('tls', 'the target does not offer TLS, and its configuration demands it');
  const name = tls.serverName ?? target.host;
  const options: ConnectionOptions = {
    socket: raw,
    // Names are compared with `host` where the server name cannot be sent because it is an address (RFC 6066 §3).
    host: name,
    ALPNProtocols: ['postgresql'],
    minVersion: 'TLSv1.2',
    rejectUnauthorized: true,
    ...(isIP(name) === 0 ? { servername: name } : {}),
    ...(ca === undefined ? {} : { ca }),
  };
  const socket = await secured(raw, options);
  const source = new ByteSource(socket, { maxBufferedBytes: MAX_BUFFERED_BYTES });
  return {
    socket,
    source,
    read: (onBytes) => readData(socket, onBytes),
    tls: `${socket.getProtocol() ?? 'TLS'} ${socket.getCipher().name}`,
    bindingData: certificateHash(socket.getPeerCertificate().raw),
  };
}

async function secured(raw: Socket, options: ConnectionOptions): Promise<TLSSocket> {
  const socket = connectTls(options);
  await new Promise<void>((resolve, reject) => {
    const fail = (cause?: Error): void => {
      const reason = cause === undefined ? 'the target closed the connection' : cause.message;
      reject(new UpstreamUnavailable('tls', `no TLS with the target: ${reason}`, { cause }));
    };
    socket.on('error', (cause: Error) => {
      fail(cause);
      socket.destroy();
    });
    socket.once('close', () => fail());
    raw.once('close', () => fail());
    socket.once('secureConnect', resolve);
  });
  return socket;
}

async function connected(socket: Socket, signal: AbortSignal): Promise<void> {
  if (signal.aborted) throw abortedBy(signal);
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', (cause) => reject(new UpstreamUnavailable('unreachable', 'the target cannot be reached', { cause })));
    socket.once('close', () => reject(new UpstreamUnavailable('unreachable', 'the target cannot be reached')));
  });
}

async function readCa(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new UpstreamUnavailable('tls', 'the certificates to verify the target with cannot be read', { cause });
  }
}

function dataFeed(socket: Socket): ByteFeed {
  return (take) => {
    socket.on('data', take);
    socket.resume();
    return { stop: () => socket.off('data', take) };
  };
}

function readData(socket: Socket, onBytes: OnBytes): void {
  socket.on('data', (chunk: Buffer) => onBytes(chunk, 0, chunk.length));
  socket.resume();
}
