/**
 * The target's messages on their way to the client: each is held against what is owed, rows are masked, counted and
 * recorded, messages that could carry values are rebuilt. What contradicts the expectation ends the session.
 */
import { maskMessage } from '../../core/masking/error-text.ts';
import { redactText } from '../../core/masking/detectors.ts';
import { HEADER_BYTES } from './frames.ts';
import type { Freshness } from './freshness.ts';
import type { LiveSession } from './live-session.ts';
import { decodeCommandComplete } from './messages/command-complete.ts';
import { decodeDataRow } from './messages/data-row.ts';
import { type ErrorField, decodeErrorFields, encodeErrorResponse, encodeNoticeResponse, errorField } from './messages/error-response.ts';
import { decodeNotificationResponse, encodeNotificationResponse } from './messages/notification-response.ts';
import { decodeParameterStatus } from './messages/parameter-status.ts';
import { encodeFailingBind } from './messages/bind.ts';
import { encodeQuery } from './messages/query.ts';
import { decodeReadyForQuery } from './messages/ready-for-query.ts';
import { type ColumnDescription, decodeRowDescription } from './messages/row-description.ts';
import { budgetUsedUp, capHit, encodeRefusal, reconnect, type Refusal, unjudgeable } from './refusal.ts';
import { RowRelease, RowReleases } from './row-release.ts';
import type { DescribeSubject, Prepared, StatementRun } from './run.ts';
import { ClaimOutcomes } from './claim-outcomes.ts';
import { PINNED_PARAMETERS } from './upstream.ts';

const DATA_ROW = 0x44;
const COPY_DATA = 0x64;
const COPY_DONE = 0x63;
const READY_FOR_QUERY = 0x5a;
const NOTICE = 0x4e;
const PARAMETER_STATUS = 0x53;
const NOTIFICATION = 0x41;
const MASKED = '[masked]';
const LARGE_RESULT_BYTES = 128 * 1024;

export class Delivery {
  readonly #session: LiveSession;
  readonly #freshness: Freshness;
  readonly #outcomes: ClaimOutcomes;
  readonly #releases: RowReleases;
  readonly #cancel: () => void;
  /** Rows in hand: neighbouring DataRow or CopyData messages of one run in one buffer. */
  #run: StatementRun | undefined;
  #buffer: Buffer | undefined;
  #start = 0;
  #end = 0;
  /** The run whose row was the last message. */
  #flowing: StatementRun | undefined;
  /** The target said why it closes the connection. */
  fatal = false;
  /** The client was told that its statement failed, but the target thinks otherwise: until that is mended nothing passes. */
  #spoiled = false;
  /** Code that cannot be read ran since the last ReadyForQuery, before which PostgreSQL tells what settings changed. */
  #ranOpaque = false;

  readonly #runEnded: (run: StatementRun) => void;

  /** `cancel` asks the target to stop what it runs; `runEnded` is told of each run that the target has finished. */
  constructor(session: LiveSession, freshness: Freshness, cancel: () => void, runEnded: (run: StatementRun) => void) {
    this.#session = session;
    this.#freshness = freshness;
    this.#releases = new RowReleases(session);
    this.#outcomes = new ClaimOutcomes(session.gate, session.clock);
    this.#cancel = cancel;
    this.#runEnded = runEnded;
  }

  get outcomes(): ClaimOutcomes {
    return this.#outcomes;
  }

  /** In the midst of a large result: its next rows may wait for each other. */
  get flowing(): boolean {
    return this.#flowing !== undefined && this.#flowing.bytes > LARGE_RESULT_BYTES;
  }

  /** One message. Rows are kept until `settle` or the next message of another kind. Throws on violations. */
  take(type: number, buffer: Buffer, start: number, end: number): void {
    const from = start - HEADER_BYTES;
    if (type === DATA_ROW || type === COPY_DATA) {
      if (this.#run !== undefined && this.#buffer === buffer && this.#end === from) {
        this.#count(this.#run, end - from);
        this.#end = end;
        return;
      }
    }
    this.settle();
    this.#flowing = undefined;
    const { machine, toClient } = this.#session;
    const status = type === READY_FOR_QUERY ? decodeReadyForQuery(buffer, start, end) : undefined;
    const reaction = machine.receive(type, status);
    switch (reaction.do) {
      case 'forward':
        this.#forward(type, buffer, start, end);
        return;
      case 'swallow':
        return;
      case 'ownRow':
        this.#freshness.takeRow(decodeDataRow(buffer, start, end)[0]?.toString('utf8') ?? '');
        return;
      case 'ownDone':
        this.#freshness.answered();
        return;
      case 'described':
        this.#described(reaction.subject, reaction.statement, reaction.rows, buffer, start, end);
        if (!reaction.own || (reaction.subject.simple === true && reaction.rows)) toClient.add(buffer, from, end);
        return;
      case 'runDescribed':
        reaction.run.columns = decodeRowDescription(buffer, start, end);
        this.#pass(reaction.run, buffer, from, end);
        return;
      case 'rows':
        if (type === COPY_DONE) {
          this.#copyDone(reaction.run);
          if (!this.#spoiled && reaction.run.capped === undefined) toClient.add(buffer, from, end);
          return;
        }
        this.#run = reaction.run;
        this.#flowing = reaction.run;
        this.#buffer = buffer;
        this.#start = from;
        this.#end = end;
        this.#count(reaction.run, end - from);
        return;
      case 'copyIn':
      case 'copyOut':
        this.#pass(reaction.run, buffer, from, end);
        return;
      case 'completed':
        this.#completed(reaction.run, reaction.how, buffer, start, end);
        return;
      case 'failed':
        if (reaction.own) throw new Error('the gateway could not read the state of the session');
        this.#failed(reaction.run, buffer, start, end);
        return;
      case 'refused':
        if (reaction.refusal !== undefined) toClient.addMessage(encodeRefusal(reaction.refusal));
        return;
      case 'ready':
        this.#ready(reaction.own, buffer, from, end);
        return;
      case 'violation':
        throw new Error(reaction.what);
    }
  }

  /** Releases the rows in hand: masked, recorded, and put in line for the client. */
  settle(): void {
    const run = this.#run;
    const buffer = this.#buffer;
    if (run === undefined || buffer === undefined) return;
    const from = this.#start;
    const to = this.#end;
    this.#run = undefined;
    this.#buffer = undefined;
    if (run.capped !== undefined || this.#spoiled) return;
    const session = this.#session;
    if (run.release === undefined && run.view.hidden && session.runtime.flux.changedSince(run)) {
      this.#cap(run, unjudgeable(NAMES_CHANGED));
      return;
    }
    run.release ??= buffer[from] === COPY_DATA ? RowRelease.ofCopy(session, run) : this.#releases.ofRows(run);
    const released = run.release.apply(buffer, from, to, session.toClient);
    run.detected += released.detected;
    if (run.maxRows !== undefined) {
      // Nobody sees a row before it is known that there are not too many.
      run.withheld.push(Buffer.from(released.buffer.subarray(released.start, released.end)));
      if (run.rows > run.maxRows) this.#cap(run, capHit({ measure: 'rows', limit: run.maxRows, used: run.rows }, 'no'));
      return;
    }
    run.unreported = true;
    session.recorder.appendContent(released.buffer, released.start, released.end);
    session.toClient.add(released.buffer, released.start, released.end);
    this.#spend(run);
  }

  /** Counts what is about to be released, and stops at the caps of the target. */
  #count(run: StatementRun, bytes: number): void {
    const { limits } = this.#session.target;
    run.rows += 1;
    run.bytes += bytes;
    if (run.capped !== undefined) return;
    if (run.rows > limits.maxRows)
      this.#cap(run, capHit({ measure: 'rows', limit: limits.maxRows, used: limits.maxRows }, executedBy(run)));
    else if (run.bytes > limits.maxBytes)
      this.#cap(run, capHit({ measure: 'bytes', limit: limits.maxBytes, used: run.bytes }, executedBy(run)));
  }

  /** Rows and bytes of a chunk against the budgets of the principal. */
  #spend(run: StatementRun): void {
    const { budgets } = this.#session;
    for (const [measure, amount] of [
      ['rows', run.rows - run.spentRows],
      ['bytes', run.bytes - run.spentBytes],
    ] as const) {
      if (amount <= 0) continue;
      const spent = budgets.spend(measure, amount);
      if (!spent.ok && run.capped === undefined) {
        const details = { measure, limit: spent.limit, used: spent.used, renewsAt: new Date(spent.renewsAtMs).toISOString() };
        this.#cap(run, budgetUsedUp(details, executedBy(run)));
      }
    }
    run.spentRows = run.rows;
    run.spentBytes = run.bytes;
  }

  /** The rows up to the cap are released, the rest is not; the target is asked to stop. */
  #cap(run: StatementRun, refusal: Refusal): void {
    this.settle();
    run.capped = refusal;
    this.#cancel();
  }

  /** A message of a run that is recorded with its rows: how a replay knows the columns. */
  #pass(run: StatementRun, buffer: Buffer, from: number, end: number): void {
    if (this.#spoiled || run.capped !== undefined) return;
    if (buffer[from] === 0x54) this.#session.recorder.appendContent(buffer, from, end);
    this.#session.toClient.add(buffer, from, end);
  }

  #described(subject: DescribeSubject, statement: boolean, rows: boolean, buffer: Buffer, start: number, end: number): void {
    const { run, prepared } = subject;
    const columns = rows ? described(prepared, buffer, start, end) : [];
    if (prepared !== undefined) prepared.columns = columns;
    if (run !== undefined && !statement) run.columns = columns;
  }

  #copyDone(run: StatementRun): void {
    const rest = run.release?.finish(this.#session.toClient);
    if (rest === undefined || run.capped !== undefined) return;
    run.detected += rest.detected;
    this.#session.recorder.appendContent(rest.buffer, rest.start, rest.end);
    this.#session.toClient.add(rest.buffer, rest.start, rest.end);
  }

  #completed(run: StatementRun | undefined, how: 'done' | 'suspended' | 'empty', buffer: Buffer, start: number, end: number): void {
    const { toClient } = this.#session;
    const from = start - HEADER_BYTES;
    if (run?.judged.facts.opaque === true) this.#ranOpaque = true;
    if (run === undefined || run.number === 0 || this.#spoiled) {
      if (!this.#spoiled) toClient.add(buffer, from, end);
      return;
    }
    const complete = how === 'done' ? decodeCommandComplete(buffer, start, end) : { tag: '', rows: 0 };
    if (run.maxRows !== undefined) this.#countAffected(run, run.maxRows, complete.rows ?? run.rows);
    this.#report(run, complete.tag, complete.rows ?? 0, how === 'suspended' ? 'suspended' : run.capped === undefined ? 'ok' : 'error');
    if (how !== 'suspended') this.#ended(run);
    if (run.approval !== undefined) this.#outcomes.completed(run.approval, complete.rows ?? 0);
    if (complete.tag === 'ROLLBACK') this.#outcomes.rolledBack(run.judged.reading.control.transaction === 'rollbackTo');
    if (run.capped === undefined) {
      toClient.add(buffer, from, end);
      return;
    }
    this.#spoil(run.capped);
    this.#runEnded(run);
  }

  /** The affected rows are known: either they may be seen, or the statement is undone (`@maxRows`). */
  #countAffected(run: StatementRun, maxRows: number, affected: number): void {
    const { recorder, toClient } = this.#session;
    if (affected > maxRows) run.capped ??= capHit({ measure: 'rows', limit: maxRows, used: affected }, 'no');
    if (run.capped !== undefined) return;
    for (const rows of run.withheld.splice(0)) {
      run.unreported = true;
      recorder.appendContent(rows, 0, rows.length);
      toClient.addMessage(rows);
    }
  }

  #ended(run: StatementRun): void {
    run.ended = true;
    if (run.capped === undefined) this.#runEnded(run);
  }

  /** The target finished what the client is told has failed: its transaction must fail too. */
  #spoil(refusal: Refusal): void {
    const { machine, toClient, toTarget, failingStatement } = this.#session;
    toClient.addMessage(encodeRefusal(refusal));
    this.#spoiled = true;
    if (machine.open && !machine.skipping) {
      toTarget.addMessage(encodeFailingBind(failingStatement));
      machine.sent({ kind: 'refusedBind', refusal: undefined });
    }
  }

  #failed(run: StatementRun | undefined, buffer: Buffer, start: number, end: number): void {
    const { recorder, toClient, judge } = this.#session;
    if (run?.judged.facts.opaque === true) this.#ranOpaque = true;
    const fields = decodeErrorFields(buffer, start, end);
    const told = run?.capped === undefined ? this.#cleaned(fields, judge.view.hidden) : undefined;
    const code = errorField(told ?? fields, 'C') ?? '';
    if (run !== undefined && run.number > 0) this.#report(run, '', 0, 'error');
    if (run !== undefined) {
      run.ended = true;
      this.#runEnded(run);
    }
    this.#outcomes.failed(run?.approval);
    const message = run?.capped?.message ?? errorField(told ?? [], 'M') ?? '';
    const severity = errorField(fields, 'V') ?? errorField(fields, 'S') ?? 'ERROR';
    if (severity === 'FATAL' || severity === 'PANIC') this.fatal = true;
    recorder.append({
      type: 'error',
      ...(run === undefined || run.number === 0 ? {} : { statement: run.number }),
      code: run?.capped?.code ?? code,
      severity,
      message,
      from: run?.capped === undefined ? 'target' : 'gateway',
    });
    if (this.#spoiled) return;
    if (run?.capped !== undefined) toClient.addMessage(encodeRefusal(run.capped));
    else if (told === fields) toClient.add(buffer, start - HEADER_BYTES, end);
    else toClient.addMessage(encodeErrorResponse(told ?? []));
  }

  /** Fields of an error or notice that may go to this client and into the recording (design §7 "Every message"). */
  #cleaned(fields: readonly ErrorField[], hidden: boolean): readonly ErrorField[] {
    const detectors = this.#session.detectors();
    if (!hidden && detectors.detectors.length === 0) return fields;
    return [...maskMessage(new Map(fields), hidden, detectors)];
  }

  #report(run: StatementRun, tag: string, rows: number, outcome: 'ok' | 'suspended' | 'error'): void {
    const { recorder, clock } = this.#session;
    if (run.unreported || run.capped !== undefined) {
      run.unreported = false;
      recorder.append({
        type: 'rows.released',
        statement: run.number,
        rows: run.rows,
        bytes: run.bytes,
        masked: run.release?.masked ?? [],
        detected: run.detected,
      });
    }
    recorder.append({
      type: 'statement.completed',
      statement: run.number,
      tag,
      rows: tag === '' ? run.rows : rows,
      durationUs: Math.round(clock.monoUs() - run.startedUs),
      outcome,
    });
    this.#session.releasedRows += run.rows;
    this.#session.releasedBytes += run.bytes;
  }

  #ready(own: boolean, buffer: Buffer, from: number, end: number): void {
    const session = this.#session;
    const { machine, stale, portals, cursors, toTarget } = session;
    this.#ranOpaque = false;
    if (machine.status === 'I') {
      this.#freshness.settleNames();
      portals.forget(() => false);
      cursors.forget((_name, cursor) => cursor.hold);
      if (stale.touched) {
        stale.state = true;
        // What is still owed may be a later transaction that changed them too.
        stale.touched = !machine.drained;
      }
    }
    if (this.#spoiled && machine.status === 'T') {
      toTarget.addMessage(encodeQuery(SPOILING_QUERY));
      machine.sent({ kind: 'refusedQuery', refusal: undefined, failed: false });
      return;
    }
    this.#spoiled = false;
    if (own) return;
    this.#outcomes.ready(machine.status);
    session.toClient.add(buffer, from, end);
  }

  #forward(type: number, buffer: Buffer, start: number, end: number): void {
    const session = this.#session;
    const { toClient, judge } = session;
    const from = start - HEADER_BYTES;
    switch (type) {
      case NOTICE: {
        const fields = decodeErrorFields(buffer, start, end);
        const told = this.#cleaned(fields, judge.view.hidden);
        if (told === fields) toClient.add(buffer, from, end);
        else toClient.addMessage(encodeNoticeResponse(told));
        return;
      }
      case PARAMETER_STATUS: {
        const { name, value } = decodeParameterStatus(buffer, start, end);
        const pinned = PINNED_PARAMETERS.get(name);
        if (pinned !== undefined && pinned !== value) {
          session.end(
            reconnect(`the target changed ${name}, on which the reading of statements depends`, 'unknown'),
            `${name} was changed`,
            true,
          );
          return;
        }
        // Code that cannot be read may have put any value there; the client keeps what it was told before.
        if (judge.view.hidden && this.#ranOpaque) return;
        toClient.add(buffer, from, end);
        return;
      }
      case NOTIFICATION: {
        const notification = decodeNotificationResponse(buffer, start, end);
        if (judge.view.hidden && notification.payload !== '') {
          // A trigger may have put any row into it.
          toClient.addMessage(encodeNotificationResponse({ ...notification, payload: MASKED }));
          return;
        }
        const payload = redactText(notification.payload, session.detectors());
        if (payload === notification.payload) toClient.add(buffer, from, end);
        else toClient.addMessage(encodeNotificationResponse({ ...notification, payload }));
        return;
      }
      default:
        if (!this.#spoiled) toClient.add(buffer, from, end);
    }
  }
}

/** Clients have every execution described anew; the same bytes mean the same. */
function described(prepared: Prepared | undefined, buffer: Buffer, start: number, end: number): readonly ColumnDescription[] {
  const known = prepared?.described;
  if (known !== undefined && known.bytes.compare(buffer, start, end) === 0) return known.columns;
  const columns = decodeRowDescription(buffer, start, end);
  if (prepared !== undefined) prepared.described = { bytes: Buffer.from(buffer.subarray(start, end)), columns };
  return columns;
}

const NAMES_CHANGED = 'names changed their meaning while it was on its way: send it again';
const SPOILING_QUERY = 'sallyport ended this statement';

/** A read that was cut short changed nothing; anything else may have. */
function executedBy(run: StatementRun): 'yes' | 'unknown' {
  return run.judged.plainRead ? 'yes' : 'unknown';
}
