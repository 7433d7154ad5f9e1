/**
 * The protocol of `scp -t` and `scp -f` (OpenSSH's scp.c): one side sends records and files, the other answers each. Every file
 * and folder is judged when its record comes, before the record is passed on; what comes next is read only once the other side
 * has answered, so that the bytes of a file that it did not take can never pass for records.
 */
import { visibleText } from '../../core/approval/visible.ts';
import type { HostOperation, HostPath } from '../../core/statement/host/host-operation.ts';
import type { ChannelActions, ChannelAnswer, ChannelProtocol } from './channel-protocol.ts';
import { MalformedMessage } from './messages/malformed-message.ts';
import { decodeRecord, encodeMessage, FATAL, OK, type ScpRecord, WARNING } from './messages/scp-record.ts';
import { type ScpCommand, ScpPlaces } from './scp-places.ts';
import { ByteQueue } from './scp-stream.ts';
import { type Stopped, stoppedMessage, Transfer, type TransferRules } from './transfer.ts';

export type ScpOptions = {
  readonly channel: number;
  readonly actions: ChannelActions;
  readonly account: string;
  readonly home: HostPath;
  readonly transfers: TransferRules;
  readonly command: ScpCommand;
};

/** What a side may have sent that is not taken yet: more than the windows of SSH let through. */
const MAX_HELD_BYTES = 8 * 1024 * 1024;
/** Above this the client waits. */
const PAUSE_BYTES = 256 * 1024;
const SET_ID_BITS = 0o6000;
const UNSCANNED = { scan: false } as const;
const ACCEPTED = Buffer.from([OK]);

type Step = { readonly action: 'read' | 'list' | 'write' | 'makeFolder' | 'setAttributes'; readonly attributes?: string };

/** A record that is being judged, or was passed on. */
type Entry = {
  readonly record: ScpRecord & { readonly kind: 'file' | 'folder' };
  readonly line: Buffer;
  paths: readonly HostPath[];
  readonly statements: number[];
};

type Phase =
  /** The receiving side has not said that it is there. */
  | 'greeting'
  | 'record'
  /** People or the host are asked about a record. */
  | 'asking'
  /** The receiving side has the times, then the record, and has not answered. */
  | 'times'
  | 'answer'
  | 'data'
  /** All bytes of a file are through: its sender says how it went, then the receiver. */
  | 'status'
  | 'statusAnswer'
  | 'over';

export class ScpProtocol implements ChannelProtocol {
  readonly #options: ScpOptions;
  readonly #actions: ChannelActions;
  readonly #places: ScpPlaces;
  /** From the side that sends files, and from the one that gets them. */
  readonly #sending = new ByteQueue(MAX_HELD_BYTES);
  readonly #receiving = new ByteQueue(MAX_HELD_BYTES);
  readonly #clientSends: boolean;
  #phase: Phase = 'greeting';
  #times: Buffer | undefined;
  #entry: Entry | undefined;
  #transfer: Transfer | undefined;
  #left = 0;
  #sound = true;
  #ask = 0;
  #asked: ((answer: ChannelAnswer) => void) | undefined;
  #paused = false;
  #pumping = false;
  #clientDone = false;
  #targetDone = false;

  constructor(options: ScpOptions) {
    this.#options = options;
    this.#actions = options.actions;
    this.#clientSends = options.command.mode === 'sink';
    this.#places = new ScpPlaces(options.command, options.home, (path, resolved) => options.actions.resolve(path, resolved));
  }

  fromClient(chunk: Buffer): void {
    this.#run(() => (this.#clientSends ? this.#sending : this.#receiving).push(chunk));
  }

  fromTarget(chunk: Buffer, stream: 'stdout' | 'stderr'): void {
    if (stream === 'stdout') this.#run(() => (this.#clientSends ? this.#receiving : this.#sending).push(chunk));
  }

  answered(ask: number, answer: ChannelAnswer): void {
    if (ask !== this.#ask) return;
    const then = this.#asked;
    this.#asked = undefined;
    this.#run(() => then?.(answer));
  }

  clientEnded(): void {
    this.#clientDone = true;
    this.#run(() => undefined);
  }

  targetEnded(): void {
    this.#finish();
  }

  #run(step: () => void): void {
    if (this.#phase === 'over') return;
    try {
      step();
      this.#pump();
    } catch (error) {
      if (!(error instanceof MalformedMessage)) throw error;
      this.#refuse('08P01', error.message);
    }
  }

  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      while (this.#step());
    } finally {
      this.#pumping = false;
    }
    const held = this.#clientSends ? this.#sending.bytes : this.#receiving.bytes;
    if (!this.#paused && held > PAUSE_BYTES) {
      this.#paused = true;
      this.#actions.pauseClient();
    } else if (this.#paused && held === 0) {
      this.#paused = false;
      this.#actions.resumeClient();
    }
    if (this.#clientDone && !this.#targetDone && !this.#isWaiting()) {
      this.#targetDone = true;
      this.#actions.endTarget();
    }
  }

  /** Whether what the client has sent may still go on, once somebody has answered. */
  #isWaiting(): boolean {
    if (this.#phase === 'asking' || this.#phase === 'over') return true;
    const stuck = this.#phase === 'record' || this.#phase === 'data' || this.#phase === 'status';
    return this.#clientSends && this.#sending.bytes > 0 && !stuck;
  }

  /** Takes the next thing that is there; false where something has to come first. */
  #step(): boolean {
    switch (this.#phase) {
      case 'greeting':
      case 'times':
      case 'answer':
      case 'statusAnswer':
        return this.#takeAnswer(this.#phase);
      case 'record':
        return this.#takeRecord();
      case 'data':
        return this.#takeData();
      case 'status':
        return this.#takeStatus();
      case 'asking':
      case 'over':
        return false;
    }
  }

  #takeAnswer(phase: 'greeting' | 'times' | 'answer' | 'statusAnswer'): boolean {
    const code = this.#receiving.peek();
    if (code === undefined) return false;
    if (code === OK) {
      this.#receiving.take(1);
      this.#accepted(phase);
      return true;
    }
    const message = this.#takeMessage(this.#receiving, code);
    if (message === undefined) return false;
    this.#toSender(message);
    this.#settle('error', phase === 'statusAnswer');
    this.#phase = 'record';
    return true;
  }

  #accepted(phase: 'greeting' | 'times' | 'answer' | 'statusAnswer'): void {
    const entry = this.#entry;
    // The sender has its answer to the times already.
    if (phase === 'times' && entry !== undefined) {
      this.#passRecord(entry);
      return;
    }
    this.#toSender(ACCEPTED);
    this.#phase = 'record';
    if (phase === 'statusAnswer') this.#settle('ok', true);
    if (phase !== 'answer' || entry === undefined) return;
    if (entry.record.kind === 'folder') {
      this.#places.enter(entry.paths);
      this.#settle('ok', false);
    } else {
      this.#begin(entry, entry.record.bytes);
    }
  }

  #begin({ paths, statements }: Entry, bytes: number): void {
    const direction = this.#clientSends ? 'write' : 'read';
    // Only the host knows whether a sink's target was a folder: both were judged, and both are on record.
    const path = paths.join(' or ');
    this.#transfer = new Transfer({ direction, path, statement: statements[0] ?? 0, rules: this.#options.transfers });
    this.#left = bytes;
    this.#sound = true;
    this.#phase = bytes === 0 ? 'status' : 'data';
  }

  #takeRecord(): boolean {
    const first = this.#sending.peek();
    if (first === undefined) return false;
    if (first === WARNING || first === FATAL) {
      const message = this.#takeMessage(this.#sending, first);
      if (message !== undefined) this.#toReceiver(message);
      return message !== undefined;
    }
    const line = this.#sending.takeLine();
    if (line === undefined) return false;
    const record = decodeRecord(line.subarray(0, -1));
    switch (record.kind) {
      case 'times':
        // They are passed on with what they are about, if that may pass.
        this.#times = line;
        this.#toSender(ACCEPTED);
        return true;
      case 'end':
        if (!this.#places.leave()) throw new MalformedMessage('scp leaves a folder that it has not entered');
        this.#entry = undefined;
        this.#times = undefined;
        this.#toReceiver(line);
        this.#phase = 'answer';
        return true;
      case 'folder':
      case 'file':
        if (record.kind === 'folder' && !this.#options.command.recursive) throw new MalformedMessage('a folder in an scp of files');
        this.#judge({ record, line, paths: [], statements: [] });
        return true;
    }
  }

  #judge(entry: Entry): void {
    this.#phase = 'asking';
    this.#entry = entry;
    const steps = this.#stepsOf(entry.record);
    this.#places.find(entry.record.name, (paths) =>
      this.#run(() => {
        entry.paths = paths;
        if (paths.length === 0) this.#skip('the host cannot say what this path is');
        else this.#askNext(entry, steps);
      }),
    );
  }

  #stepsOf(record: ScpRecord & { readonly kind: 'file' | 'folder' }): readonly Step[] {
    if (!this.#clientSends) return [{ action: record.kind === 'file' ? 'read' : 'list' }];
    const step = { action: record.kind === 'file' ? 'write' : 'makeFolder' } as const;
    if ((record.mode & SET_ID_BITS) === 0) return [step];
    return [step, { action: 'setAttributes', attributes: `mode ${record.mode.toString(8).padStart(4, '0')}` }];
  }

  #askNext(entry: Entry, [step, ...others]: readonly Step[]): void {
    if (step === undefined) {
      this.#pass(entry);
      return;
    }
    const { account, home } = this.#options;
    const base = { kind: 'file', by: 'scp', action: step.action, paths: entry.paths, recursive: false, account, home } as const;
    const operation: HostOperation = step.attributes === undefined ? base : { ...base, attributes: step.attributes };
    this.#asked = (answer) => {
      if (answer.kind === 'refused') {
        this.#skip(`${answer.code} ${answer.message}`);
      } else {
        entry.statements.push(answer.statement);
        this.#askNext(entry, others);
      }
    };
    this.#ask += 1;
    this.#actions.ask(this.#ask, operation);
  }

  #pass(entry: Entry): void {
    if (this.#times === undefined) {
      this.#passRecord(entry);
      return;
    }
    this.#toReceiver(this.#times);
    this.#times = undefined;
    this.#phase = 'times';
  }

  #passRecord({ line }: Entry): void {
    this.#toReceiver(line);
    this.#phase = 'answer';
  }

  /** The record is not passed on: its sender is told, and goes on with the next. */
  #skip(reason: string): void {
    const message = encodeMessage(WARNING, `sallyport: ${visibleText(reason, false)}`);
    this.#times = undefined;
    this.#settle('error', false);
    this.#toSender(message);
    // Of two programs only the client's has somebody who reads it.
    if (!this.#clientSends) this.#toReceiver(message);
    this.#phase = 'record';
  }

  #takeData(): boolean {
    const piece = this.#sending.take(this.#left);
    if (piece.length === 0) return false;
    const transfer = this.#transfer;
    const stopped = transfer?.pass(piece, 0, piece.length, transfer.bytes);
    if (stopped !== undefined) {
      this.#stop(stopped);
      return false;
    }
    this.#toReceiver(piece);
    this.#left -= piece.length;
    if (this.#left === 0) this.#phase = 'status';
    return true;
  }

  #takeStatus(): boolean {
    const code = this.#sending.peek();
    if (code === undefined) return false;
    const message = code === OK ? this.#sending.take(1) : this.#takeMessage(this.#sending, code);
    if (message === undefined) return false;
    const stopped = this.#transfer?.finish();
    if (stopped !== undefined) {
      // All of the file but its end is through: the next thing that a receiver reads is a record.
      if (!this.#clientSends) this.#toReceiver(stoppedRecord(stopped));
      this.#stop(stopped);
      return false;
    }
    if (code !== OK) this.#sound = false;
    this.#toReceiver(message);
    this.#phase = 'statusAnswer';
    return true;
  }

  /** A line that is shown to people; undefined while it is not whole. */
  #takeMessage(queue: ByteQueue, code: number): Buffer | undefined {
    if (code !== WARNING && code !== FATAL)
      throw new MalformedMessage('an answer that is not of scp: does the account print something when it logs in?');
    const line = queue.takeLine();
    return line && encodeMessage(code, visibleText(line.subarray(1, -1).toString('utf8'), false));
  }

  /** What became of the record in hand. */
  #settle(outcome: 'ok' | 'error', ended: boolean): void {
    const entry = this.#entry;
    this.#entry = undefined;
    const sound = outcome === 'ok' && this.#sound;
    if (this.#transfer !== undefined) this.#recordTransfer(ended && sound);
    for (const statement of entry?.statements ?? [])
      this.#actions.completed(statement, sound || entry?.record.kind === 'folder' ? outcome : 'error');
  }

  #recordTransfer(complete: boolean): void {
    const transfer = this.#transfer;
    this.#transfer = undefined;
    if (transfer !== undefined) this.#actions.record(transfer.event(this.#options.channel, 'scp', complete));
  }

  #finish(): void {
    if (this.#phase === 'over') return;
    this.#phase = 'over';
    this.#recordTransfer(false);
    this.#sending.clear();
    this.#receiving.clear();
  }

  #stop(stopped: Stopped): void {
    // A sender reads an answer once it has sent the file; in the middle of one its receiver could not tell words from content.
    if (this.#clientSends) this.#toSender(stoppedRecord(stopped));
    this.#refuse('ZG010', stoppedMessage(stopped));
  }

  #refuse(code: string, message: string): void {
    this.#finish();
    this.#actions.refuse(code, message);
  }

  #toReceiver(bytes: Buffer): void {
    if (this.#clientSends) this.#actions.toTarget(bytes);
    else this.#actions.toClient(bytes, UNSCANNED);
  }

  #toSender(bytes: Buffer): void {
    if (this.#clientSends) this.#actions.toClient(bytes, UNSCANNED);
    else this.#actions.toTarget(bytes);
  }
}

function stoppedRecord(stopped: Stopped): Buffer {
  return encodeMessage(FATAL, `sallyport: ZG010 ${stoppedMessage(stopped)}`);
}
