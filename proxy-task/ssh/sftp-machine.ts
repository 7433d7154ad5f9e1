/**
 * sftp version 3 between an agent and a host. Both directions are read packet by packet; request ids on the host's side are ours.
 * Requests that name a path are judged (sftp-requests.ts); those on a handle follow from what was judged when it was opened.
 * Links are not made, and extensions that are not understood are not offered.
 */
import { visibleText } from '../../core/approval/visible.ts';
import type { HostPath } from '../../core/statement/host/host-operation.ts';
import type { ChannelActions, ChannelAnswer, ChannelProtocol } from './channel-protocol.ts';
import { MalformedMessage } from './messages/malformed-message.ts';
import { encodePacket, FieldReader, string, uint32 } from './messages/sftp-fields.ts';
import { FX, FXP, PacketSplitter, SFTP_VERSION } from './messages/sftp-packet.ts';
import {
  decodeHandle,
  decodeNames,
  decodeSize,
  decodeStatus,
  decodeVersion,
  encodeInit,
  encodeVersion,
  isOk,
  lowerLimits,
  type Status,
} from './messages/sftp-reply.ts';
import { decodeRequest, type SftpRequest } from './messages/sftp-request.ts';
import { OpenHandles } from './sftp-handles.ts';
import { type Outstanding, replyOf, SftpLink } from './sftp-link.ts';
import { MOVED, SftpOpenings } from './sftp-openings.ts';
import { absolutePath, isResolved } from './sftp-place.ts';
import { planOf } from './sftp-plan.ts';
import { PathRequests, type PlannedRequest } from './sftp-requests.ts';
import type { TransferRules } from './transfer.ts';

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
const UNSCANNED = { scan: false } as const;

export class SftpProtocol implements ChannelProtocol {
  readonly #options: SftpOptions;
  readonly #actions: ChannelActions;
  readonly #fromClient: PacketSplitter;
  readonly #fromTarget: PacketSplitter;
  readonly #link: SftpLink;
  readonly #handles: OpenHandles;
  readonly #requests: PathRequests;
  readonly #openings: SftpOpenings;
  #phase: 'begin' | 'asked' | 'open' | 'over' = 'begin';
  #extensions: ReadonlySet<string> = new Set();
  #paused = false;
  #clientDone = false;
  #targetDone = false;

  constructor(options: SftpOptions) {
    const { channel, actions, account, home } = options;
    this.#options = options;
    this.#actions = actions;
    this.#fromClient = new PacketSplitter((buffer, start, end) => this.#request(buffer, start, end));
    this.#fromTarget = new PacketSplitter((buffer, start, end) => this.#reply(buffer, start, end));
    this.#link = new SftpLink(
      (bytes) => actions.toTarget(bytes),
      (bytes) => actions.toClient(bytes, UNSCANNED),
    );
    this.#handles = new OpenHandles({
      channel,
      rules: options.transfers,
      link: this.#link,
      actions,
      add: (clientId, plan, stillValid) => this.#requests.add(clientId, plan, stillValid),
    });
    this.#openings = new SftpOpenings({
      link: this.#link,
      opened: (request, packet) => {
        this.#handles.opened(request, decodeHandle(packet, 4, packet.length));
        this.#link.replyNew(packet);
        this.#settlePlanned(request, undefined);
      },
      moved: (request) => {
        actions.tell(MOVED.code, `${MOVED.message}: ${visibleText(request.paths[0] ?? '', false)}`, request.ran[0]?.statement);
        this.#settlePlanned(request, { code: FX.PERMISSION_DENIED, message: MOVED.message });
      },
    });
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
      fail: (clientId, code, message) => this.#link.fail(clientId, code, message),
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
      this.#link.flush();
      this.#finish();
      this.#actions.refuse('08P01', error.message);
      return;
    }
    this.#link.flush();
    this.#holdClient();
    const idle = this.#link.outstanding === 0 && this.#requests.size === 0;
    if (this.#clientDone && idle && !this.#targetDone && !this.#isOver()) {
      this.#targetDone = true;
      this.#actions.endTarget();
    }
  }

  #isOver(): boolean {
    return this.#phase === 'over';
  }

  #finish(): void {
    if (this.#isOver()) return;
    this.#phase = 'over';
    this.#handles.breakOff();
    this.#link.clear();
  }

  /** The client waits while much of what it asked is under way; it goes on when half of that is done. */
  #holdClient(): void {
    const [outstanding, paths] = [this.#link.outstanding, this.#requests.size];
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
        return this.#handles.read(clientId, request, buffer, start, end);
      case 'write':
        return this.#handles.write(clientId, request, buffer, start, end);
      case 'close':
        return this.#handles.close(clientId, request.handle, buffer, start, end);
      case 'fstat':
      case 'fstatvfs':
      case 'fsync':
      case 'readdir':
        return this.#handles.onHandle(clientId, request, buffer, start, end);
      case 'fsetstat':
        return this.#handles.setOpen(clientId, request.handle, request.attributes);
      case 'limits':
        return this.#link.pass(buffer, start, end, { kind: 'limits', clientId, reply: FXP.EXTENDED_REPLY });
      case 'names':
        return this.#link.pass(buffer, start, end, { kind: 'passed', clientId, reply: FXP.EXTENDED_REPLY });
      case 'realpath':
      case 'expandPath':
        return this.#name(clientId, request.kind, request.path);
      case 'link':
        return this.#link.fail(clientId, FX.PERMISSION_DENIED, 'links are not made through the gateway');
      case 'unknown':
        return this.#link.fail(clientId, FX.OP_UNSUPPORTED, 'the gateway does not know this request');
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
    this.#link.begin(init);
  }

  #plan(clientId: number, request: SftpRequest): void {
    const plan = planOf(request, this.#options.home);
    if (plan === undefined) {
      this.#link.fail(clientId, FX.FAILURE, 'the path or a flag is none that can be judged: names are UTF-8 without NUL, up to 4096 bytes');
    } else if (plan.opens !== undefined && this.#handles.size + this.#openings.size >= MAX_HANDLES) {
      this.#link.fail(clientId, FX.FAILURE, `${MAX_HANDLES} files are open`);
    } else {
      this.#requests.add(clientId, plan);
    }
  }

  #sendPlanned(request: PlannedRequest): void {
    if (request.plan.opens !== undefined) this.#openings.send(request);
    else this.#link.sendNew((id) => request.plan.encode(id, request.paths, request.fresh), { kind: 'planned', request });
  }

  /** What a path is: the host is asked, and its answer judged before it is passed on. */
  #name(clientId: number, kind: 'realpath' | 'expandPath', path: string | undefined): void {
    if (path === undefined) {
      this.#link.fail(clientId, FX.FAILURE, 'the path is none that can be judged');
      return;
    }
    this.#link.sendNew(
      (id) =>
        kind === 'realpath'
          ? encodePacket(FXP.REALPATH, uint32(id), string(absolutePath(path, this.#options.home)))
          : encodePacket(FXP.EXTENDED, uint32(id), string('expand-path@openssh.com'), string(path)),
      { kind: 'named', clientId, reply: FXP.NAME },
    );
  }

  // Replies.

  #reply(buffer: Buffer, start: number, end: number): void {
    if (this.#phase === 'over') return;
    if (this.#phase === 'asked' && buffer[start] === FXP.VERSION) {
      this.#phase = 'open';
      this.#extensions = decodeVersion(buffer, start, end);
      const version = encodeVersion(this.#extensions);
      this.#link.replyNew(version);
      return;
    }
    if (this.#phase !== 'open' || end - start < 5) throw new MalformedMessage('the host answers what was not asked');
    const id = buffer.readUInt32BE(start + 1);
    const outstanding = this.#link.take(id);
    if (outstanding === undefined) throw new MalformedMessage('the host answers what was not asked');
    const type = buffer[start] ?? 0;
    const status = type === FXP.STATUS ? decodeStatus(buffer, start, end) : undefined;
    if (status === undefined && type !== replyOf(outstanding))
      throw new MalformedMessage(`the host answers with an sftp packet of type ${type}`);
    if ('clientId' in outstanding) buffer.writeUInt32BE(outstanding.clientId, start + 1);
    this.#answer(outstanding, status, buffer, start, end);
    if ('file' in outstanding) this.#handles.finishFile(outstanding.file);
  }

  #answer(outstanding: Outstanding, status: Status | undefined, buffer: Buffer, start: number, end: number): void {
    switch (outstanding.kind) {
      case 'read':
        return this.#handles.readAnswer(outstanding, status, buffer, start, end);
      case 'write':
        if (status === undefined || !isOk(status)) outstanding.file.failed = true;
        return this.#link.reply(buffer, start, end);
      case 'close':
        return this.#handles.closeAnswer(outstanding.clientId, outstanding.file, status, buffer, start, end);
      case 'size':
        if (status === undefined) outstanding.file.size = decodeSize(buffer, start, end);
        return undefined;
      case 'limits': {
        if (status !== undefined) return this.#link.reply(buffer, start, end);
        const limits = lowerLimits(buffer, start, end, MAX_HANDLES);
        return this.#link.replyNew(limits);
      }
      case 'named':
        return status === undefined ? this.#nameAnswer(outstanding.clientId, buffer, start, end) : this.#link.reply(buffer, start, end);
      case 'passed':
        if (status === undefined && outstanding.reply === FXP.NAME) decodeNames(buffer, start, end);
        return this.#link.reply(buffer, start, end);
      case 'planned':
        return this.#plannedAnswer(outstanding.request, status, buffer, start, end);
      case 'placed':
        return this.#openings.placed(outstanding.request, status === undefined ? decodeNames(buffer, start, end).first : undefined);
      case 'dropped':
        return undefined;
    }
  }

  #nameAnswer(clientId: number, buffer: Buffer, start: number, end: number): void {
    const { count, first } = decodeNames(buffer, start, end);
    if (count !== 1 || first === undefined || !isResolved(first)) {
      return this.#link.fail(clientId, FX.FAILURE, 'the host names a path that cannot be judged');
    }
    // Its chunk may be written into before people have answered.
    const packet = Buffer.from(buffer.subarray(start - 4, end));
    return this.#requests.judgeName(first, (answer) => {
      if (answer !== 'known' && answer.kind === 'refused')
        this.#link.fail(clientId, FX.PERMISSION_DENIED, `${answer.code} ${answer.message}`);
      else this.#link.replyNew(packet);
    });
  }

  #plannedAnswer(request: PlannedRequest, status: Status | undefined, buffer: Buffer, start: number, end: number): void {
    const { plan, clientId } = request;
    if (plan.opens !== undefined) {
      if (status === undefined) return this.#openings.answered(request, buffer, start, end);
      this.#openings.failed(request);
    }
    if (status === undefined && plan.reply === FXP.NAME) decodeNames(buffer, start, end);
    buffer.writeUInt32BE(clientId, start + 1);
    this.#link.reply(buffer, start, end);
    this.#settlePlanned(request, status);
  }

  #settlePlanned(request: PlannedRequest, status: Status | undefined): void {
    const { plan } = request;
    const ok = status === undefined || isOk(status);
    plan.settled?.(ok);
    const detail = ok ? '' : visibleText(status.message, false);
    this.#requests.replied(request, ok ? 'ok' : 'error', detail, plan.opens?.kind === 'file' && status === undefined);
  }
}
