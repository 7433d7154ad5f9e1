/** Both directions of an sftp channel: what leaves, under which id, and which replies are awaited. */
import { visibleText } from '../../core/approval/visible.ts';
import { FXP } from './messages/sftp-packet.ts';
import { encodeStatus } from './messages/sftp-reply.ts';
import type { OpenFile } from './sftp-file.ts';
import { PacketRun } from './sftp-out.ts';
import type { PlannedRequest } from './sftp-requests.ts';

const MAX_REASON_CHARACTERS = 1_024;

/** What a reply belongs to. `reply` is its type where it is no STATUS. */
export type Outstanding =
  | { readonly kind: 'read'; readonly clientId: number; readonly file: OpenFile; readonly offset: number; readonly length: number }
  | { readonly kind: 'write'; readonly clientId: number; readonly file: OpenFile }
  | { readonly kind: 'close'; readonly clientId: number; readonly file: OpenFile }
  | { readonly kind: 'size'; readonly file: OpenFile }
  | { readonly kind: 'passed' | 'limits' | 'named'; readonly clientId: number; readonly reply: number }
  | { readonly kind: 'planned'; readonly request: PlannedRequest }
  /** What the path of something that is being opened is by now. */
  | { readonly kind: 'placed'; readonly request: PlannedRequest }
  /** A handle that the client never sees. */
  | { readonly kind: 'dropped' };

export class SftpLink {
  readonly #toTarget: PacketRun;
  readonly #toClient: PacketRun;
  readonly #outstanding = new Map<number, Outstanding>();
  #nextId = 0;

  constructor(toTarget: (bytes: Buffer) => void, toClient: (bytes: Buffer) => void) {
    this.#toTarget = new PacketRun(toTarget);
    this.#toClient = new PacketRun(toClient);
  }

  /** Requests that the host has not answered. */
  get outstanding(): number {
    return this.#outstanding.size;
  }

  /** What the host's reply of this id belongs to; it is awaited no longer. */
  take(id: number): Outstanding | undefined {
    const outstanding = this.#outstanding.get(id);
    this.#outstanding.delete(id);
    if (outstanding !== undefined && 'file' in outstanding) outstanding.file.outstanding -= 1;
    return outstanding;
  }

  clear(): void {
    this.#outstanding.clear();
  }

  /** Packets leave together, when a step is done. */
  flush(): void {
    this.#toTarget.flush();
    this.#toClient.flush();
  }

  /** A packet of the client goes on as it is, under an id of ours. */
  pass(buffer: Buffer, start: number, end: number, outstanding: Outstanding): void {
    buffer.writeUInt32BE(this.#expect(outstanding), start + 1);
    this.#toTarget.pass(buffer, start - 4, end);
  }

  sendNew(encode: (id: number) => Buffer, outstanding: Outstanding): void {
    const packet = encode(this.#expect(outstanding));
    this.#toTarget.pass(packet, 0, packet.length);
  }

  /** A packet without an id. */
  begin(packet: Buffer): void {
    this.#toTarget.pass(packet, 0, packet.length);
  }

  /** A packet of the host goes on to the client as it is; its type byte is at `start`. */
  reply(buffer: Buffer, start: number, end: number): void {
    this.#toClient.pass(buffer, start - 4, end);
  }

  replyNew(packet: Buffer): void {
    this.#toClient.pass(packet, 0, packet.length);
  }

  fail(clientId: number, code: number, message: string): void {
    const packet = encodeStatus(clientId, code, `sallyport: ${visibleText(message, false).slice(0, MAX_REASON_CHARACTERS)}`);
    this.#toClient.pass(packet, 0, packet.length);
  }

  #expect(outstanding: Outstanding): number {
    do this.#nextId = (this.#nextId + 1) >>> 0;
    while (this.#outstanding.has(this.#nextId));
    this.#outstanding.set(this.#nextId, outstanding);
    if ('file' in outstanding) outstanding.file.outstanding += 1;
    return this.#nextId;
  }
}

/** The type of the reply where it is no STATUS. */
export function replyOf(outstanding: Outstanding): number {
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
    case 'placed':
      return FXP.NAME;
    case 'dropped':
      return FXP.STATUS;
  }
}
