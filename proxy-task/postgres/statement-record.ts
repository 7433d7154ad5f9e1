/** What a session records of its statements: the verdict, the intent before the bytes go out, and what the client sent. */
import { createHmac } from 'node:crypto';
import type { SessionEvent } from '../../core/evidence/event.ts';
import { redactText } from '../../core/masking/detectors.ts';
import { shownParameter } from '../../core/masking/shown-parameter.ts';
import type { JudgedStatement } from '../../core/judging/authorize.ts';
import type { HeldStatement } from './held-statement.ts';
import { KeyedDigest } from './keyed-digest.ts';
import type { LiveSession } from './live-session.ts';
import type { Refusal } from './refusal.ts';
import type { StatementRun } from './run.ts';

/** Longer texts are cut in the recording; their length and digest say what is missing. */
const MAX_RECORDED_TEXT = 64 * 1024;
/** Statements whose text may hold a password are recorded without it. */
const SECRET_KINDS = new Set([
  'createRole',
  'alterRole',
  'createUserMapping',
  'alterUserMapping',
  'createSubscription',
  'alterSubscription',
  'createForeignServer',
  'alterForeignServer',
]);

type Protocol = 'simple' | 'extended';
type TextRecord = { readonly text: string; readonly textBytes: number; readonly digest: string };

/** What every execution of one judged statement has in common in the recording; frozen, so that it is written as JSON once. */
type Constants = {
  readonly sql: string;
  readonly recorded: TextRecord;
  readonly policies: readonly string[];
  readonly effects: (SessionEvent & { type: 'statement.judged' })['effects'];
  readonly facts: (SessionEvent & { type: 'statement.judged' })['facts'];
  readonly masked: readonly string[];
  /** Parameters that are written to masked columns, from 1. */
  readonly hidden: ReadonlySet<number | undefined>;
};

export class StatementRecord {
  readonly #session: LiveSession;
  readonly #digest: KeyedDigest;
  /** Judged anew under other rules, a statement is another object: what is kept was redacted under its own. */
  readonly #constants = new WeakMap<JudgedStatement, Constants>();

  constructor(session: LiveSession) {
    this.#session = session;
    this.#digest = new KeyedDigest(session.keys.digest);
  }

  /** The verdict and the intent: appended before the bytes go upstream. */
  sent(run: StatementRun, sql: string, protocol: Protocol, parameters: HeldStatement['parameters']): void {
    const { recorder } = this.#session;
    this.#judged(run.number, run.judged, sql, protocol, parameters, undefined);
    if (run.approval !== undefined) recorder.append({ type: 'approval.claimed', statement: run.number, approval: run.approval });
    recorder.append(
      run.approval === undefined
        ? { type: 'statement.sent', statement: run.number }
        : { type: 'statement.sent', statement: run.number, approval: run.approval },
    );
  }

  refused(statements: readonly JudgedStatement[], sql: string, protocol: Protocol, refusal: Refusal): void {
    for (const judged of statements) {
      this.#session.statementCount += 1;
      this.#judged(this.#session.statementCount, judged, sql, protocol, [], refusal);
    }
    this.#session.recorder.append({
      type: 'error',
      code: refusal.code,
      severity: refusal.severity,
      message: refusal.message,
      from: 'gateway',
    });
  }

  unjudged(sql: string, protocol: Protocol, reason: string): void {
    const session = this.#session;
    session.statementCount += 1;
    const { digest, text, textBytes } = this.#text(sql, [], 0);
    session.recorder.append({
      type: 'statement.judged',
      statement: session.statementCount,
      digest,
      text,
      textBytes,
      protocol,
      decision: 'block',
      code: 'ZG014',
      reason,
      policies: [],
      bundle: session.judge.view.bundle.version,
      effects: [],
      facts: { unbounded: false, fullExport: false, rows: -1, opaque: true, inTransaction: false },
      masked: [],
    });
  }

  copyData(run: StatementRun, _buffer: Buffer, start: number, end: number): void {
    run.copyBytes += end - start;
    run.copyRows += 1;
    run.copyDigest ??= createHmac('sha256', this.#session.keys.digest);
    run.copyDigest.update(_buffer.subarray(start, end));
  }

  copyEnd(run: StatementRun): void {
    this.#session.recorder.append({
      type: 'copy.received',
      statement: run.number,
      bytes: run.copyBytes,
      rows: run.copyRows,
      sha256: run.copyDigest?.digest('hex') ?? '',
    });
    run.copyDigest = undefined;
  }

  #judged(
    statement: number,
    judged: JudgedStatement,
    sql: string,
    protocol: Protocol,
    parameters: HeldStatement['parameters'],
    refusal: Refusal | undefined,
  ): void {
    const { recorder, judge, settings } = this.#session;
    const { verdict } = judged;
    const known = this.#constants.get(judged);
    const { recorded, policies, effects, facts, masked, hidden } = known?.sql === sql ? known : this.#constantsOf(judged, sql);
    const decision = verdict.kind === 'permit' || verdict.kind === 'approve' ? verdict.kind : 'block';
    const set = parameters.length === 0 ? undefined : this.#session.detectors();
    recorder.append({
      type: 'statement.judged',
      statement,
      digest: parameters.length === 0 ? recorded.digest : this.#withParameters(recorded.digest, parameters),
      text: recorded.text,
      textBytes: recorded.textBytes,
      protocol,
      parameters: set && parameters.map((parameter, index) => (hidden.has(index + 1) ? '[masked]' : shownParameter(parameter, set))),
      decision: refusal === undefined ? decision : 'block',
      code: refusal?.code,
      reason: refusal?.message ?? verdict.reason,
      policies,
      bundle: judge.view.bundle.version,
      effects,
      facts,
      masked,
      reasonGiven: settings.reason === '' ? undefined : settings.reason,
    });
  }

  #constantsOf(judged: JudgedStatement, sql: string): Constants {
    const { reading, facts, verdict, effects, writes } = judged;
    const own =
      sql.length === reading.endByte && reading.startByte === 0
        ? sql
        : Buffer.from(sql).subarray(reading.startByte, reading.endByte).toString('utf8');
    const constants: Constants = {
      sql,
      recorded: this.#text(own, SECRET_KINDS.has(reading.kind) ? 'secret' : reading.sensitiveLiterals, reading.startByte),
      policies: Object.freeze('policies' in verdict ? [...verdict.policies] : []),
      effects: Object.freeze([...effects]),
      facts: Object.freeze({
        unbounded: facts.unbounded,
        fullExport: facts.fullExport,
        rows: facts.rows,
        opaque: facts.opaque,
        inTransaction: facts.inTransaction,
      }),
      masked: Object.freeze([...facts.maskedColumns]),
      hidden: new Set(writes.map((write) => write.parameter)),
    };
    this.#constants.set(judged, constants);
    return constants;
  }

  /** Redacted text and keyed digest of one statement. */
  #text(own: string, literals: JudgedStatement['reading']['sensitiveLiterals'] | 'secret', startByte: number): TextRecord {
    const textBytes = Buffer.byteLength(own);
    let text = own;
    if (literals === 'secret') text = '[withheld: it may hold a password]';
    else if (literals.length > 0) text = withoutLiterals(own, literals, startByte);
    if (text.length > MAX_RECORDED_TEXT) text = text.slice(0, MAX_RECORDED_TEXT);
    const digest = this.#digest.hex([own]);
    return { text: redactText(text, this.#session.detectors()), textBytes, digest };
  }

  #withParameters(digest: string, parameters: HeldStatement['parameters']): string {
    const parts: (string | Uint8Array)[] = [digest];
    for (const { format, value } of parameters) {
      parts.push(`${format}:${value?.length ?? -1}:`);
      if (value !== null) parts.push(value);
    }
    return this.#digest.hex(parts);
  }
}

function withoutLiterals(own: string, literals: JudgedStatement['reading']['sensitiveLiterals'], startByte: number): string {
  const bytes = Buffer.from(own);
  const pieces: string[] = [];
  let at = 0;
  for (const literal of literals.toSorted((a, b) => a.startByte - b.startByte)) {
    const from = literal.startByte - startByte;
    if (from < at) continue;
    pieces.push(bytes.subarray(at, from).toString('utf8'), "'[masked]'");
    at = literal.endByte - startByte;
  }
  pieces.push(bytes.subarray(at).toString('utf8'));
  return pieces.join('');
}
