/** May this statement go upstream now: judged on what is fresh, within its budgets, and approved where it must be. */
import type { Parsed } from '../../core/statement/sql/parse.ts';
import type { JudgedStatement, NameLookup, TextJudgement } from '../../core/judging/authorize.ts';
import type { Freshness } from './freshness.ts';
import type { HeldStatement } from './held-statement.ts';
import { Hold } from './hold.ts';
import type { LiveSession } from './live-session.ts';
import { budgetUsedUp, type Refusal } from './refusal.ts';
import { maskedParameter, refusalOf } from './verdict-refusal.ts';

/** A text longer than this is parsed off the event loop (performance.md: 8 ms of blocking for 100 KB). */
const LONG_TEXT = 8 * 1024;

/** What a message that waits has already found out or started. */
export type Memo = {
  parsed?: Parsed;
  parsing?: boolean;
  hold?: Hold;
  spent?: boolean;
  /** Until when it waits for another session's DDL, and whether it does now. */
  namesUntilMs?: number;
  namesAwaited?: boolean;
  /** How the text was judged last. */
  judgedAs?: { readonly fromSql: boolean; readonly unsettled: boolean };
};

/** Free to go: with the approval that it used up, and the cap that this put on it. */
export type Cleared = { readonly id?: string; readonly maxRows?: number };

/** How long a statement waits for DDL of other sessions before it is refused. */
const NAMES_WAIT_MS = 5_000;

/** Not yet: `wake` follows, and the message is looked at again. */
export const WAIT: unique symbol = Symbol('wait');

export class Clearance {
  readonly #session: LiveSession;
  readonly #freshness: Freshness;
  readonly #onClaimed: (approvalId: string) => void;

  /** `onClaimed` is told of each approval whose statement is about to be sent. */
  constructor(session: LiveSession, freshness: Freshness, onClaimed: (approvalId: string) => void) {
    this.#session = session;
    this.#freshness = freshness;
    this.#onClaimed = onClaimed;
  }

  /** Judges a text, once all it rests on is fresh. */
  judge(memo: Memo, sql: string, fromSql = false): (TextJudgement & { kind: 'judged' | 'unjudgeable' }) | typeof WAIT {
    const { runtime, judge, machine } = this.#session;
    if (sql.length > LONG_TEXT && memo.parsed === undefined) {
      if (memo.parsing !== true) {
        memo.parsing = true;
        void runtime.parseOffLoop(sql).then((parsed) => {
          memo.parsed = parsed;
          this.#session.wake();
        });
      }
      return WAIT;
    }
    if (!this.#freshness.ensure()) return WAIT;
    if (!this.#statusKnown()) return WAIT;
    const inTransaction = machine.status !== 'I' || machine.open;
    const { unsettled } = this.#freshness;
    memo.judgedAs = { fromSql, unsettled };
    const judgement = judge.judgePrepared({ text: sql, fromSql }, inTransaction, unsettled, this.#names, memo.parsed);
    if (judgement.kind === 'unconfirmed') {
      // Someone else's change of a name is on its way: its answer wakes us.
      if (machine.drained) throw new Error('a name is unconfirmed although nothing is owed');
      return WAIT;
    }
    if (judgement.kind === 'judged' && judge.view.hidden && runtime.flux.byOthers(this.#session.id)) {
      const ends = judgement.statements.every(({ reading }) => reading.control.transaction !== undefined);
      if (!ends && this.#awaitNames(memo)) return WAIT;
      if (!ends) return { kind: 'unjudgeable', reason: 'another session is changing what names mean: send it again when that has ended' };
    }
    return judgement;
  }

  /** Most DDL is over in a moment: false when this message has waited long enough for it. */
  #awaitNames(memo: Memo): boolean {
    const session = this.#session;
    const { clock } = session;
    memo.namesUntilMs ??= clock.now() + NAMES_WAIT_MS;
    if (clock.now() >= memo.namesUntilMs) return false;
    if (memo.namesAwaited === true) return true;
    memo.namesAwaited = true;
    const settled = (): void => {
      timer.cancel();
      watch.stop();
      memo.namesAwaited = false;
      session.wake();
    };
    const watch = session.runtime.flux.onceSettled(settled);
    const timer = clock.after(memo.namesUntilMs - clock.now(), settled);
    return true;
  }

  /** Whether the transaction status that the target will have when this message arrives is known. */
  #statusKnown(): boolean {
    const { machine } = this.#session;
    if (!machine.transactionPending) return true;
    return this.#freshness.drained();
  }

  readonly #names: NameLookup = {
    prepared: (name) => {
      const { statements, machine } = this.#session;
      return statements.lookup(name, machine.segment);
    },
    cursor: (name) => {
      const { cursors, machine } = this.#session;
      const found = cursors.lookup(name, machine.segment);
      return found.kind === 'known' && this.#freshness.isCurrent(found.body.view) ? found.body.output : undefined;
    },
  };

  /** The verdict's consequence: go on (with the approval that was used up), wait, or refuse. */
  settle(
    memo: Memo,
    judgement: TextJudgement & { kind: 'judged' },
    sql: string,
    judged: JudgedStatement | undefined,
    parameters: HeldStatement['parameters'],
  ): Cleared | { readonly refusal: Refusal } | typeof WAIT {
    const session = this.#session;
    const { verdict } = judgement;
    const refusal = refusalOf(verdict) ?? this.#overBudget(memo, judgement) ?? maskedParameter(judged, parameters);
    if (refusal !== undefined) {
      memo.hold?.withdraw('it may no longer run');
      return { refusal };
    }
    if (verdict.kind !== 'approve') {
      memo.hold?.withdraw('it no longer needs an approval');
      return {};
    }
    if (session.settingsPending > 0 && !this.#freshness.drained()) return WAIT;
    const statement: HeldStatement = {
      sql,
      judgement,
      verdict,
      parameters,
      inTransaction: session.machine.status !== 'I' || session.machine.open,
      fromSql: memo.judgedAs?.fromSql ?? false,
      unsettled: memo.judgedAs?.unsettled ?? false,
      prepared: this.#executed(judgement),
    };
    const hold = (memo.hold ??= new Hold(session, statement));
    const status = hold.advance(statement);
    switch (status.kind) {
      case 'waiting':
        // What came before it must reach the client while this one waits.
        this.#freshness.drained();
        return WAIT;
      case 'refused':
        return { refusal: status.refusal };
      case 'claimed':
        // Whatever the target says from here on about a transaction's end is about this one's.
        if (!this.#freshness.drained()) return WAIT;
        this.#onClaimed(status.approvalId);
        return { id: status.approvalId, ...(verdict.demand.maxRows === undefined ? {} : { maxRows: verdict.demand.maxRows }) };
    }
  }

  /** What the names mean that it EXECUTEs. */
  #executed(judgement: TextJudgement & { kind: 'judged' }): HeldStatement['prepared'] {
    const names = new Set(judgement.statements.flatMap(({ reading }) => reading.control.execute?.name ?? []));
    return [...names].flatMap((name) => {
      const found = this.#names.prepared(name);
      return found.kind === 'known' ? [{ name, text: found.body.text, fromSql: found.body.fromSql }] : [];
    });
  }

  #overBudget(memo: Memo, judgement: TextJudgement & { kind: 'judged' }): Refusal | undefined {
    const { budgets } = this.#session;
    if (memo.spent === true) return undefined;
    memo.spent = true;
    for (const [measure, amount] of [
      ['statements', judgement.statements.length],
      ['lookups', judgement.statements.reduce((sum, statement) => sum + statement.lookups, 0)],
    ] as const) {
      if (amount === 0) continue;
      const spent = budgets.spend(measure, amount);
      if (!spent.ok)
        return budgetUsedUp({ measure, limit: spent.limit, used: spent.used, renewsAt: new Date(spent.renewsAtMs).toISOString() });
    }
    return undefined;
  }
}
