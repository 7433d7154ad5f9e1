/**
 * What the host has opened is not used before the host has said once more what its path is: a link that somebody put into the path
 * after it was judged shows then, and nothing was read or written. The question goes out behind the request, so that it costs no
 * time of its own. A file that the request itself made or emptied is made or emptied; that it was put back in between is not seen.
 */
import type { HostPath } from '../../core/statement/host/host-operation.ts';
import { encodePacket, string, uint32 } from './messages/sftp-fields.ts';
import { FX, FXP } from './messages/sftp-packet.ts';
import { decodeHandle } from './messages/sftp-reply.ts';
import type { SftpLink } from './sftp-link.ts';
import type { PlannedRequest } from './sftp-requests.ts';

/** In the words of the gateway's refusals. */
export const MOVED = { code: 'ZG014', message: 'the path leads elsewhere than when it was judged' } as const;

export type OpeningParts = {
  readonly link: SftpLink;
  /** It is what was judged; `packet` is the host's answer, with the client's id in it. */
  readonly opened: (request: PlannedRequest, packet: Buffer) => void;
  /** It is something else, and closed again. */
  readonly moved: (request: PlannedRequest) => void;
};

type Opening = { packet?: Buffer; real?: HostPath | 'unknown' };

export class SftpOpenings {
  readonly #parts: OpeningParts;
  readonly #open = new Map<PlannedRequest, Opening>();

  constructor(parts: OpeningParts) {
    this.#parts = parts;
  }

  /** That are not settled. */
  get size(): number {
    return this.#open.size;
  }

  send(request: PlannedRequest): void {
    const { link } = this.#parts;
    const [path = ''] = request.paths;
    this.#open.set(request, {});
    link.sendNew((id) => request.plan.encode(id, request.paths, request.fresh), { kind: 'planned', request });
    link.sendNew((id) => encodePacket(FXP.REALPATH, uint32(id), string(path)), { kind: 'placed', request });
  }

  /** The host has opened it; its answer stands at `start`..`end` of the buffer. */
  answered(request: PlannedRequest, buffer: Buffer, start: number, end: number): void {
    const opening = this.#open.get(request);
    if (opening === undefined) return;
    // Its chunk may be written into before the other answer is there.
    opening.packet = Buffer.from(buffer.subarray(start - 4, end));
    this.#settle(request, opening);
  }

  /** The host has not opened it. */
  failed(request: PlannedRequest): void {
    this.#open.delete(request);
  }

  /** What the path is now; undefined where the host cannot say. */
  placed(request: PlannedRequest, real: HostPath | undefined): void {
    const opening = this.#open.get(request);
    if (opening === undefined) return;
    opening.real = real ?? 'unknown';
    this.#settle(request, opening);
  }

  #settle(request: PlannedRequest, { packet, real }: Opening): void {
    if (packet === undefined || real === undefined) return;
    this.#open.delete(request);
    if (real === request.paths[0]) {
      packet.writeUInt32BE(request.clientId, 5);
      this.#parts.opened(request, packet);
      return;
    }
    const { link, moved } = this.#parts;
    const handle = Buffer.from(decodeHandle(packet, 4, packet.length), 'latin1');
    link.sendNew((id) => encodePacket(FXP.CLOSE, uint32(id), string(handle)), { kind: 'dropped' });
    link.fail(request.clientId, FX.PERMISSION_DENIED, `${MOVED.code} ${MOVED.message}`);
    moved(request);
  }
}
