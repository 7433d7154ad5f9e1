/**
 * What a statement changes for the statements after it: names that count once the target confirms them, settings of the
 * gateway, and what must be read again because it may be another now.
 */
import type { JudgedStatement, TextJudgement } from '../../core/judging/authorize.ts';
import type { LiveSession } from './live-session.ts';
import { movesNames } from './names-in-flux.ts';
import type { Prepared, StatementRun } from './run.ts';
import { bookChange, type BookChange } from './session-machine.ts';

export class RunChanges {
  readonly #session: LiveSession;

  constructor(session: LiveSession) {
    this.#session = session;
  }

  /** Names and settings that the run's success will change: pending from when it is sent to be executed. */
  propose(run: StatementRun): void {
    const { machine, statements, cursors, settings } = this.#session;
    const session = this.#session;
    const { judged } = run;
    const { control } = judged.reading;
    const segment = machine.segment;
    if (control.prepare !== undefined) {
      const body: Prepared = { text: control.prepare.bodyText, fromSql: true, parameterTypes: [], source: control.prepare.bodyText };
      run.changes.push(bookChange(statements, statements.propose({ kind: 'set', name: control.prepare.name, body, segment })));
    }
    if (control.deallocate !== undefined) {
      const { name } = control.deallocate;
      const change = name === 'all' ? ({ kind: 'clear', segment } as const) : ({ kind: 'delete', name, segment } as const);
      run.changes.push(bookChange(statements, statements.propose(change)));
    }
    if (control.declareCursor !== undefined) {
      const { name, hold } = control.declareCursor;
      run.changes.push(
        bookChange(
          cursors,
          cursors.propose({
            kind: 'set',
            name,
            body: { output: judged.output, hold, view: run.view, runsCode: runsCode(judged), moved: false },
            segment,
          }),
        ),
      );
    }
    run.changes.push(...this.#closings(control, segment));
    if (control.gatewaySetting !== undefined) {
      const { name, value } = control.gatewaySetting;
      session.settingsPending += 1;
      let open = true;
      const settle = () => {
        if (open) session.settingsPending -= 1;
        open = false;
      };
      run.changes.push({
        confirm: () => {
          settle();
          if (name === 'sallyport.reason') settings.reason = value;
          else if (name === 'sallyport.approval') settings.approval = value === 'failfast' ? 'failfast' : 'wait';
          else settings.approvalId = value;
        },
        drop: settle,
      });
    }
    this.dirty(judged);
  }

  /** What must be read again: after Bind, since planning can run code, and after Execute, whatever was read in between. */
  dirty(judged: JudgedStatement): void {
    const { id, runtime, stale } = this.#session;
    const { control } = judged.reading;
    const undone = stale.touched && control.transaction !== undefined && UNDOES_SETTINGS.has(control.transaction);
    if (control.dirtiesState || judged.facts.opaque || undone) {
      stale.state = true;
      stale.touched = true;
    }
    if (judged.facts.opaque) stale.names = true;
    if (control.dirtiesCatalog) {
      if (movesNames(judged.effects)) runtime.flux.begin(id);
      stale.catalog = true;
      stale.unsettled = false;
    }
  }

  /**
   * Cursors and portals share their names: after CLOSE, and after code that may have closed any and opened others in their
   * place, what was judged under a name no longer says what its rows are.
   */
  #closings(control: JudgedStatement['reading']['control'], segment: number): BookChange[] {
    const { cursors, portals } = this.#session;
    const name = control.callsOpaque === true ? 'all' : control.closeCursor?.name;
    if (name === undefined) return [];
    const change = name === 'all' ? ({ kind: 'clear', segment } as const) : ({ kind: 'delete', name, segment } as const);
    return [bookChange(cursors, cursors.propose(change)), bookChange(portals, portals.propose({ ...change }))];
  }

  /** Whether a FETCH or MOVE may run a cursor's functions under other names than it was judged with. */
  cursorMoved(statements: readonly JudgedStatement[]): boolean {
    if (!statements.some(({ reading }) => FETCHES.has(reading.kind))) return false;
    return [...this.#session.cursors.confirmed().values()].some((cursor) => cursor.runsCode && cursor.moved);
  }

  /** An implicit transaction ends with what was just sent, and with it what was set in it. */
  transactionMayEnd(): void {
    const { stale } = this.#session;
    if (stale.touched) stale.state = true;
  }
}

/** Functions look names up when they run, not when they are judged. */
export function runsCode(judged: JudgedStatement): boolean {
  return judged.facts.opaque || judged.effects.some(({ resource }) => resource.type === 'Function');
}

/** SET LOCAL ends with its transaction; SET too, when that is rolled back. */
const UNDOES_SETTINGS: ReadonlySet<string> = new Set(['commit', 'rollback', 'rollbackTo', 'prepareTransaction']);

/** Whether something other than transaction control follows the end of a transaction in one text, all of which is judged beforehand. */
export function endsTransactionEarly(judgement: TextJudgement & { kind: 'judged' }): boolean {
  const kinds = judgement.statements.map(({ reading }) => reading.control.transaction);
  const end = kinds.findIndex((kind) => kind !== undefined && UNDOES_SETTINGS.has(kind));
  return end >= 0 && kinds.slice(end).includes(undefined);
}

/** Statements that read from a cursor by its name. */
export const FETCHES: ReadonlySet<string> = new Set(['fetch', 'move']);

/** Two changes that happen together or not at all. */
export function bothChanges(left: BookChange, right: BookChange): BookChange {
  return new BothChanges(left, right);
}

/** A class as `bookChange` makes one, and for the same reason. */
class BothChanges implements BookChange {
  readonly #left: BookChange;
  readonly #right: BookChange;

  constructor(left: BookChange, right: BookChange) {
    this.#left = left;
    this.#right = right;
  }

  confirm(): void {
    this.#left.confirm();
    this.#right.confirm();
  }

  drop(): void {
    this.#left.drop();
    this.#right.drop();
  }
}
