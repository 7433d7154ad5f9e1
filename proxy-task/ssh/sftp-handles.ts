/** Files and folders that an sftp client has open: what is read and written by their handles, and what of it is on record. */
import { visibleText } from '../../core/approval/visible.ts';
import type { ChannelActions } from './channel-protocol.ts';
import { MalformedMessage } from './messages/malformed-message.ts';
import { areOrdinary, type Attributes, attributeFields } from './messages/sftp-attributes.ts';
import { encodePacket, string, uint32 } from './messages/sftp-fields.ts';
import { FX, FXP, MAX_DATA_BYTES } from './messages/sftp-packet.ts';
import { dataStart, isOk, type Status } from './messages/sftp-reply.ts';
import type { SftpRequest } from './messages/sftp-request.ts';
import { OpenFile } from './sftp-file.ts';
import type { Outstanding, SftpLink } from './sftp-link.ts';
import { type Plan, planSetAttributes } from './sftp-plan.ts';
import type { PlannedRequest } from './sftp-requests.ts';
import { type Stopped, stoppedMessage, Transfer, type TransferRules } from './transfer.ts';

export type HandleParts = {
  readonly channel: number;
  readonly rules: TransferRules;
  readonly link: SftpLink;
  readonly actions: Pick<ChannelActions, 'record' | 'completed' | 'tell'>;
  /** What has to be judged. */
  readonly add: (clientId: number, plan: Plan, stillValid: () => boolean) => void;
};

export class OpenHandles {
  readonly #parts: HandleParts;
  readonly #files = new Map<string, OpenFile>();
  /** Closed by the client, and the host has not said so yet. */
  readonly #closing = new Set<OpenFile>();

  constructor(parts: HandleParts) {
    this.#parts = parts;
  }

  get size(): number {
    return this.#files.size;
  }

  /** The channel is gone: what is open has come as far as it has. */
  breakOff(): void {
    for (const file of [...this.#closing, ...this.#files.values()]) this.#record(file, false);
    this.#closing.clear();
    this.#files.clear();
  }

  read(clientId: number, request: SftpRequest & { readonly kind: 'read' }, buffer: Buffer, start: number, end: number): void {
    const file = this.#files.get(request.handle);
    if (file?.read === undefined) return this.#parts.link.fail(clientId, FX.FAILURE, 'nothing is open for reading by this handle');
    if (file.stopped) return this.#parts.link.fail(clientId, FX.PERMISSION_DENIED, stoppedMessage('found'));
    const length = Math.min(request.length, MAX_DATA_BYTES);
    buffer.writeUInt32BE(length, request.lengthAt);
    this.#parts.link.pass(buffer, start, end, { kind: 'read', clientId, file, offset: request.offset, length });
  }

  write(clientId: number, request: SftpRequest & { readonly kind: 'write' }, buffer: Buffer, start: number, end: number): void {
    const file = this.#files.get(request.handle);
    if (file?.write === undefined) return this.#parts.link.fail(clientId, FX.FAILURE, 'nothing is open for writing by this handle');
    if (file.stopped) return this.#parts.link.fail(clientId, FX.PERMISSION_DENIED, stoppedMessage('found'));
    const stopped = file.write.pass(buffer, end - request.bytes, end, request.offset);
    if (stopped === undefined) this.#parts.link.pass(buffer, start, end, { kind: 'write', clientId, file });
    else this.#stop(clientId, file, stopped);
  }

  close(clientId: number, handle: string, buffer: Buffer, start: number, end: number): void {
    const file = this.#files.get(handle);
    if (file === undefined) return this.#parts.link.fail(clientId, FX.FAILURE, 'nothing is open by this handle');
    this.#files.delete(handle);
    this.#closing.add(file);
    this.#parts.link.pass(buffer, start, end, { kind: 'close', clientId, file });
  }

  onHandle(
    clientId: number,
    { kind, handle }: { readonly kind: 'fstat' | 'fstatvfs' | 'fsync' | 'readdir'; readonly handle: string },
    buffer: Buffer,
    start: number,
    end: number,
  ): void {
    const file = this.#files.get(handle);
    if (file === undefined || (kind === 'readdir' && file.kind !== 'folder')) {
      return this.#parts.link.fail(clientId, FX.FAILURE, 'nothing is open for this by the handle');
    }
    const replies = { fstat: FXP.ATTRS, fstatvfs: FXP.EXTENDED_REPLY, fsync: FXP.STATUS, readdir: FXP.NAME } as const;
    this.#parts.link.pass(buffer, start, end, { kind: 'passed', clientId, reply: replies[kind] });
  }

  /** What was opened for writing has its size and ordinary attributes set as part of that; anything else is judged. */
  setOpen(clientId: number, handle: string, attributes: Attributes): void {
    const file = this.#files.get(handle);
    if (file === undefined) return this.#parts.link.fail(clientId, FX.FAILURE, 'nothing is open by this handle');
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
    this.#parts.add(clientId, { ...plan, settled, ...(covered ? { steps: [] } : {}) }, () => this.#files.get(handle) === file);
  }

  opened({ plan, paths, ran }: PlannedRequest, handle: string): void {
    if (this.#files.has(handle)) throw new MalformedMessage('the host gives one handle to two files');
    const [path = ''] = paths;
    const transfer = (direction: 'read' | 'write'): Transfer | undefined => {
      const asked = ran.find(({ operation }) => operation.action === direction);
      return asked && new Transfer({ direction, path, statement: asked.statement, rules: this.#parts.rules });
    };
    const kind = plan.opens?.kind ?? 'file';
    const statements = kind === 'file' ? ran.map(({ statement }) => statement) : [];
    const whole = plan.opens?.whole === true;
    const file = new OpenFile({ kind, path, read: transfer('read'), write: transfer('write'), statements, whole });
    this.#files.set(handle, file);
    if (file.read === undefined) return;
    // How long the file is, so that the record can tell whether all of it was read.
    this.#parts.link.sendNew((id) => encodePacket(FXP.FSTAT, uint32(id), string(Buffer.from(handle, 'latin1'))), { kind: 'size', file });
  }

  readAnswer(
    { clientId, file, offset, length }: Outstanding & { readonly kind: 'read' },
    status: Status | undefined,
    buffer: Buffer,
    start: number,
    end: number,
  ): void {
    if (status !== undefined) {
      if (status.code !== FX.EOF) file.failed = true;
      else if (offset === file.read?.next) file.atEnd = true;
      return this.#parts.link.reply(buffer, start, end);
    }
    const from = dataStart(buffer, start, end);
    if (end - from > length) throw new MalformedMessage('the host sends more than was asked for');
    const stopped = file.stopped ? 'found' : file.read?.pass(buffer, from, end, offset);
    return stopped === undefined ? this.#parts.link.reply(buffer, start, end) : this.#stop(clientId, file, stopped);
  }

  closeAnswer(clientId: number, file: OpenFile, status: Status | undefined, buffer: Buffer, start: number, end: number): void {
    file.closed = true;
    if (status === undefined || !isOk(status)) file.failed = true;
    const stopped = file.write?.finish();
    return stopped === undefined ? this.#parts.link.reply(buffer, start, end) : this.#stop(clientId, file, stopped);
  }

  #stop(clientId: number, file: OpenFile, stopped: Stopped): void {
    // Clients show words of their own for a status; why it stopped is told once for each file.
    if (!file.stopped) {
      const { statement } = file.write ?? file.read ?? { statement: undefined };
      this.#parts.actions.tell('ZG010', `${stoppedMessage(stopped)}: ${visibleText(file.path, false)}`, statement);
    }
    if (stopped === 'found') file.stopped = true;
    file.failed = true;
    this.#parts.link.fail(clientId, FX.PERMISSION_DENIED, stoppedMessage(stopped));
  }

  finishFile(file: OpenFile): void {
    if (!file.closed || file.outstanding > 0 || !this.#closing.delete(file)) return;
    this.#record(file, true);
    for (const statement of file.statements) this.#parts.actions.completed(statement, file.failed ? 'error' : 'ok');
  }

  #record(file: OpenFile, ended: boolean): void {
    for (const event of file.events(this.#parts.channel, ended)) this.#parts.actions.record(event);
  }
}
