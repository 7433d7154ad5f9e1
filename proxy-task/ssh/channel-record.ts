/** What a session records of its operations: the verdict, the intent before it takes effect, and the outcome. */
import { operationDigest, type HostEnvironment } from '../../core/approval/operation-digest.ts';
import type { Durability } from '../../core/evidence/recorder.ts';
import { redactText } from '../../core/masking/detectors.ts';
import type { JudgedOperation } from '../../core/judging/judge-operation.ts';
import { groupsOf } from '../../core/policy/actions.ts';
import { describeOperation } from '../../core/statement/host/describe-operation.ts';
import type { LiveHostSession } from './live-session.ts';
import type { HostRefusal } from './refusal.ts';

/** Longer texts are cut in the recording; their length and digest say what is missing. */
const MAX_RECORDED_TEXT = 64 * 1024;

type Outcome = 'ok' | 'error' | 'unknown';

export class ChannelRecord {
  readonly #session: LiveHostSession;
  /** Statements that run, and since when. */
  readonly #running = new Map<number, number>();

  constructor(session: LiveHostSession) {
    this.#session = session;
  }

  /** How many run now. */
  get running(): number {
    return this.#running.size;
  }

  judged(
    statement: number,
    judged: JudgedOperation,
    asked: { readonly environment: HostEnvironment; readonly reason: string },
    refusal: HostRefusal | undefined,
  ): void {
    const { digestKey, principal, target, turn } = this.#session;
    const { operation, reading, facts, decision } = judged;
    const text = describeOperation(operation);
    const shown = text.length > MAX_RECORDED_TEXT ? text.slice(0, MAX_RECORDED_TEXT) : text;
    turn.append({
      type: 'statement.judged',
      statement,
      digest: operationDigest(digestKey, operation, { principal, target: target.name, environment: asked.environment }),
      text: redactText(shown, this.#session.detectors()),
      textBytes: Buffer.byteLength(text),
      protocol: 'ssh',
      decision: refusal === undefined ? decision.kind : 'block',
      code: refusal?.code,
      reason: refusal?.message ?? decision.reason,
      policies: decision.policies,
      bundle: this.#session.bundle().version,
      effects: reading.effects,
      facts: { unbounded: facts.unbounded, fullExport: false, rows: -1, opaque: facts.opaque, inTransaction: false },
      masked: [],
      reasonGiven: asked.reason === '' ? undefined : asked.reason,
    });
    if (refusal !== undefined) this.refused(refusal, statement);
  }

  /** What was not even judged. */
  unjudged(statement: number, text: string, refusal: HostRefusal): void {
    const { turn } = this.#session;
    const shown = text.length > MAX_RECORDED_TEXT ? text.slice(0, MAX_RECORDED_TEXT) : text;
    turn.append({
      type: 'statement.judged',
      statement,
      digest: '',
      text: redactText(shown, this.#session.detectors()),
      textBytes: Buffer.byteLength(text),
      protocol: 'ssh',
      decision: 'block',
      code: refusal.code,
      reason: refusal.message,
      policies: [],
      bundle: this.#session.bundle().version,
      effects: [],
      facts: { unbounded: false, fullExport: false, rows: -1, opaque: true, inTransaction: false },
      masked: [],
    });
    this.refused(refusal, statement);
  }

  refused(refusal: HostRefusal, statement?: number): void {
    this.#session.turn.append({
      type: 'error',
      ...(statement === undefined ? {} : { statement }),
      code: refusal.code,
      severity: 'ERROR',
      message: refusal.message,
      from: 'gateway',
    });
  }

  /** The intent: appended, then flushed, before anything takes effect. */
  sent(statement: number, approval: string | undefined): void {
    const { turn, clock } = this.#session;
    if (approval !== undefined) turn.append({ type: 'approval.claimed', statement, approval });
    turn.append({ type: 'statement.sent', statement, ...(approval === undefined ? {} : { approval }) });
    this.#running.set(statement, clock.monoUs());
  }

  completed(statement: number, outcome: Outcome, tag: string): void {
    const startedUs = this.#running.get(statement);
    if (startedUs === undefined) return;
    this.#running.delete(statement);
    const { turn, clock } = this.#session;
    const durationUs = Math.round(clock.monoUs() - startedUs);
    turn.append({ type: 'statement.completed', statement, tag, rows: 0, durationUs, outcome });
  }

  /** The channel is over: what has not told its outcome has none that is known. */
  closed(): void {
    for (const statement of this.#running.keys()) this.completed(statement, 'unknown', '');
  }
}

/** What only reads may be recorded as everything else is; what does more is on the disk before it does it (design §9). */
export function durabilityOf({ reading }: JudgedOperation, approval: string | undefined): Durability {
  const plainRead = !reading.opaque && approval === undefined && reading.effects.every(isPlain);
  return plainRead ? 'written' : 'durable';
}

function isPlain({ action }: JudgedOperation['reading']['effects'][number]): boolean {
  return action === 'runProgram' || action === 'connect' || groupsOf(action).includes('read');
}
