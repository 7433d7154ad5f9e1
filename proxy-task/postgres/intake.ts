/**
 * The client's messages, one after the other: each is judged, then recorded, then forwarded, or refused in a way that
 * leaves the connection as PostgreSQL itself would leave it (design §5). A message that must wait (for a reading, for
 * people) stops all that follow it; it is looked at again from the start when something has happened.
 */
import { namesAlike } from '../../core/statement/sql/session-state.ts';
import { valuesRunCode } from '../../core/statement/sql/type-names.ts';
import type { JudgedStatement, TextJudgement } from '../../core/judging/authorize.ts';
import type { Freshness } from './freshness.ts';
import { Clearance, WAIT, type Cleared, type Memo } from './clearance.ts';
import type { HeldStatement } from './held-statement.ts';
import type { Hold } from './hold.ts';
import type { LiveSession } from './live-session.ts';
import { type Bind, decodeBind, encodeBind, encodeFailingBind, formatAt } from './messages/bind.ts';
import { encodeFlush, encodeSync } from './messages/bodiless.ts';
import { decodeClose, decodeDescribe, encodeDescribe } from './messages/describe-close.ts';
import { decodeExecute, encodeExecute } from './messages/execute.ts';
import { MalformedMessage, WrongEncoding } from './messages/malformed-message.ts';
import { decodeParse, encodeParse } from './messages/parse.ts';
import { decodeQuery, encodeQuery } from './messages/query.ts';
import { encodeReadyForQuery } from './messages/ready-for-query.ts';
import type { ColumnDescription } from './messages/row-description.ts';
import { HEADER_BYTES } from './frames.ts';
import { encodeRefusal, noSuchName, protocolViolation, unjudgeable, type Refusal } from './refusal.ts';
import { bothChanges, endsTransactionEarly, FETCHES, RunChanges, runsCode } from './run-changes.ts';
import { type Prepared, StatementRun } from './run.ts';
import { bookChange, type BookChange } from './session-machine.ts';
import { StatementRecord } from './statement-record.ts';
import { notJudged, refusalOf } from './verdict-refusal.ts';

type Held = { readonly type: number; readonly buffer: Buffer; readonly start: number; readonly end: number; readonly tooLong: boolean };

export class Intake {
  readonly #session: LiveSession;
  readonly #freshness: Freshness;
  readonly #record: StatementRecord;
  readonly #clearance: Clearance;
  readonly #changes: RunChanges;
  #held: Held | undefined;
  #memo: Memo = {};
  #durable = false;
  /** Something was taken whose intent must be on record before it goes upstream. */
  #intent = false;
  #cancelling = false;
  /** COPY FROM STDIN went upstream, and the target has not said yet that it is ready for data. */
  #copyAwaited: StatementRun | undefined;
  /** Runs under a cap of affected rows: the Sync that would commit it waits for the count. */
  #capped: { readonly run: StatementRun; readonly simple: boolean } | undefined;

  /** What was executed in the implicit transaction `segment`. */
  #executed = { segment: -1, runs: 0, writes: false, rows: false };

  /** `onClaimed` is told of each approval whose statement is about to be sent. */
  constructor(session: LiveSession, freshness: Freshness, onClaimed: (approvalId: string) => void) {
    this.#session = session;
    this.#clearance = new Clearance(session, freshness, onClaimed);
    this.#changes = new RunChanges(session);
    this.#freshness = freshness;
    this.#record = new StatementRecord(session);
  }

  /** The statement that waits for people now. */
  get holding(): Hold | undefined {
    return this.#memo.hold;
  }

  /** How what was taken since the last call must be on record before it goes upstream; `none`: nothing of it is an intent. */
  takeDurability(): 'none' | 'written' | 'durable' {
    const durability = this.#durable ? 'durable' : this.#intent ? 'written' : 'none';
    this.#durable = false;
    this.#intent = false;
    return durability;
  }

  /** False: the message waits, a copy of it is kept, and the caller must not pass another before `retry` is true. */
  take(type: number, buffer: Buffer, start: number, end: number): boolean {
    this.#memo = {};
    if (this.#handle(type, buffer, start, end, false)) return true;
    const copy = Buffer.from(buffer.subarray(start - HEADER_BYTES, end));
    this.#held = { type, buffer: copy, start: HEADER_BYTES, end: copy.length, tooLong: false };
    return false;
  }

  /** As `take`, for a message that was too long to be kept: its statement is refused. */
  takeTooLong(type: number): boolean {
    this.#memo = {};
    if (this.#handle(type, NOTHING, 0, 0, true)) return true;
    this.#held = { type, buffer: NOTHING, start: 0, end: 0, tooLong: true };
    return false;
  }

  /** Looks again at the message that waits; true when none does any longer. */
  retry(): boolean {
    const held = this.#held;
    if (held === undefined) return true;
    if (!this.#handle(held.type, held.buffer, held.start, held.end, held.tooLong)) return false;
    this.#held = undefined;
    this.#memo = {};
    return true;
  }

  get waiting(): boolean {
    return this.#held !== undefined;
  }

  /** A CancelRequest is on its way to the target: nothing more is sent that it could hit instead. */
  set cancelling(value: boolean) {
    this.#cancelling = value;
  }

  /** The target said how a run ended; a simple Query that was held open for its count is closed now. */
  runEnded(run: StatementRun): void {
    const capped = this.#capped;
    if (capped === undefined || capped.run !== run) return;
    this.#capped = undefined;
    if (!capped.simple) return;
    const { machine, toTarget } = this.#session;
    machine.synced();
    machine.sent({ kind: 'sync', own: false });
    toTarget.addMessage(encodeSync());
  }

  /** The client is gone, or cancels: what waits for people is withdrawn. */
  withdraw(reason: string): boolean {
    const hold = this.#memo.hold;
    if (hold === undefined || hold.status.kind === 'claimed') return false;
    hold.withdraw(reason);
    return true;
  }

  #handle(type: number, buffer: Buffer, start: number, end: number, tooLong: boolean): boolean {
    const { machine, toTarget } = this.#session;
    if (this.#cancelling && type !== TYPE.terminate) return false;
    if (this.#copyAwaited !== undefined && !this.#copySettled(type)) return false;
    if (this.#capped !== undefined && type !== TYPE.terminate && !this.#capSettled(type)) return false;
    try {
      switch (type) {
        case TYPE.terminate:
          this.#session.clientClosed();
          return true;
        case TYPE.sync:
          if (machine.copyIn !== undefined) return true;
          if (this.#mayBeUndone() && !this.#freshness.drained()) return false;
          machine.synced();
          machine.sent({ kind: 'sync', own: false });
          this.#changes.transactionMayEnd();
          toTarget.add(buffer, start - HEADER_BYTES, end);
          return true;
        case TYPE.copyData:
        case TYPE.copyDone:
        case TYPE.copyFail:
          this.#copy(type, buffer, start, end);
          return true;
        default:
      }
      if (machine.skipping) return true;
      if (machine.copyIn !== undefined && type !== TYPE.flush)
        return this.#fatal('a message other than CopyData, CopyDone and CopyFail during COPY');
      if (tooLong) return this.#tooLong(type);
      switch (type) {
        case TYPE.flush:
          if (machine.copyIn === undefined) toTarget.add(buffer, start - HEADER_BYTES, end);
          return true;
        case TYPE.query:
          return this.#query(buffer, start, end);
        case TYPE.parse:
          return this.#parse(buffer, start, end);
        case TYPE.bind:
          return this.#bind(buffer, start, end);
        case TYPE.execute:
          return this.#execute(buffer, start, end);
        case TYPE.describe:
          return this.#describe(buffer, start, end);
        case TYPE.close:
          return this.#close(buffer, start, end);
        case TYPE.functionCall:
          return this.#refuseSimple(unjudgeable('function calls by the fast path are not taken; use SELECT'));
        default:
          return this.#fatal('a message that has no place after the login');
      }
    } catch (error) {
      if (error instanceof WrongEncoding) {
        const refusal = unjudgeable(error.message);
        return type === TYPE.query || type === TYPE.functionCall ? this.#refuseSimple(refusal) : this.#refuseExtended(refusal);
      }
      if (error instanceof MalformedMessage) return this.#fatal(error.message);
      throw error;
    }
  }

  #tooLong(type: number): boolean {
    const reason = `it is longer than the ${this.#session.target.limits.maxStatementBytes} bytes that this target takes`;
    const simple = type === TYPE.query || type === TYPE.functionCall;
    this.#record.unjudged('', simple ? 'simple' : 'extended', reason);
    return simple ? this.#refuseSimple(unjudgeable(reason)) : this.#refuseExtended(unjudgeable(reason));
  }

  #query(buffer: Buffer, start: number, end: number): boolean {
    const { machine, toTarget, portals, statements } = this.#session;
    const { sql } = decodeQuery(buffer, start, end);
    const judgement = this.#clearance.judge(this.#memo, sql);
    if (judgement === WAIT) return false;
    if (judgement.kind === 'unjudgeable') {
      this.#record.unjudged(sql, 'simple', judgement.reason);
      return this.#refuseSimple(notJudged(judgement));
    }
    if (this.#changes.cursorMoved(judgement.statements)) return this.#refuseSimple(unjudgeable(CURSOR_MOVED));
    const approval = this.#clearance.settle(this.#memo, judgement, sql, undefined, []);
    if (approval === WAIT) return false;
    if ('refusal' in approval) {
      this.#record.refused(judgement.statements, sql, 'simple', approval.refusal);
      return this.#refuseSimple(approval.refusal);
    }
    if (this.#session.stale.touched && endsTransactionEarly(judgement)) {
      return this.#refuseSimple(
        unjudgeable('names mean something else after a transaction that has changed settings: send what follows it alone'),
      );
    }
    const setting = gatewaySetting(judgement);
    if (setting !== undefined && judgement.statements.length > 1) {
      return this.#refuseSimple(unjudgeable(`${setting.name} is read by the gateway: send its SET alone`));
    }
    const { maxRows } = approval;
    if (maxRows !== undefined && judgement.statements.length > 1) {
      return this.#refuseSimple(unjudgeable('a cap of affected rows holds for one statement: send each alone'));
    }
    const runs = judgement.statements.map((judged) => this.#start(judged, approval));
    for (const run of runs) this.#propose(run);
    // A simple Query drops the unnamed statement and portal (exec_simple_query).
    const dropUnnamed = bookChange(statements, statements.propose({ kind: 'delete', name: '', segment: machine.segment }));
    const dropPortal = bookChange(portals, portals.propose({ kind: 'delete', name: '', segment: machine.segment }));
    const change = { confirm: () => (dropUnnamed.confirm(), dropPortal.confirm()), drop: () => (dropUnnamed.drop(), dropPortal.drop()) };
    for (const run of runs) this.#record.sent(run, sql, 'simple', []);
    const counted = runs[0];
    if (counted !== undefined && maxRows !== undefined && machine.status === 'I' && !machine.open) {
      this.#queryUncommitted(counted, sql, change);
      return true;
    }
    machine.sent({ kind: 'query', runs, at: 0, failed: false, change });
    if (machine.status === 'I') this.#changes.transactionMayEnd();
    if (setting === undefined) toTarget.add(buffer, start - HEADER_BYTES, end);
    else toTarget.addMessage(encodeQuery(withheldSetting(setting.name)));
    return true;
  }

  /** A simple Query whose effects must be counted before they are committed: the same by the extended protocol, without its Sync. */
  #queryUncommitted(run: StatementRun, sql: string, change: BookChange): void {
    const { machine, toTarget } = this.#session;
    toTarget.addMessage(encodeParse({ statement: '', sql }));
    machine.sent({ kind: 'own', step: 'parse', run });
    toTarget.addMessage(encodeBind({ portal: '', statement: '', parameters: [] }));
    machine.sent({ kind: 'own', step: 'bind', run });
    toTarget.addMessage(encodeDescribe({ kind: 'portal', name: '' }));
    machine.sent({ kind: 'describe', own: true, statement: false, subject: { run, simple: true } });
    toTarget.addMessage(encodeExecute({ portal: '', maxRows: 0 }));
    // Whatever becomes of the run, the client's unnamed statement and portal are gone.
    change.confirm();
    machine.sent({ kind: 'execute', run });
    toTarget.addMessage(encodeFlush());
    this.#capped = { run, simple: true };
  }

  #parse(buffer: Buffer, start: number, end: number): boolean {
    const { machine, statements, toTarget } = this.#session;
    const parse = decodeParse(buffer, start, end);
    const judgement = this.#clearance.judge(this.#memo, parse.sql);
    if (judgement === WAIT) return false;
    if (judgement.kind === 'unjudgeable') {
      this.#record.unjudged(parse.sql, 'extended', judgement.reason);
      return this.#refuseExtended(notJudged(judgement));
    }
    const refusal = refusalOf(judgement.verdict);
    if (refusal !== undefined) {
      this.#record.refused(judgement.statements, parse.sql, 'extended', refusal);
      return this.#refuseExtended(refusal);
    }
    const { catalog } = this.#session.judge.view;
    const typed = parse.parameterTypes.find((type) => valuesRunCode(catalog, type));
    if (typed !== undefined) {
      const reason = `a parameter is declared with the type ${catalog.types.get(typed)?.name ?? typed}, whose values run code: leave its type out`;
      this.#record.unjudged(parse.sql, 'extended', reason);
      return this.#refuseExtended(unjudgeable(reason));
    }
    if (this.#runsWhileParsed(judgement.statements)) {
      if (judgement.verdict.kind === 'approve') {
        const reason = 'it needs an approval, and its constants may run code while it is prepared: send it as a simple query';
        this.#record.unjudged(parse.sql, 'extended', reason);
        return this.#refuseExtended(unjudgeable(reason));
      }
      // What runs by Parse alone is on record before it, whether or not a Bind follows.
      for (const judged of judgement.statements) this.#record.sent(this.#start(judged, {}), parse.sql, 'extended', []);
    }
    const prepared: Prepared = { text: parse.sql, fromSql: false, parameterTypes: parse.parameterTypes, source: parse.sql };
    const change = statements.propose({ kind: 'set', name: parse.statement, body: prepared, segment: machine.segment });
    machine.sent({ kind: 'parse', change: bookChange(statements, change) });
    const setting = gatewaySetting(judgement);
    if (setting === undefined) toTarget.add(buffer, start - HEADER_BYTES, end);
    else
      toTarget.addMessage(
        encodeParse({ statement: parse.statement, sql: withheldSetting(setting.name), parameterTypes: parse.parameterTypes }),
      );
    return true;
  }

  /** Whether the target may run code of the statement before its Bind, where it is held for people. */
  #runsWhileParsed(statements: readonly JudgedStatement[]): boolean {
    const { runtime, judge } = this.#session;
    if (!runtime.constantsRunCode(judge.view.catalog)) return false;
    return statements.some(({ effects }) => effects.some(({ action }) => action === 'execute'));
  }

  #bind(buffer: Buffer, start: number, end: number): boolean {
    const { machine, statements, toTarget, judge } = this.#session;
    const bind = decodeBind(buffer, start, end);
    const found = statements.lookup(bind.statement, machine.segment);
    if (found.kind === 'unconfirmed') return false;
    if (found.kind === 'unknown') return this.#refuseExtended(noSuchName('statement', bind.statement));
    const prepared = found.body;
    const judgement = this.#clearance.judge(this.#memo, prepared.text, prepared.fromSql);
    if (judgement === WAIT) return false;
    if (judgement.kind === 'unjudgeable') return this.#refuseExtended(notJudged(judgement));
    const judged = judgement.statements[0];
    if (judgement.statements.length > 1) return this.#refuseExtended(unjudgeable('a prepared statement holds one command'));
    if (this.#changes.cursorMoved(judgement.statements)) return this.#refuseExtended(unjudgeable(CURSOR_MOVED));
    const parameters = boundParameters(bind, prepared, buffer);
    const approval = this.#clearance.settle(this.#memo, judgement, prepared.text, judged, parameters);
    if (approval === WAIT) return false;
    if ('refusal' in approval) {
      this.#record.refused(judgement.statements, prepared.text, 'extended', approval.refusal);
      return this.#refuseExtended(approval.refusal);
    }
    if (judged === undefined) {
      // An empty statement: nothing runs, so nothing is judged.
      const empty = new StatementRun({
        number: 0,
        judged: EMPTY,
        view: judge.view,
        startedUs: 0,
        prepared,
        resultFormats: bind.resultFormats,
      });
      return this.#forwardBind(bind.portal, empty, buffer, start, end);
    }
    const run = this.#start(judged, approval, prepared, bind.resultFormats);
    this.#record.sent(run, prepared.text, 'extended', parameters);
    run.columns = prepared.columns === undefined ? undefined : withFormats(prepared.columns, bind.resultFormats);
    this.#forwardBind(bind.portal, run, buffer, start, end);
    if (run.columns === undefined && (judge.view.masks.size > 0 || this.#session.detectors().detectors.length > 0)) {
      // Rows may come without the client ever asking for their shape: ask ourselves, once per prepared statement.
      toTarget.addMessage(encodeDescribe({ kind: 'portal', name: bind.portal }));
      machine.sent({ kind: 'describe', own: true, statement: false, subject: { run, prepared } });
    }
    return true;
  }

  #forwardBind(portal: string, run: StatementRun, buffer: Buffer, start: number, end: number): boolean {
    const { machine, portals, cursors, toTarget } = this.#session;
    const { segment } = machine;
    const set = bookChange(portals, portals.propose({ kind: 'set', name: portal, body: run, segment }));
    // A cursor of this name is gone, or the target refuses the Bind.
    const gone = bookChange(cursors, cursors.propose({ kind: 'delete', name: portal, segment }));
    machine.sent({ kind: 'bind', change: bothChanges(set, gone), run });
    toTarget.add(buffer, start - HEADER_BYTES, end);
    return true;
  }

  #execute(buffer: Buffer, start: number, end: number): boolean {
    const { machine, portals, toTarget } = this.#session;
    const { portal } = decodeExecute(buffer, start, end);
    const found = portals.lookup(portal, machine.segment);
    if (found.kind === 'unconfirmed') return false;
    if (found.kind === 'unknown') return this.#refuseExtended(noSuchName('portal', portal));
    const run = found.body;
    if (!this.#freshness.stateKnown()) return false;
    const fetches = FETCHES.has(run.judged.reading.kind);
    if (fetches || runsCode(run.judged)) {
      if (!this.#freshness.ensure()) return false;
      if (this.#changes.cursorMoved([run.judged])) return this.#refuseExtended(unjudgeable(CURSOR_MOVED));
      if (!fetches && !namesAlike(run.view.state, this.#session.judge.view.state)) {
        return this.#refuseExtended(unjudgeable('names mean something else than when it was bound: bind it again'));
      }
    }
    // Judged and masked under rules that no longer hold: PostgreSQL's own words for a portal that is gone.
    if (!this.#freshness.isCurrent(run.view)) return this.#refuseExtended(noSuchName('portal', portal));
    this.#propose(run);
    this.#noteExecuted(run);
    machine.sent({ kind: 'execute', run });
    toTarget.add(buffer, start - HEADER_BYTES, end);
    if (run.maxRows !== undefined) this.#capped = { run, simple: false };
    return true;
  }

  #describe(buffer: Buffer, start: number, end: number): boolean {
    const { machine, statements, portals, toTarget } = this.#session;
    const named = decodeDescribe(buffer, start, end);
    if (named.kind === 'statement') {
      const found = statements.lookup(named.name, machine.segment);
      if (found.kind === 'unconfirmed') return false;
      if (found.kind === 'unknown') return this.#refuseExtended(noSuchName('statement', named.name));
      machine.sent({ kind: 'describe', own: false, statement: true, subject: { prepared: found.body } });
    } else {
      const found = portals.lookup(named.name, machine.segment);
      if (found.kind === 'unconfirmed') return false;
      if (found.kind === 'unknown') return this.#refuseExtended(noSuchName('portal', named.name));
      machine.sent({ kind: 'describe', own: false, statement: false, subject: { run: found.body, prepared: found.body.prepared } });
    }
    toTarget.add(buffer, start - HEADER_BYTES, end);
    return true;
  }

  #close(buffer: Buffer, start: number, end: number): boolean {
    const { machine, statements, portals, cursors, toTarget } = this.#session;
    const named = decodeClose(buffer, start, end);
    const { name } = named;
    const segment = machine.segment;
    const change: BookChange =
      named.kind === 'statement'
        ? bookChange(statements, statements.propose({ kind: 'delete', name, segment }))
        : bothChanges(
            bookChange(portals, portals.propose({ kind: 'delete', name, segment })),
            bookChange(cursors, cursors.propose({ kind: 'delete', name, segment })),
          );
    machine.sent({ kind: 'close', change });
    toTarget.add(buffer, start - HEADER_BYTES, end);
    return true;
  }

  #copy(type: number, buffer: Buffer, start: number, end: number): void {
    const { machine, toTarget } = this.#session;
    const run = machine.copyIn;
    // PostgreSQL ignores these outside of COPY: the client had not yet seen its COPY fail.
    if (run === undefined) return;
    if (type === TYPE.copyData) this.#record.copyData(run, buffer, start, end);
    else this.#record.copyEnd(run);
    toTarget.add(buffer, start - HEADER_BYTES, end);
    if (type !== TYPE.copyData) machine.copyIn = undefined;
  }

  /** False while a COPY FROM STDIN is on its way: until the target asks for data, none of it may follow. */
  #copySettled(type: number): boolean {
    const run = this.#copyAwaited;
    const { machine, toTarget } = this.#session;
    if (run === undefined || run.ended || machine.drained || machine.skipping) {
      this.#copyAwaited = undefined;
      return true;
    }
    // One text may hold several COPY statements: this one is being fed, the last is still awaited.
    if (machine.copyIn !== undefined || type === TYPE.terminate) return true;
    if (machine.open) toTarget.addMessage(encodeFlush());
    return false;
  }

  /** True once the rows of a capped run are counted: what follows could commit it. */
  #capSettled(type: number): boolean {
    const { machine, toTarget } = this.#session;
    if (this.#capped?.run.ended === true || machine.drained) {
      this.#capped = undefined;
      return true;
    }
    if (type === TYPE.copyData || type === TYPE.copyDone || type === TYPE.copyFail) return true;
    if (machine.open) toTarget.addMessage(encodeFlush());
    return false;
  }

  /** Registers what the statement's success will change, and what must be read again after it. */
  #start(judged: JudgedStatement, approval: Cleared, prepared?: Prepared, resultFormats?: readonly (0 | 1)[]): StatementRun {
    const session = this.#session;
    const { clock } = session;
    session.statementCount += 1;
    const run = new StatementRun({
      number: session.statementCount,
      judged,
      view: session.judge.view,
      startedUs: clock.monoUs(),
      prepared,
      resultFormats,
      approval: approval.id,
      maxRows: approval.maxRows,
    });
    session.runtime.flux.started(run);
    this.#changes.dirty(judged);
    // What changes something, and what people were asked for, is on the disk before it runs.
    if (!judged.plainRead || approval.id !== undefined) this.#durable = true;
    // A target may opt its reads out: their rows are still recorded before they are released (design §9).
    if (!judged.plainRead || !session.target.readsUnrecorded) this.#intent = true;
    return run;
  }

  #propose(run: StatementRun): void {
    this.#changes.propose(run);
    if (run.judged.reading.control.copy?.direction === 'in') this.#copyAwaited = run;
  }

  #noteExecuted({ judged }: StatementRun): void {
    const { segment } = this.#session.machine;
    if (this.#executed.segment !== segment) this.#executed = { segment, runs: 0, writes: false, rows: false };
    this.#executed.runs += 1;
    if (!judged.plainRead) this.#executed.writes = true;
    if (judged.output !== undefined || judged.reading.rowsFrom !== undefined) this.#executed.rows = true;
  }

  /**
   * A cap that is hit fails the implicit transaction, so a Sync that would commit writes waits until the rows beside them
   * are counted. What reads only, or is alone, needs no such wait.
   */
  #mayBeUndone(): boolean {
    const { machine } = this.#session;
    const { segment, runs, writes, rows } = this.#executed;
    return segment === machine.segment && machine.status === 'I' && runs > 1 && writes && rows;
  }

  #refuseSimple(refusal: Refusal): boolean {
    const { machine, toClient, toTarget } = this.#session;
    if (machine.drained && !machine.open && machine.status === 'I') {
      toClient.addMessage(encodeRefusal(refusal));
      toClient.addMessage(encodeReadyForQuery('I'));
      this.#session.flushToClient();
      return true;
    }
    // Something is open: a query that cannot succeed makes the target itself roll it back and say where it stands.
    toTarget.addMessage(encodeQuery(FAILING_QUERY));
    machine.sent({ kind: 'refusedQuery', refusal, failed: false });
    this.#changes.transactionMayEnd();
    return true;
  }

  #refuseExtended(refusal: Refusal): boolean {
    const { machine, toTarget, failingStatement } = this.#session;
    toTarget.addMessage(encodeFailingBind(failingStatement));
    machine.sent({ kind: 'refusedBind', refusal });
    return true;
  }

  #fatal(what: string): boolean {
    this.#session.end(protocolViolation(what), what, true);
    return true;
  }
}

const NOTHING = Buffer.alloc(0);
const CURSOR_MOVED = 'names mean something else than when the cursor was declared: declare it again';

/** No grammar reads this, so that it fails in every state and does nothing in any. */
const FAILING_QUERY = 'sallyport refused this statement';

const EMPTY: JudgedStatement = {
  reading: {
    kind: 'empty',
    startByte: 0,
    endByte: 0,
    effects: [],
    facts: { unbounded: false, fullExport: false, rows: 0, maskedColumns: [], opaque: false },
    uses: [],
    writes: [],
    sensitiveLiterals: [],
    control: { dirtiesState: false, dirtiesCatalog: false },
    plainRead: true,
    reached: [],
  },
  verdict: { kind: 'permit', policies: [], reason: 'nothing runs' },
  effects: [],
  facts: { unbounded: false, fullExport: false, rows: 0, maskedColumns: [], opaque: false, inTransaction: false },
  plainRead: true,
  output: [],
  writes: [],
  lookups: 0,
  executes: undefined,
  reached: [],
};

const TYPE = {
  bind: 0x42,
  close: 0x43,
  copyData: 0x64,
  copyDone: 0x63,
  copyFail: 0x66,
  describe: 0x44,
  execute: 0x45,
  flush: 0x48,
  functionCall: 0x46,
  parse: 0x50,
  query: 0x51,
  sync: 0x53,
  terminate: 0x58,
} as const;

function boundParameters(bind: Bind, prepared: Prepared, buffer: Buffer): HeldStatement['parameters'] {
  return bind.parameters.map((range, index) => ({
    type: prepared.parameterTypes[index] ?? 0,
    format: formatAt(bind.parameterFormats, index),
    value: range === undefined ? null : buffer.subarray(range.start, range.end),
  }));
}

export function withFormats(columns: readonly ColumnDescription[], formats: readonly (0 | 1)[]): readonly ColumnDescription[] {
  return columns.map((column, index) => ({ ...column, format: formatAt(formats, index) }));
}

function gatewaySetting(judgement: TextJudgement & { kind: 'judged' }): { readonly name: string } | undefined {
  for (const { reading } of judgement.statements) if (reading.control.gatewaySetting !== undefined) return reading.control.gatewaySetting;
  return undefined;
}

/** The same SET with nothing in it: tag, order and errors stay PostgreSQL's own, the value does not leave us. */
function withheldSetting(name: string): string {
  return `SET ${name} = ''`;
}
