// A client that sends any bytes and shows every message: for what drivers never do, and what they hide.
import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { FrameSplitter, upstreamFrameLimits } from '../../proxy-task/postgres/frames.ts';
import { decodeAuthentication } from '../../proxy-task/postgres/messages/authentication.ts';
import { type CancelKey, decodeBackendKeyData } from '../../proxy-task/postgres/messages/backend-key-data.ts';
import { encodeFlush, encodeSync } from '../../proxy-task/postgres/messages/bodiless.ts';
import { decodeDataRow } from '../../proxy-task/postgres/messages/data-row.ts';
import { encodeClose, encodeDescribe } from '../../proxy-task/postgres/messages/describe-close.ts';
import { decodeErrorFields, errorField } from '../../proxy-task/postgres/messages/error-response.ts';
import { encodeExecute } from '../../proxy-task/postgres/messages/execute.ts';
import { MessageWriter } from '../../proxy-task/postgres/messages/message-writer.ts';
import { encodeParse } from '../../proxy-task/postgres/messages/parse.ts';
import { encodePassword, encodeSaslInitialResponse, encodeSaslResponse } from '../../proxy-task/postgres/messages/password.ts';
import { encodeQuery } from '../../proxy-task/postgres/messages/query.ts';
import { encodeCancelRequest, encodeStartupMessage } from '../../proxy-task/postgres/messages/startup-packet.ts';
import { SCRAM_SHA_256, ScramExchange, ScramKeyCache } from '../../proxy-task/postgres/scram.ts';

export type WireMessage = { readonly type: string; readonly body: Buffer };

export type WireLogin = {
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: string;
  /** Of protocol 3; 0 unless told. */
  readonly minor?: number;
  readonly parameters?: Readonly<Record<string, string>>;
};

const DEADLINE_MS = 15_000;

export class WireClient {
  readonly socket: Socket;
  /** Of the login: everything before the first ReadyForQuery. */
  greeting: readonly WireMessage[] = [];
  #messages: WireMessage[] = [];
  #ended = false;
  #wake: (() => void) | undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
    const splitter = new FrameSplitter({
      limits: upstreamFrameLimits(),
      onFrame: (type, buffer, start, end) => {
        this.#messages.push({ type: String.fromCharCode(type), body: Buffer.from(buffer.subarray(start, end)) });
      },
    });
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => {
      splitter.push(chunk);
      this.#wake?.();
    });
    // A connection that breaks is an outcome like another: `closed` tells it.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#ended = true;
      this.#wake?.();
    });
  }

  /** Connected, nothing sent. */
  static async open(port: number): Promise<WireClient> {
    const socket = connect(port, '127.0.0.1');
    const client = new WireClient(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return client;
  }

  /** Logged in, by whichever method is asked for. Throws the error that the server tells. */
  static async login(login: WireLogin): Promise<WireClient> {
    const client = await WireClient.open(login.port);
    const told = await client.introduce(login);
    if (told.at(-1)?.type !== 'Z') throw new Error(`not let in: ${describeMessages(told).join(' ')}`);
    client.greeting = told;
    return client;
  }

  /** Sends the startup packet and what is asked for then; all messages up to ReadyForQuery or the error. */
  async introduce(login: WireLogin): Promise<readonly WireMessage[]> {
    const { user, database, parameters = {} } = login;
    this.send(encodeStartupMessage(login.minor ?? 0, Object.entries({ user, database, ...parameters })));
    let scram: ScramExchange | undefined;
    const told: WireMessage[] = [];
    for (;;) {
      const message = await this.read();
      if (message === undefined) return told;
      told.push(message);
      if (message.type === 'Z' || message.type === 'E') return told;
      if (message.type !== 'R') continue;
      const step = decodeAuthentication(message.body, 0, message.body.length);
      if (step.kind === 'cleartext') this.send(encodePassword(login.password));
      if (step.kind === 'sasl') {
        const keys = new ScramKeyCache({ hashKey: randomBytes(32) });
        const clientNonce = randomBytes(18).toString('base64');
        scram = new ScramExchange({ password: login.password, clientNonce, binding: { kind: 'none' }, keys });
        this.send(encodeSaslInitialResponse(SCRAM_SHA_256, scram.first()));
      }
      if (step.kind === 'saslContinue' && scram !== undefined) this.send(encodeSaslResponse(await scram.final(step.data)));
    }
  }

  get key(): CancelKey {
    const message = this.greeting.find(({ type }) => type === 'K');
    if (message === undefined) throw new Error('no cancel key was given');
    return decodeBackendKeyData(message.body, 0, message.body.length);
  }

  send(...pieces: readonly Buffer[]): void {
    this.socket.write(pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces));
  }

  /** The next message; undefined when the connection has ended. Throws after the deadline. */
  async read(deadlineMs = DEADLINE_MS): Promise<WireMessage | undefined> {
    const untilMs = Date.now() + deadlineMs;
    for (;;) {
      const message = this.#messages.shift();
      if (message !== undefined) return message;
      if (this.#ended) return undefined;
      const leftMs = untilMs - Date.now();
      if (leftMs <= 0) throw new Error(`no message within ${deadlineMs} ms`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.#wake = undefined;
    }
  }

  /** All messages until each letter of `types` has come once, in this order; or until the connection ends. */
  async until(types: string, deadlineMs = DEADLINE_MS): Promise<readonly WireMessage[]> {
    const untilMs = Date.now() + deadlineMs;
    const read: WireMessage[] = [];
    for (const type of types) {
      let message: WireMessage | undefined;
      do {
        try {
          message = await this.read(untilMs - Date.now());
        } catch (cause) {
          throw new Error(`awaited ${types}, got ${describeMessages(read).join(' ')}`, { cause });
        }
        if (message === undefined) return read;
        read.push(message);
      } while (message.type !== type);
    }
    return read;
  }

  /** Sends and reads up to `types`, as lines that can be compared. */
  async exchange(pieces: readonly Buffer[], types = 'Z'): Promise<readonly string[]> {
    this.send(...pieces);
    return describeMessages(await this.until(types));
  }

  /** What came until the other side closed. Throws when it does not. */
  async closed(deadlineMs = DEADLINE_MS): Promise<readonly WireMessage[]> {
    const untilMs = Date.now() + deadlineMs;
    const read: WireMessage[] = [];
    for (;;) {
      const message = await this.read(untilMs - Date.now());
      if (message === undefined) return read;
      read.push(message);
    }
  }

  destroy(): void {
    this.socket.destroy();
  }
}

/** A CancelRequest on a connection of its own; resolves when that is closed. */
export async function cancelRequest(port: number, key: CancelKey): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.end(encodeCancelRequest(key.processId, key.secret));
  socket.resume();
  await new Promise<void>((resolve) => socket.once('close', () => resolve()));
}

/** Short names for what scripts are made of. */
export const wire = {
  query: encodeQuery,
  parse: (statement: string, sql: string, parameterTypes: readonly number[] = []) => encodeParse({ statement, sql, parameterTypes }),
  /** Strings go as text, buffers as binary. */
  bind: (portal: string, statement: string, parameters: readonly (string | Buffer | null)[] = [], results: readonly (0 | 1)[] = []) =>
    encodeAnyBind(portal, statement, parameters, results),
  execute: (portal = '', maxRows = 0) => encodeExecute({ portal, maxRows }),
  describeStatement: (name: string) => encodeDescribe({ kind: 'statement', name }),
  describePortal: (name: string) => encodeDescribe({ kind: 'portal', name }),
  closeStatement: (name: string) => encodeClose({ kind: 'statement', name }),
  closePortal: (name: string) => encodeClose({ kind: 'portal', name }),
  sync: encodeSync,
  flush: encodeFlush,
  /** Any message, well-formed or not. */
  raw: (type: string, body: Uint8Array, length = body.length + 4) => {
    const header = Buffer.alloc(5);
    header.write(type, 0, 'latin1');
    header.writeInt32BE(length | 0, 1);
    return Buffer.concat([header, body]);
  },
};

/** One line a message: enough to tell any two apart, without what differs from server process to server process. */
export function describeMessages(messages: readonly WireMessage[]): string[] {
  return messages.map(describeMessage);
}

function describeMessage({ type, body }: WireMessage): string {
  switch (type) {
    case 'D':
      return `D ${decodeDataRow(body, 0, body.length)
        .map((cell) => (cell === null ? 'NULL' : shortened(cell)))
        .join('|')}`;
    case 'E':
    case 'N': {
      const fields = decodeErrorFields(body, 0, body.length);
      const told = ['S', 'C', 'M', 'D', 'H', 'P', 's', 't', 'c', 'n'].map((letter) => [letter, errorField(fields, letter)] as const);
      return `${type} ${told.flatMap(([letter, value]) => (value === undefined ? [] : [`${letter}=${value}`])).join(' ')}`;
    }
    case 'T':
      return `T ${body.length} ${rowDescription(body)}`;
    case 'A':
      return `A ${body.toString('utf8', 4)}`;
    default:
      return body.length === 0 ? type : `${type} ${shortened(body)}`;
  }
}

/** Text as it is, long values by their length and both ends, bytes as hexadecimal. */
function shortened(value: Buffer): string {
  if (value.length > 200) return `${value.length} bytes ${value.toString('hex', 0, 16)}…${value.toString('hex', value.length - 16)}`;
  const text = value.toString('latin1');
  return /^[\x20-\x7e]*$/.test(text) ? text : `x${value.toString('hex')}`;
}

/** Names, attributes, types and formats; relations by their kind only, since those made in a test differ by OID. */
function rowDescription(body: Buffer): string {
  const columns: string[] = [];
  let at = 2;
  for (let left = body.readUInt16BE(0); left > 0; left -= 1) {
    const end = body.indexOf(0, at);
    const name = body.toString('utf8', at, end);
    const table = body.readUInt32BE(end + 1);
    const rest = body.toString('hex', end + 5, end + 19);
    columns.push(`${name}:${table === 0 ? 'computed' : table < 16_384 ? table : 'relation'}:${rest}`);
    at = end + 19;
  }
  return columns.join(',');
}

/** The SQLSTATE of the first error among these, with its severity: `ERROR ZG010`. */
export function firstError(messages: readonly WireMessage[]): string | undefined {
  const error = messages.find(({ type }) => type === 'E');
  if (error === undefined) return undefined;
  const fields = decodeErrorFields(error.body, 0, error.body.length);
  return `${errorField(fields, 'S') ?? ''} ${errorField(fields, 'C') ?? ''}`;
}

function encodeAnyBind(
  portal: string,
  statement: string,
  parameters: readonly (string | Buffer | null)[],
  results: readonly (0 | 1)[],
): Buffer {
  const writer = new MessageWriter().begin('B').text(portal).text(statement).int16(parameters.length);
  for (const value of parameters) writer.int16(Buffer.isBuffer(value) ? 1 : 0);
  writer.int16(parameters.length);
  for (const value of parameters) {
    if (value === null) writer.int32(-1);
    else writer.int32(Buffer.byteLength(value)).bytes(Buffer.from(value));
  }
  writer.int16(results.length);
  for (const format of results) writer.int16(format);
  return writer.end().finish();
}
