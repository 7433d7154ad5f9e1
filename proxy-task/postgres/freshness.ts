/**
 * Keeps what verdicts rest on up to date (design §5 "Session state is read, not simulated"). Before a statement is judged
 * this looks at what has changed since the last one: the bundle, the catalog, the session's own state. What must be read
 * is read on the spot, in order with the client's messages, while those wait.
 */
import { CATALOG_FINGERPRINT } from '../../core/statement/sql/catalog-fingerprint.ts';
import { buildSessionState, stateQuery } from '../../core/statement/sql/state-query.ts';
import { namesAlike, type SessionState } from '../../core/statement/sql/session-state.ts';
import type { View } from '../../core/judging/view.ts';
import { viewOf } from '../../core/judging/view.ts';
import type { BundleSource, Control } from '../ports.ts';
import type { LiveSession } from './live-session.ts';
import { encodeBind } from './messages/bind.ts';
import { encodeFlush, encodeSync } from './messages/bodiless.ts';
import { encodeClose } from './messages/describe-close.ts';
import { encodeExecute } from './messages/execute.ts';
import { encodeParse } from './messages/parse.ts';
import { reconnect, recorderFailed, type Refusal } from './refusal.ts';
import { RecorderUnavailable } from '../../core/evidence/recorder.ts';

export class Freshness {
  readonly #session: LiveSession;
  readonly #bundles: BundleSource;
  readonly #control: Pick<Control, 'view'>;
  /** A message waits until the gateway's own state can be read again. */
  #awaitsState = false;
  /** Name of our own statement and portal: random, so that no client can have it. */
  readonly #ownName: string;
  #reading = false;
  #refreshing = false;
  /** The transaction that changed names has ended, and the catalog is being read for everyone. */
  #settling = false;
  /** What had been sent when the last Flush was. */
  #flushedAt = -1;
  #row = '';
  #onAnswer: (answer: string) => void = () => undefined;

  constructor(session: LiveSession, bundles: BundleSource, control: Pick<Control, 'view'>, ownName: string) {
    this.#session = session;
    this.#bundles = bundles;
    this.#control = control;
    this.#ownName = ownName;
  }

  /**
   * True when verdicts may be given now. False: something is being read or awaited, and `wake` follows. In a failed
   * transaction nothing can be read and nothing but its end can run, so the old view serves.
   */
  ensure(): boolean {
    if (!this.stateKnown()) return false;
    const { stale, machine } = this.#session;
    if (this.#reading || this.#refreshing || this.#settling) return false;
    if (stale.state || stale.catalog) {
      if (!this.drained()) return false;
      if (machine.status !== 'E') {
        if (stale.catalog && machine.status === 'I' && !machine.open) {
          this.#refreshCatalog();
          return false;
        }
        if (stale.catalog && !stale.unsettled) {
          this.#ask(CATALOG_FINGERPRINT, (fingerprint) => this.#compareCatalogs(fingerprint));
          return false;
        }
        if (stale.state) {
          this.#ask(stateQuery(), (answer) => this.#takeState(answer));
          return false;
        }
      }
    }
    return this.#adoptChanges();
  }

  /**
   * False while locks, ends and bundles of others cannot be read: what is new waits, since it might not be allowed any longer.
   * The session looks again each second.
   */
  stateKnown(): boolean {
    this.#awaitsState = this.#control.view() !== 'current';
    return !this.#awaitsState;
  }

  get awaitsState(): boolean {
    return this.#awaitsState;
  }

  /** Outside of transactions: what this session changed is made known to all others before it goes on itself. */
  settleNames(): void {
    const session = this.#session;
    const { flux, catalogSource } = session.runtime;
    if (this.#settling || !flux.has(session.id)) return;
    this.#settling = true;
    catalogSource.refresh().then(
      () => {
        this.#settling = false;
        flux.end(session.id);
        session.wake();
      },
      () => session.end(closedTarget(session.target.name), 'the catalog could not be read', true),
    );
  }

  /** Whether names may mean something that no snapshot shows: DDL whose transaction is still open. */
  get unsettled(): boolean {
    const { catalog, unsettled } = this.#session.stale;
    return catalog && unsettled;
  }

  /** Whether what was judged under this view may still be released: its rules are in force. */
  isCurrent(view: View): boolean {
    return view.bundle === this.#bundles.current();
  }

  /** True when the target owes nothing. Otherwise it is asked to answer what it holds back, and `wake` follows. */
  drained(): boolean {
    const { machine, toTarget } = this.#session;
    if (machine.drained) return true;
    if (machine.open && this.#flushedAt !== machine.sentCount) {
      this.#flushedAt = machine.sentCount;
      toTarget.addMessage(encodeFlush());
    }
    return false;
  }

  /** The answer of our own query: one row, one column. */
  takeRow(text: string): void {
    this.#row = text;
  }

  /** Our own Execute is complete. */
  answered(): void {
    const answer = this.#row;
    this.#reading = false;
    this.#row = '';
    this.#onAnswer(answer);
  }

  #takeState(answer: string): void {
    const { stale, judge } = this.#session;
    stale.state = false;
    const state = buildSessionState(answer, judge.view.catalog);
    if (stale.names) this.#compareNames(state);
    for (const cursor of this.#session.cursors.confirmed().values()) if (!namesAlike(cursor.view.state, state)) cursor.moved = true;
    if (state.version !== judge.view.state.version) judge.adopt({ ...judge.view, state });
  }

  /** Inside a transaction: code ran that may have changed the catalog, where only this session can see it. */
  #compareCatalogs(own: string): void {
    const session = this.#session;
    const { stale } = session;
    const { catalogSource } = session.runtime;
    const settle = (): void => {
      if (own === catalogSource.fingerprint()) stale.catalog = false;
      else stale.unsettled = true;
    };
    if (own === catalogSource.fingerprint()) {
      settle();
      return;
    }
    // Others may have committed DDL since our snapshot: then that is the difference.
    this.#refreshing = true;
    catalogSource.refresh().then(
      () => {
        this.#refreshing = false;
        settle();
        session.wake();
      },
      () => session.end(closedTarget(session.target.name), 'the catalog could not be read', true),
    );
  }

  /** Runs a query of our own on the session's connection, in order with everything else: one row, one column. */
  #ask(sql: string, onAnswer: (answer: string) => void): void {
    const { machine, toTarget } = this.#session;
    this.#reading = true;
    this.#onAnswer = onAnswer;
    const midPipeline = machine.open;
    const name = this.#ownName;
    toTarget.addMessage(encodeParse({ statement: name, sql }));
    toTarget.addMessage(encodeBind({ portal: name, statement: name, parameters: [] }));
    toTarget.addMessage(encodeExecute({ portal: name, maxRows: 0 }));
    toTarget.addMessage(encodeClose({ kind: 'portal', name }));
    toTarget.addMessage(encodeClose({ kind: 'statement', name }));
    for (const step of ['parse', 'bind', 'execute', 'close', 'close'] as const) machine.sent({ kind: 'own', step });
    if (midPipeline) {
      toTarget.addMessage(encodeFlush());
    } else {
      machine.sent({ kind: 'sync', own: true });
      toTarget.addMessage(encodeSync());
    }
  }

  #refreshCatalog(): void {
    const session = this.#session;
    this.#refreshing = true;
    session.stale.catalog = false;
    // Types and temporary relations are decoded against the catalog, so the state follows it.
    session.stale.state = true;
    session.runtime.catalogSource.refresh().then(
      () => {
        this.#refreshing = false;
        session.wake();
      },
      () => session.end(closedTarget(session.target.name), 'the catalog could not be read', true),
    );
  }

  /** Takes up a newer bundle or catalog, which counts from this statement on. */
  #adoptChanges(): boolean {
    const session = this.#session;
    const { judge, runtime } = session;
    const bundle = this.#bundles.current();
    let catalog;
    try {
      catalog = runtime.catalogSource.current();
      if (bundle === judge.view.bundle && catalog === judge.view.catalog) return true;
      if (bundle.version !== judge.view.bundle.version) {
        session.recorder.append({ type: 'bundle.changed', from: judge.view.bundle.version, to: bundle.version });
      }
      judge.adopt(sessionView(session, bundle, catalog, judge.view.state));
    } catch (error) {
      const refusal = error instanceof RecorderUnavailable ? recorderFailed('no') : closedTarget(session.target.name);
      session.end(refusal, error instanceof Error ? error.message : 'the target closed', true);
      return false;
    }
    return true;
  }

  /** After opaque code: a name that no longer stands for what we judged is forgotten, so that its use is refused. */
  #compareNames(state: SessionState): void {
    const { statements, stale } = this.#session;
    stale.names = false;
    const server = new Map(state.prepared.map((prepared) => [prepared.name, prepared.text]));
    statements.forget((name, body) => name === '' || server.get(name) === body.source);
  }
}

/** The view of a session under this bundle and catalog. Throws TargetClosed. */
export function sessionView(
  session: Pick<LiveSession, 'principal' | 'target' | 'runtime'>,
  bundle: View['bundle'],
  catalog: View['catalog'],
  state: SessionState,
): View {
  const { principal, target, runtime } = session;
  return viewOf({
    principal,
    target: target.name,
    bundle,
    catalog,
    state,
    masks: runtime.masks(catalog, bundle),
    isSafe: runtime.isSafe(catalog),
  });
}

/** A mask that binds to nothing could let values through: nothing runs until people have looked at it. */
export function closedTarget(target: string): Refusal {
  return reconnect(`target "${target}" is closed until its masking rules and its catalog agree again`);
}
