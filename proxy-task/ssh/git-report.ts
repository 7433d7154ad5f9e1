/** How a push came out, as receive-pack says it (gitprotocol-pack, "Report Status"): read from the host, or written in its place. */
import { GitHeldBytes } from './git-held-bytes.ts';
import type { GitRequest } from './git-request.ts';
import { MalformedMessage } from './messages/malformed-message.ts';
import { FLUSH_PKT, MAX_PKT_BYTES, readPktLine, withoutLineFeed, writePktLine } from './messages/pkt-line.ts';

/** The band of the report itself (gitprotocol-capabilities, "side-band-64k"); progress and errors have others. */
const REPORT_BAND = 1;
const MAX_BAND_BYTES = MAX_PKT_BYTES - 5;
/** git shows it in brackets behind the name of each ref. */
const MAX_REASON_CHARACTERS = 300;

export function wantsReport({ capabilities }: GitRequest): boolean {
  return capabilities.has('report-status') || capabilities.has('report-status-v2');
}

/** That none of the refs was updated, and why; for a client that `wantsReport`. */
export function refusedReport({ commands, capabilities }: GitRequest, reason: string): Buffer {
  const words = reason.replaceAll(/[^\P{C}]|\s/gu, ' ').slice(0, MAX_REASON_CHARACTERS);
  const lines = commands.map(({ ref }) => writePktLine(`ng ${ref} ${words}\n`));
  // That the pack was not unpacked would hide the reasons: git shows them only after `ok`.
  const report = Buffer.concat([writePktLine('unpack ok\n'), ...lines, FLUSH_PKT]);
  if (!capabilities.has('side-band-64k')) return report;
  const packets: Uint8Array[] = [];
  for (let at = 0; at < report.length; at += MAX_BAND_BYTES) {
    packets.push(writePktLine(Buffer.concat([Buffer.of(REPORT_BAND), report.subarray(at, at + MAX_BAND_BYTES)])));
  }
  return Buffer.concat([...packets, FLUSH_PKT]);
}

export type PushOutcome = {
  /** `ok`, or why the host could not read the pack. */
  readonly unpack: string;
  readonly updated: number;
  /** Refs with the host's reason. */
  readonly rejected: readonly string[];
};

/** Reads along while the answer passes; it stops nothing, since the push has run. */
export class GitReportReader {
  readonly #held = new GitHeldBytes(2 * MAX_PKT_BYTES);
  readonly #report = new GitHeldBytes(2 * MAX_PKT_BYTES);
  readonly #banded: boolean;
  readonly #rejected: string[] = [];
  #unpack: string | undefined;
  #updated = 0;
  #state: 'reading' | 'ended' | 'lost' = 'reading';

  constructor(request: GitRequest) {
    this.#banded = request.capabilities.has('side-band-64k');
    if (!wantsReport(request)) this.#state = 'lost';
  }

  /** Undefined where the host has not said it, or not yet. */
  get outcome(): PushOutcome | undefined {
    if (this.#state !== 'ended' || this.#unpack === undefined) return undefined;
    return { unpack: this.#unpack, updated: this.#updated, rejected: this.#rejected };
  }

  read(chunk: Buffer): void {
    try {
      for (let at = 0; at < chunk.length && this.#state === 'reading';) {
        const part = chunk.subarray(at, at + MAX_PKT_BYTES);
        if (this.#banded) this.#readBands(part);
        else this.#readReport(part);
        at += part.length;
      }
    } catch (error) {
      if (!(error instanceof MalformedMessage)) throw error;
      // The client reads the same bytes and complains; for the record the outcome is not known.
      this.#state = 'lost';
    }
  }

  #readBands(part: Buffer): void {
    this.#held.append(part);
    for (;;) {
      const line = readPktLine(this.#held.view, 0);
      if (line === undefined) return;
      if (line.kind === 'data' && line.payload[0] === REPORT_BAND) this.#readReport(line.payload.subarray(1));
      this.#held.skip(line.end);
    }
  }

  #readReport(part: Buffer): void {
    if (this.#state !== 'reading') return;
    this.#report.append(part);
    for (;;) {
      const line = readPktLine(this.#report.view, 0);
      if (line === undefined) return;
      if (line.kind === 'data') this.#line(withoutLineFeed(line.payload).toString('utf8'));
      else this.#state = 'ended';
      this.#report.skip(line.end);
      if (this.#state !== 'reading') return;
    }
  }

  #line(text: string): void {
    const [word = ''] = text.split(' ', 1);
    const rest = text.slice(word.length + 1);
    if (word === 'unpack') this.#unpack = rest;
    else if (word === 'ok') this.#updated += 1;
    else if (word === 'ng') this.#rejected.push(rest);
  }
}
