/** An sftp machine between a client that is written out packet by packet and a host that answers from a few files in memory. */
import type { ChannelEvent } from '../../../core/evidence/channel-event.ts';
import type { HostOperation } from '../../../core/statement/host/host-operation.ts';
import type { ChannelActions, ChannelAnswer } from '../../../proxy-task/ssh/channel-protocol.ts';
import { encodePacket, type Field, FieldReader, string, uint32, uint64 } from '../../../proxy-task/ssh/messages/sftp-fields.ts';
import { FX, FXF, FXP, PacketSplitter } from '../../../proxy-task/ssh/messages/sftp-packet.ts';
import { encodeStatus } from '../../../proxy-task/ssh/messages/sftp-reply.ts';
import { SftpProtocol } from '../../../proxy-task/ssh/sftp-machine.ts';
import type { TransferRules } from '../../../proxy-task/ssh/transfer.ts';

export type FileOperation = HostOperation & { readonly kind: 'file' };
export type Packet = { readonly type: number; readonly id: number; readonly body: Buffer };
export const ACCOUNT = 'deploy';
export const HOME = '/home/deploy';
/** Names and versions, as OpenSSH's server offers them. */
export const ALL_EXTENSIONS = (
  'posix-rename@openssh.com 1 statvfs@openssh.com 2 fstatvfs@openssh.com 2 hardlink@openssh.com 1 fsync@openssh.com 1 ' +
  'lsetstat@openssh.com 1 limits@openssh.com 1 expand-path@openssh.com 1 copy-data 1 home-directory 1 users-groups-by-id@openssh.com 1'
).split(' ');

export type TwinOptions = {
  /** What policy says; every operation runs where it is absent. `held`: people are asked, and `answer` is called by the test. */
  readonly judge?: (operation: FileOperation) => 'run' | 'refused' | 'held';
  /** Links of the host: path → where it leads. */
  readonly links?: Readonly<Record<string, string>>;
  readonly transfers?: TransferRules;
  readonly files?: Readonly<Record<string, string | Buffer>>;
  /** Paths that the host cannot resolve. */
  readonly unknown?: readonly string[];
};

export class SftpTwin {
  readonly asked: FileOperation[] = [];
  readonly held: number[] = [];
  readonly events: ChannelEvent[] = [];
  readonly completed: string[] = [];
  readonly resolved: string[] = [];
  readonly refusals: string[] = [];
  readonly told: string[] = [];
  readonly toTarget: Packet[] = [];
  readonly toClient: Packet[] = [];
  readonly chunks: Buffer[] = [];
  readonly machine: SftpProtocol;
  readonly files: Map<string, Buffer>;
  /** While true the host answers nothing; what it was sent is in `toTarget`. */
  silent = false;
  /** While true answers about paths wait for `answerPaths`. */
  slow = false;
  ended = false;
  pauses = 0;
  resumes = 0;
  readonly #options: TwinOptions;
  readonly #handles = new Map<string, string>();
  #nextHandle = 0;
  #unresolved: (() => void)[] = [];
  #queue: Buffer[] = [];
  #busy = false;

  constructor(options: TwinOptions = {}) {
    this.#options = options;
    this.files = new Map(Object.entries(options.files ?? {}).map(([path, text]) => [path, Buffer.from(text)]));
    const targetPackets = new PacketSplitter((buffer, start, end) => this.#arrived(packetOf(buffer, start, end)));
    const clientPackets = new PacketSplitter((buffer, start, end) => this.toClient.push(packetOf(buffer, start, end)));
    const actions: ChannelActions = {
      toTarget: (bytes) => targetPackets.push(Buffer.from(bytes)),
      toClient: (bytes) => {
        this.chunks.push(Buffer.from(bytes));
        clientPackets.push(Buffer.from(bytes));
      },
      endTarget: () => {
        this.ended = true;
      },
      ask: (ask, operation) => this.#ask(ask, operation),
      resolve: (path, resolved) => {
        this.resolved.push(path);
        if (this.slow) this.#unresolved.push(() => resolved(this.#real(path)));
        else resolved(this.#real(path));
      },
      record: (event) => this.events.push(event),
      completed: (statement, outcome) => this.completed.push(`${statement} ${outcome}`),
      pauseClient: () => {
        this.pauses += 1;
      },
      resumeClient: () => {
        this.resumes += 1;
      },
      tell: (code, message, statement) => this.told.push(`${statement ?? 0} ${code} ${message}`),
      refuse: (code, message) => this.refusals.push(`${code} ${message}`),
    };
    const transfers = options.transfers ?? { blockFindings: 'none' };
    this.machine = new SftpProtocol({ channel: 3, actions, account: ACCOUNT, home: HOME, transfers });
  }

  /** Begun: version 3 with all that OpenSSH has. */
  static begun(options: TwinOptions = {}): SftpTwin {
    const twin = new SftpTwin(options);
    twin.send(encodePacket(FXP.INIT, uint32(3)));
    twin.toTarget.length = 0;
    twin.toClient.length = 0;
    twin.chunks.length = 0;
    return twin;
  }

  /** Sends packets, in pieces where it says so, and lets the host answer. */
  send(bytes: Buffer, pieces?: readonly number[]): this {
    for (const piece of cut(bytes, pieces)) {
      this.machine.fromClient(piece);
      this.pump();
    }
    return this;
  }

  request(type: number, id: number, ...fields: readonly Field[]): this {
    return this.send(encodePacket(type, uint32(id), ...fields));
  }

  /** Opens a file and gives its handle. */
  open(path: string, flags: number): Buffer {
    this.request(FXP.OPEN, 1, string(path), uint32(flags), uint32(0));
    const reply = this.toClient.at(-1);
    if (reply?.type !== FXP.HANDLE) throw new Error(`no handle: ${this.last()}`);
    this.toClient.length = 0;
    return reply.body.subarray(4);
  }

  read(handle: Buffer, offset: number, length: number, id = 9): this {
    return this.request(FXP.READ, id, string(handle), uint64(offset), uint32(length));
  }

  write(handle: Buffer, offset: number, data: string | Buffer, id = 9): this {
    return this.request(FXP.WRITE, id, string(handle), uint64(offset), string(data));
  }

  close(handle: Buffer, id = 9): this {
    return this.request(FXP.CLOSE, id, string(handle));
  }

  answerPaths(): void {
    for (const answer of this.#unresolved.splice(0)) answer();
    this.pump();
  }

  answer(ask: number, kind: 'run' | 'refused'): void {
    this.machine.answered(ask, answerOf(ask, kind));
    this.pump();
  }

  /** The last reply in words: `9 3 sallyport: ZG010 …` for a status, else its type. */
  last(): string {
    return shown(this.toClient.at(-1));
  }

  replies(): readonly string[] {
    return this.toClient.map(shown);
  }

  /** Type and first string of what the host was sent. */
  sent(): readonly string[] {
    return this.toTarget.map(({ type, body }) => `${type} ${firstString(body)}`);
  }

  operations(): readonly string[] {
    return this.asked.map(
      ({ action, paths, attributes }) => `${action} ${paths.join(' ')}${attributes === undefined ? '' : ` ${attributes}`}`,
    );
  }

  #ask(ask: number, operation: HostOperation): void {
    if (operation.kind !== 'file') throw new Error('sftp asks for files only');
    this.asked.push(operation);
    const judged = this.#options.judge?.(operation) ?? 'run';
    if (judged === 'held') this.held.push(ask);
    else this.machine.answered(ask, answerOf(ask, judged));
  }

  #real(path: string): string | undefined {
    if (this.#options.unknown?.includes(path) === true) return undefined;
    const parts: string[] = [];
    for (const part of path.split('/')) {
      if (part === '..') parts.pop();
      else if (part !== '' && part !== '.') parts.push(part);
      const link = this.#options.links?.[`/${parts.join('/')}`];
      if (link !== undefined) parts.splice(0, parts.length, ...link.split('/').filter((each) => each !== ''));
    }
    return `/${parts.join('/')}`;
  }

  #arrived(packet: Packet): void {
    this.toTarget.push(packet);
    if (!this.silent) this.#queue.push(this.#reply(packet));
  }

  pump(): void {
    if (this.#busy) return;
    this.#busy = true;
    for (let reply = this.#queue.shift(); reply !== undefined; reply = this.#queue.shift()) this.machine.fromTarget(reply, 'stdout');
    this.#busy = false;
  }

  #reply({ type, id, body }: Packet): Buffer {
    const reader = new FieldReader(body, 0, body.length);
    const ok = encodeStatus(id, FX.OK, 'done');
    switch (type) {
      case FXP.INIT:
        return encodePacket(FXP.VERSION, uint32(3), ...ALL_EXTENSIONS.map((text) => string(text)));
      case FXP.OPEN: {
        const path = reader.text(9999) ?? '';
        const flags = reader.uint32();
        const exists = this.files.has(path);
        const isTaken = exists || this.#options.links?.[path] !== undefined;
        if (isTaken && (flags & FXF.EXCL) !== 0) return encodeStatus(id, FX.FAILURE, 'Failure');
        if (!exists && (flags & FXF.CREAT) === 0) return encodeStatus(id, FX.NO_SUCH_FILE, 'No such file');
        if (!exists || (flags & FXF.TRUNC) !== 0) this.files.set(path, Buffer.alloc(0));
        return this.#handle(id, path);
      }
      case FXP.OPENDIR:
        return this.#handle(id, reader.text(9999) ?? '');
      case FXP.READ: {
        const file = this.files.get(this.#handles.get(reader.bytes(256).toString('latin1')) ?? '') ?? Buffer.alloc(0);
        const offset = reader.uint64();
        const data = file.subarray(offset, offset + reader.uint32());
        return data.length === 0 ? encodeStatus(id, FX.EOF, 'End of file') : encodePacket(FXP.DATA, uint32(id), string(data));
      }
      case FXP.FSTAT: {
        const file = this.files.get(this.#handles.get(reader.bytes(256).toString('latin1')) ?? '') ?? Buffer.alloc(0);
        return encodePacket(FXP.ATTRS, uint32(id), uint32(1), uint64(file.length));
      }
      case FXP.STAT:
      case FXP.LSTAT:
        return encodePacket(FXP.ATTRS, uint32(id), uint32(4), uint32(0o100644));
      case FXP.REALPATH:
        return encodePacket(FXP.NAME, uint32(id), uint32(1), ...nameOf(this.#real(reader.text(9999) ?? '') ?? '/'));
      case FXP.READLINK:
        return encodePacket(FXP.NAME, uint32(id), uint32(1), ...nameOf('elsewhere'));
      case FXP.READDIR:
        return encodePacket(FXP.NAME, uint32(id), uint32(2), ...nameOf('one'), ...nameOf('two'));
      case FXP.EXTENDED:
        return this.#extended(id, reader);
      default:
        return ok;
    }
  }

  #extended(id: number, reader: FieldReader): Buffer {
    const name = reader.text(99) ?? '';
    if (name === 'limits@openssh.com') {
      return encodePacket(FXP.EXTENDED_REPLY, uint32(id), uint64(999_999), uint64(999_999), uint64(1000), uint64(0));
    }
    if (name === 'expand-path@openssh.com') {
      const real = (reader.text(9999) ?? '').replace(/^~other/u, '/home/other').replace(/^~/u, HOME);
      return encodePacket(FXP.NAME, uint32(id), uint32(1), ...nameOf(real));
    }
    return /^(?:posix|fsync|lset)/u.test(name) ? encodeStatus(id, FX.OK, 'done') : encodePacket(FXP.EXTENDED_REPLY, uint32(id), uint32(7));
  }

  #handle(id: number, path: string): Buffer {
    const handle = `h${this.#nextHandle++}`;
    this.#handles.set(handle, path);
    return encodePacket(FXP.HANDLE, uint32(id), string(handle));
  }
}

export function packetOf(buffer: Buffer, start: number, end: number): Packet {
  const type = buffer[start] ?? 0;
  const id = type > FXP.VERSION ? buffer.readUInt32BE(start + 1) : 0;
  // INIT and VERSION have no id.
  return { type, id, body: Buffer.from(buffer.subarray(start + (type <= FXP.VERSION ? 1 : 5), end)) };
}

/** The bytes in pieces of these lengths, again and again, each in a buffer of its own. */
export function cut(bytes: Buffer, pieces: readonly number[] = []): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const length = pieces.length === 0 ? bytes.length : Math.max(1, pieces[i % pieces.length] ?? 1);
    chunks.push(Buffer.from(bytes.subarray(at, at + length)));
    at += length;
  }
  return chunks;
}

export function nameOf(name: string): readonly Field[] {
  return [string(name), string(`-rw-r--r-- ${name}`), uint32(0)];
}

export function shown(packet: Packet | undefined): string {
  if (packet === undefined) return 'nothing';
  if (packet.type !== FXP.STATUS) return `${packet.id} type ${packet.type}`;
  const reader = new FieldReader(packet.body, 0, packet.body.length);
  return `${packet.id} ${reader.uint32()} ${reader.text(99_999) ?? ''}`;
}

function answerOf(ask: number, kind: 'run' | 'refused'): ChannelAnswer {
  return kind === 'run' ? { kind, statement: 100 + ask } : { kind, statement: 100 + ask, code: 'ZG010', message: 'blocked by policy: no' };
}

function firstString(body: Buffer): string {
  if (body.length < 4) return '';
  const length = body.readUInt32BE(0);
  return length > body.length - 4 ? '' : body.toString('utf8', 4, 4 + length);
}
