/**
 * sftp version 3 between an agent and a host. Both directions are read packet by packet; request ids on the host's side are ours.
 * Requests that name a path are judged (sftp-requests.ts); those on a handle follow from what was judged when it was opened.
 * Links are not made, and extensions that are not understood are not offered.
 */
import { visibleText } from '../../core/approval/visible.ts';
import type { HostPath } from '../../core/statement/host/host-operation.ts';
import type { ChannelActions, ChannelAnswer, ChannelProtocol } from './channel-protocol.ts';
import { MalformedMessage } from './messages/malformed-message.ts';
import { areOrdinary, type Attributes, attributeFields } from './messages/sftp-attributes.ts';
import { encodePacket, FieldReader, string, uint32 } from './messages/sftp-fields.ts';
import { FX, FXP, MAX_DATA_BYTES, PacketSplitter, SFTP_VERSION } from './messages/sftp-packet.ts';
import {
  dataStart,
  decodeHandle,
  decodeNames,
  decodeSize,
  decodeStatus,
  decodeVersion,
  encodeInit,
  encodeStatus,
  encodeVersion,
  isOk,
  lowerLimits,
  type Status,
} from './messages/sftp-reply.ts';
import { decodeRequest, type SftpRequest } from './messages/sftp-request.ts';
import { OpenFile } from './sftp-file.ts';
import { PacketRun } from './sftp-out.ts';
import { absolutePath, isResolved } from './sftp-place.ts';
import { planOf, planSetAttributes } from './sftp-plan.ts';
import { PathRequests, type PlannedRequest } from './sftp-requests.ts';
import { type Stopped, stoppedMessage, Transfer, type TransferRules } from './transfer.ts';

export type SftpOptions = {
  readonly channel: number;
  readonly actions: ChannelActions;
  readonly account: string;
  readonly home: HostPath;
  readonly transfers: TransferRules;
};

/** Requests that the host has not answered, beyond which the client waits. OpenSSH's own client has 64. */
const MAX_OUTSTANDING = 1_024;
/** Requests with paths that are not answered, beyond which the client waits. */
const MAX_PATH_REQUESTS = 128;
/** Files and folders that a channel has open at a time. */
const MAX_HANDLES = 1_024;
const MAX_REASON_CHARACTERS = 1_024;
const UNSCANNED = { scan: false } as const;

/** What a reply belongs to. `reply` is its type where it is no STATUS. */
type Outstanding =
  | { readonly kind: 'read'; readonly clientId: number; readonly file: OpenFile; readonly offset: number; readonly length: number }
  | { readonly kind: 'write'; readonly clientId: number; readonly file: OpenFile }
  | { readonly kind: 'close'; readonly clientId: number; readonly file: OpenFile }
  | { readonly kind: 'size'; readonly file: OpenFile }
  | { readonly kind: 'passed' | 'limits' | 'named'; readonly clientId: number; readonly reply: number }
  | { readonly kind: 'planned'; readonly request: PlannedRequest };

export class SftpProtocol implements ChannelProtocol {
  readonly #options: SftpOptions;
  readonly #actions: ChannelActions;
  readonly #fromClient: PacketSplitter;
  readonly #fromTarget: PacketSplitter;
  readonly #toTarget: PacketRun;
  readonly #toClient: PacketRun;
  readonly #requests: PathRequests;
  readonly #outstanding = new Map<number, Outstanding>();
  readonly #files = new Map<string, OpenFile>();
  /** Closed by the client, and the host has not said so yet. */
  readonly #closing = new Set<OpenFile>();
  #phase: 'begin' | 'asked' | 'open' | 'over' = 'begin';
  #extensions: ReadonlySet<string> = new Set();
  #nextId = 0;
  #opening = 0;
  #paused = false;
  #clientDone = false;
  #targetDone = false;

  constructor(options: SftpOptions) {
    const { channel, actions, account, home } = options;
    this.#options = options;
    this.#actions = actions;
    this.#fromClient = new PacketSplitter((buffer, start, end) => this.#request(buffer, start, end));
    this.#fromTarget = new PacketSplitter((buffer, start, end) => this.#reply(buffer, start, end));
    this.#toTarget = new PacketRun((bytes) => actions.toTarget(bytes));
    this.#toClient = new PacketRun((bytes) => actions.toClient(bytes, UNSCANNED));
    this.#requests = new PathRequests({
      channel,
      account,
      home,
      actions: {
        ask: (ask, operation) => actions.ask(ask, operation),
        // The answer may come at any time: what follows from it leaves at once.
        resolve: (path, resolved) => actions.resolve(path, (real) => this.#run(() => resolved(real))),
        record: (event) => actions.record(event),
        completed: (statement, outcome) => actions.completed(statement, outcome),
      },
      send: (request) => this.#sendPlanned(request),
      fail: (clientId, code, message) => this.#fail(clientId, code, message),
    });
  }

  fromClient(chunk: Buffer): void {
    this.#run(() => this.#fromClient.push(chunk));
  }

  /** An sftp server says nothing on its standard error that belongs to the protocol. */
  fromTarget(chunk: Buffer, stream: 'stdout' | 'stderr'): void {
    if (stream === 'stdout') this.#run(() => this.#fromTarget.push(chunk));
  }

  answered(ask: number, answer: ChannelAnswer): void {
    this.#run(() => this.#requests.answered(ask, answer));
  }

  /** Nothing more comes from the client. The host is told once it has answered: OpenSSH's server drops what it has not sent by then. */
  clientEnded(): void {
    this.#clientDone = true;
    this.#run(() => undefined);
  }

  /** Nothing more comes from the host, or the channel is gone: files that are open have come as far as they have. */
  targetEnded(): void {
    this.#finish();
  }

  /** Listings that were permitted are judged anew: for when the rules have changed. */
  forgetListings(): void {
    this.#requests.forget();
  }

  /** Whatever happens inside, its packets leave together, and what is no packet ends the channel. */
  #run(step: () => void): void {
    if (this.#phase === 'over') return;
    try {
      step();
    } catch (error) {
      if (!(error instanceof MalformedMessage)) throw error;
      this.#flush();
      this.#finish();
      this.#actions.refuse('08P01', error.message);
      return;
    }
    this.#flush();
    this.#holdClient();
    const idle = this.#outstanding.size === 0 && this.#requests.size === 0;
    if (this.#clientDone && idle && !this.#targetDone) {
      this.#targetDone = true;
      this.#actions.endTarget();
    }
  }

  #flush(): void {
    this.#toTarget.flush();
    this.#toClient.flush();
  }

  #finish(): void {
    if (this.#phase === 'over') return;
    this.#phase = 'over';
    for (const file of [...this.#closing, ...this.#files.values()]) this.#record(file, false);
    this.#closing.clear();
    this.#files.clear();
    this.#outstanding.clear();
  }

  /** The client waits while much of what it asked is under way; it goes on when half of that is done. */
  #holdClient(): void {
    const [outstanding, paths] = [this.#outstanding.size, this.#requests.size];
    if (!this.#paused && (outstanding > MAX_OUTSTANDING || paths > MAX_PATH_REQUESTS)) {
      this.#paused = true;
      this.#actions.pauseClient();
    } else if (this.#paused && outstanding <= MAX_OUTSTANDING / 2 && paths <= MAX_PATH_REQUESTS / 2) {
      this.#paused = false;
      this.#actions.resumeClient();
    }
  }

  // Requests.

  #request(buffer: Buffer, start: number, end: number): void {
    if (this.#phase === 'over') return;
    if (this.#phase !== 'open') {
      this.#begin(buffer, start, end);
      return;
    }
    if (end - start < 5) throw new MalformedMessage('an sftp request without an id');
    const clientId = buffer.readUInt32BE(start + 1);
    const request = decodeRequest(buffer, start, end, this.#extensions);
    switch (request.kind) {
      case 'read':
        return this.#read(clientId, request, buffer, start, end);
      case 'write':
        return this.#write(clientId, request, buffer, start, end);
      case 'close':
        return this.#close(clientId, request.handle, buffer, start, end);
      case 'fstat':
      case 'fstatvfs':
      case 'fsync':
      case 'readdir':
        return this.#onHandle(clientId, request, buffer, start, end);
      case 'fsetstat':
        return this.#setOpen(clientId, request.handle, request.attributes);
      case 'limits':
        return this.#pass(buffer, start, end, { kind: 'limits', clientId, reply: FXP.EXTENDED_REPLY });
      case 'names':
        return this.#pass(buffer, start, end, { kind: 'passed', clientId, reply: FXP.EXTENDED_REPLY });
      case 'realpath':
      case 'expandPath':
        return this.#name(clientId, request.kind, request.path);
      case 'link':
        return this.#fail(clientId, FX.PERMISSION_DENIED, 'links are not made through the gateway');
      case 'unknown':
        return this.#fail(clientId, FX.OP_UNSUPPORTED, 'the gateway does not know this request');
      case 'open':
      case 'stat':
      case 'lstat':
      case 'opendir':
      case 'readlink':
      case 'statvfs':
      case 'remove':
      case 'removeFolder':
      case 'makeFolder':
      case 'setstat':
      case 'lsetstat':
      case 'rename':
        return this.#plan(clientId, request);
    }
  }

  #begin(buffer: Buffer, start: number, end: number): void {
    if (this.#phase !== 'begin' || buffer[start] !== FXP.INIT) throw new MalformedMessage('sftp begins otherwise');
    const version = new FieldReader(buffer, start + 1, end).uint32();
    if (version < SFTP_VERSION) throw new MalformedMessage(`the client speaks version ${version} of sftp`);
    this.#phase = 'asked';
    const init = encodeInit();
    this.#toTarget.pass(init, 0, init.length);
  }

  #plan(clientId: number, request: SftpRequest): void {
    const plan = planOf(request, this.#options.home);
    if (plan === undefined) {
      this.#fail(clientId, FX.FAILURE, 'the path or a flag is none that can be judged: names are UTF-8 without NUL, up to 4096 bytes');
    } else if (plan.opens !== undefined && this.#files.size + this.#opening >= MAX_HANDLES) {
      this.#fail(clientId, FX.FAILURE, `${MAX_HANDLES} files are open`);
    } else {
      this.#requests.add(clientId, plan);
    }
  }

  #sendPlanned(request: PlannedRequest): void {
    if (request.plan.opens !== undefined) this.#opening += 1;
    this.#sendNew((id) => request.plan.encode(id, request.paths, request.fresh), { kind: 'planned', request });
  }

  /** What a path is: the host is asked, and its answer judged before it is passed on. */
  #name(clientId: number, kind: 'realpath' | 'expandPath', path: string | undefined): void {
    if (path === undefined) {
      this.#fail(clientId, FX.FAILURE, 'the path is none that can be judged');
      return;
    }
    this.#sendNew(
      (id) =>
        kind === 'realpath'
          ? encodePacket(FXP.REALPATH, uint32(id), string(absolutePath(path, this.#options.home)))
          : encodePacket(FXP.EXTENDED, uint32(id), string('expand-path@openssh.com'), string(path)),
      { kind: 'named', clientId, reply: FXP.NAME },
    );
  }

  #read(clientId: number, request: SftpRequest & { readonly kind: 'read' }, buffer: Buffer, start: number, end: number): void {
    const file = this.#files.get(request.handle);
    if (file?.read === undefined) return this.#fail(clientId, FX.FAILURE, 'nothing is open for reading by this handle');
    if (file.stopped) return this.#fail(clientId, FX.PERMISSION_DENIED, stoppedMessage('found'));
    const length = Math.min(request.length, MAX_DATA_BYTES);
    buffer.writeUInt32BE(length, request.lengthAt);
    this.#pass(buffer, start, end, { kind: 'read', clientId, file, offset: request.offset, length });
  }

  #write(clientId: number, request: SftpRequest & { readonly kind: 'write' }, buffer: Buffer, start: number, end: number): void {
    const file = this.#files.get(request.handle);
    if (file?.write === undefined) return this.#fail(clientId, FX.FAILURE, 'nothing is open for writing by this handle');
    if (file.stopped) return this.#fail(clientId, FX.PERMISSION_DENIED, stoppedMessage('found'));
    const stopped = file.write.pass(buffer, end - request.bytes, end, request.offset);
    if (stopped === undefined) this.#pass(buffer, start, end, { kind: 'write', clientId, file });
    else this.#stop(clientId, file, stopped);
  }

  #close(clientId: number, handle: string, buffer: Buffer, start: number, end: number): void {
    const file = this.#files.get(handle);
    if (file === undefined) return this.#fail(clientId, FX.FAILURE, 'nothing is open by this handle');
    this.#files.delete(handle);
    this.#closing.add(file);
    this.#pass(buffer, start, end, { kind: 'close', clientId, file });
  }

  #onHandle(
    clientId: number,
    { kind, handle }: { readonly kind: 'fstat' | 'fstatvfs' | 'fsync' | 'readdir'; readonly handle: string },
    buffer: Buffer,
    start: number,
    end: number,
  ): void {
    const file = this.#files.get(handle);
    if (file === undefined || (kind === 'readdir' && file.kind !== 'folder')) {
      return this.#fail(clientId, FX.FAILURE, 'nothing is open for this by the handle');
    }
    const replies = { fstat: FXP.ATTRS, fstatvfs: FXP.EXTENDED_REPLY, fsync: FXP.STATUS, readdir: FXP.NAME } as const;
    this.#pass(buffer, start, end, { kind: 'passed', clientId, reply: replies[kind] });
  }

  /** What was opened for writing has its size and ordinary attributes set as part of that; anything else is judged. */
  #setOpen(clientId: number, handle: string, attributes: Attributes): void {
    const file = this.#files.get(handle);
    if (file === undefined) return this.#fail(clientId, FX.FAILURE, 'nothing is open by this handle');
    const { size } = attributes;
    const written = file.write?.bytes ?? 0;
    const settled = (ok: boolean): void => {
      if (ok && size !== undefined) file.cut(size, written);
    };
    const plan = planSetAttributes(attributes, { kind: 'known', path: file.path }, (id) =>
      encodePacket(FXP.FSETSTAT, uint32(id), string(Buffer.from(handle, 'latin1')), ...attributeFields(attributes)),
    );
    const covered = file.write !== undefined && areOrdinary(attributes);
    // The host may have given the handle to another file by the time of the answer.
    this.#requests.add(clientId, { ...plan, settled, ...(covered ? { steps: [] } : {}) }, () => this.#files.get(handle) === file);
  }

  // Replies.

  #reply(buffer: Buffer, start: number, end: number): void {
    if (this.#phase === 'over') return;
    if (this.#phase === 'asked' && buffer[start] === FXP.VERSION) {
      this.#phase = 'open';
      this.#extensions = decodeVersion(buffer, start, end);
      const version = encodeVersion(this.#extensions);
      this.#toClient.pass(version, 0, version.length);
      return;
    }
    if (this.#phase !== 'open' || end - start < 5) throw new MalformedMessage('the host answers what was not asked');
    const id = buffer.readUInt32BE(start + 1);
    const outstanding = this.#outstanding.get(id);
    if (outstanding === undefined) throw new MalformedMessage('the host answers what was not asked');
    this.#outstanding.delete(id);
    if ('file' in outstanding) outstanding.file.outstanding -= 1;
    const type = buffer[start] ?? 0;
    const status = type === FXP.STATUS ? decodeStatus(buffer, start, end) : undefined;
    if (status === undefined && type !== replyOf(outstanding))
      throw new MalformedMessage(`the host answers with an sftp packet of type ${type}`);
    if ('clientId' in outstanding) buffer.writeUInt32BE(outstanding.clientId, start + 1);
    this.#answer(outstanding, status, buffer, start, end);
    if ('file' in outstanding) this.#finishFile(outstanding.file);
  }

  #answer(outstanding: Outstanding, status: Status | undefined, buffer: Buffer, start: number, end: number): void {
    switch (outstanding.kind) {
      case 'read':
        return this.#readAnswer(outstanding, status, buffer, start, end);
      case 'write':
        if (status === undefined || !isOk(status)) outstanding.file.failed = true;
        return this.#toClient.pass(buffer, start - 4, end);
      case 'close':
        return this.#closeAnswer(outstanding.clientId, outstanding.file, status, buffer, start, end);
      case 'size':
        if (status === undefined) outstanding.file.size = decodeSize(buffer, start, end);
        return undefined;
      case 'limits': {
        if (status !== undefined) return this.#toClient.pass(buffer, start - 4, end);
        const limits = lowerLimits(buffer, start, end, MAX_HANDLES);
        return this.#toClient.pass(limits, 0, limits.length);
      }
      case 'named':
        return status === undefined
          ? this.#nameAnswer(outstanding.clientId, buffer, start, end)
          : this.#toClient.pass(buffer, start - 4, end);
      case 'passed':
        if (status === undefined && outstanding.reply === FXP.NAME) decodeNames(buffer, start, end);
        return this.#toClient.pass(buffer, start - 4, end);
      case 'planned':
        return this.#plannedAnswer(outstanding.request, status, buffer, start, end);
    }
  }

  #readAnswer(
    { clientId, file, offset, length }: Outstanding & { readonly kind: 'read' },
    status: Status | undefined,
    buffer: Buffer,
    start: number,
    end: number,
  ): void {
    if (status !== undefined) {
      if (status.code !== FX.EOF) file.failed = true;
      else if (offset === file.read?.next) file.atEnd = true;
      return this.#toClient.pass(buffer, start - 4, end);
    }
    const from = dataStart(buffer, start, end);
    if (end - from > length) throw new MalformedMessage('the host sends more than was asked for');
    const stopped = file.stopped ? 'found' : file.read?.pass(buffer, from, end, offset);
    return stopped === undefined ? this.#toClient.pass(buffer, start - 4, end) : this.#stop(clientId, file, stopped);
  }

  #closeAnswer(clientId: number, file: OpenFile, status: Status | undefined, buffer: Buffer, start: number, end: number): void {
    file.closed = true;
    if (status === undefined || !isOk(status)) file.failed = true;
    const stopped = file.write?.finish();
    return stopped === undefined ? this.#toClient.pass(buffer, start - 4, end) : this.#stop(clientId, file, stopped);
  }

  #nameAnswer(clientId: number, buffer: Buffer, start: number, end: number): void {
    const { count, first } = decodeNames(buffer, start, end);
    if (count !== 1 || first === undefined || !isResolved(first)) {
      return this.#fail(clientId, FX.FAILURE, 'the host names a path that cannot be judged');
    }
    // Its chunk may be written into before people have answered.
    const packet = Buffer.from(buffer.subarray(start - 4, end));
    return this.#requests.judgeName(first, (answer) => {
      if (answer !== 'known' && answer.kind === 'refused') this.#fail(clientId, FX.PERMISSION_DENIED, `${answer.code} ${answer.message}`);
      else this.#toClient.pass(packet, 0, packet.length);
    });
  }

  #plannedAnswer(request: PlannedRequest, status: Status | undefined, buffer: Buffer, start: number, end: number): void {
    const { plan, clientId } = request;
    if (plan.opens !== undefined) this.#opening -= 1;
    if (plan.opens !== undefined && status === undefined) this.#opened(request, decodeHandle(buffer, start, end));
    if (status === undefined && plan.reply === FXP.NAME) decodeNames(buffer, start, end);
    buffer.writeUInt32BE(clientId, start + 1);
    this.#toClient.pass(buffer, start - 4, end);
    const ok = status === undefined || isOk(status);
    plan.settled?.(ok);
    const detail = ok ? '' : visibleText(status.message, false);
    this.#requests.replied(request, ok ? 'ok' : 'error', detail, plan.opens?.kind === 'file' && status === undefined);
  }

  #opened({ plan, paths, ran }: PlannedRequest, handle: string): void {
    if (this.#files.has(handle)) throw new MalformedMessage('the host gives one handle to two files');
    const [path = ''] = paths;
    const transfer = (direction: 'read' | 'write'): Transfer | undefined => {
      const asked = ran.find(({ operation }) => operation.action === direction);
      return asked && new Transfer({ direction, path, statement: asked.statement, rules: this.#options.transfers });
    };
    const kind = plan.opens?.kind ?? 'file';
    const statements = kind === 'file' ? ran.map(({ statement }) => statement) : [];
    const whole = plan.opens?.whole === true;
    const file = new OpenFile({ kind, path, read: transfer('read'), write: transfer('write'), statements, whole });
    this.#files.set(handle, file);
    if (file.read === undefined) return;
    // How long the file is, so that the record can tell whether all of it was read.
    this.#sendNew((id) => encodePacket(FXP.FSTAT, uint32(id), string(Buffer.from(handle, 'latin1'))), { kind: 'size', file });
  }

  // What both share.

  #stop(clientId: number, file: OpenFile, stopped: Stopped): void {
    if (stopped === 'found') file.stopped = true;
    file.failed = true;
    this.#fail(clientId, FX.PERMISSION_DENIED, stoppedMessage(stopped));
  }

  #finishFile(file: OpenFile): void {
    if (!file.closed || file.outstanding > 0 || !this.#closing.delete(file)) return;
    this.#record(file, true);
    for (const statement of file.statements) this.#actions.completed(statement, file.failed ? 'error' : 'ok');
  }

  #record(file: OpenFile, ended: boolean): void {
    for (const event of file.events(this.#options.channel, ended)) this.#actions.record(event);
  }

  /** A packet of the client goes on as it is, under an id of ours. */
  #pass(buffer: Buffer, start: number, end: number, outstanding: Outstanding): void {
    buffer.writeUInt32BE(this.#expect(outstanding), start + 1);
    this.#toTarget.pass(buffer, start - 4, end);
  }

  #sendNew(encode: (id: number) => Buffer, outstanding: Outstanding): void {
    const packet = encode(this.#expect(outstanding));
    this.#toTarget.pass(packet, 0, packet.length);
  }

  #expect(outstanding: Outstanding): number {
    do this.#nextId = (this.#nextId + 1) >>> 0;
    while (this.#outstanding.has(this.#nextId));
    this.#outstanding.set(this.#nextId, outstanding);
    if ('file' in outstanding) outstanding.file.outstanding += 1;
    return this.#nextId;
  }

  #fail(clientId: number, code: number, message: string): void {
    const packet = encodeStatus(clientId, code, `sallyport: ${visibleText(message, false).slice(0, MAX_REASON_CHARACTERS)}`);
    this.#toClient.pass(packet, 0, packet.length);
  }
}

function replyOf(outstanding: Outstanding): number {
  switch (outstanding.kind) {
    case 'read':
      return FXP.DATA;
    case 'write':
    case 'close':
      return FXP.STATUS;
    case 'size':
      return FXP.ATTRS;
    case 'passed':
    case 'limits':
    case 'named':
      return outstanding.reply;
    case 'planned':
      return outstanding.request.plan.reply;
  }
}
