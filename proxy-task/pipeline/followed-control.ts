/** Locks, ends, renewals and cancels that others decide on: taken from the items that the poller follows. */
import { CANCEL_ENTRY_MS, readCancelMail } from '../../core/state/cancel-mail.ts';
import { readLockList, readMail } from '../../core/state/control-items.ts';
import { cancelsItem, LOCKS_ITEM, mailItem, type LockList, type MailEntry } from '../../core/state/control.ts';
import { principalName, type Principal } from '../../core/principal.ts';
import {
  StateUnavailable,
  type CancelMailbox,
  type Clock,
  type Control,
  type StateItem,
  type StatePoller,
  type StateView,
  type TokenVerifier,
} from '../ports.ts';
import type { SharedBudgets } from './shared-budgets.ts';

export type FollowedControlPorts = {
  readonly poller: StatePoller & { view(): StateView };
  readonly budgets: Pick<SharedBudgets, 'prepare' | 'spend'>;
  readonly cancels: CancelMailbox;
  readonly clock: Clock;
  /** This task's own id and slot: where its mail stands. */
  readonly writer: string;
  readonly slot: number;
  readonly tokens: TokenVerifier;
  /** The session's principal has shown a fresh token; false where it is not this one's session. */
  readonly renew: (session: string, principal: Principal) => boolean;
  /** Cancels what the key names, if it is one that this task gave out. */
  readonly cancel: (key: { readonly processId: number; readonly secret: Buffer }) => void;
  readonly report: (error: unknown) => void;
};

type Lock = LockList['locks'][number];
type Watched = { readonly principal: Principal; readonly ended: (by: string, reason: string) => void };

/** As long as sessions live without a view of others (design §12). */
const UNREADABLE_MS = 30_000;

export class FollowedControl implements Control {
  readonly #ports: FollowedControlPorts;
  readonly #watched = new Map<string, Watched>();
  readonly #follows: readonly { stop(): void }[];
  #locks: ReadonlyMap<string, Lock> = new Map();
  /** Ends whose session is not here: it may be about to open. */
  #ends = new Map<string, MailEntry & { readonly kind: 'end' }>();
  #doneMail: ReadonlySet<string> = new Set();
  #doneCancels: ReadonlySet<string> = new Set();
  /** Items that cannot be understood, and since when. */
  readonly #unreadable = new Map<string, number>();

  constructor(ports: FollowedControlPorts) {
    this.#ports = ports;
    const { poller, writer, slot } = ports;
    this.#follows = [
      poller.follow('control', LOCKS_ITEM, (item) =>
        this.#take(LOCKS_ITEM, item, readLockList, (list) => this.#takeLocks(list?.locks ?? [])),
      ),
      poller.follow('control', mailItem(writer), (item) =>
        this.#take(mailItem(writer), item, readMail, (mail) => this.#takeMail(mail?.entries ?? [])),
      ),
      poller.follow('cancels', cancelsItem(slot), (item) => this.#takeCancels(item)),
    ];
  }

  stop(): void {
    for (const follow of this.#follows) follow.stop();
  }

  /** As old as the poller's view; an item that cannot be understood counts as one that cannot be read. */
  view(): StateView {
    const view = this.#ports.poller.view();
    if (view === 'lost' || this.#unreadable.size === 0) return view;
    const sinceUs = Math.min(...this.#unreadable.values());
    return this.#ports.clock.monoUs() - sinceUs >= UNREADABLE_MS * 1_000 ? 'lost' : 'stale';
  }

  refusal(principal: Principal): string | undefined {
    const lock = this.#lockOf(principal);
    return lock === undefined ? undefined : `locked by ${lock.by}: ${lock.reason}`;
  }

  watch(session: { readonly id: string; readonly principal: Principal }, ended: (by: string, reason: string) => void): { stop(): void } {
    const { id, principal } = session;
    const watched: Watched = { principal, ended };
    this.#watched.set(id, watched);
    // Locked or ended between its login and now: it ends as if that had come later.
    const due = this.#lockOf(principal) ?? this.#ends.get(id);
    if (due !== undefined) queueMicrotask(() => this.#end(id, watched, due.by, due.reason));
    return {
      stop: () => {
        if (this.#watched.get(id) === watched) this.#watched.delete(id);
      },
    };
  }

  prepare(principal: Principal, target: string): Promise<void> {
    return this.#ports.budgets.prepare(principal, target);
  }

  spend(...spending: Parameters<Control['spend']>): ReturnType<Control['spend']> {
    return this.#ports.budgets.spend(...spending);
  }

  async cancelElsewhere({ processId, secret }: { readonly processId: number; readonly secret: Buffer }): Promise<void> {
    const slot = processId >>> 16;
    // A key of this task that did not match is nobody's.
    if (slot === this.#ports.slot) return;
    await this.#ports.cancels.put(slot, { processId, secretHex: secret.toString('hex') });
  }

  #take<T>(name: string, item: StateItem | undefined, read: (body: unknown) => T | undefined, taken: (value: T | undefined) => void): void {
    const value = item === undefined ? undefined : read(item.body);
    if (item !== undefined && value === undefined) {
      // What stood there before still holds; what stands there now might end a session.
      if (!this.#unreadable.has(name)) this.#unreadable.set(name, this.#ports.clock.monoUs());
      this.#ports.report(new StateUnavailable(`the item ${name} of the control table cannot be understood`));
      return;
    }
    this.#unreadable.delete(name);
    taken(value);
  }

  #takeLocks(locks: readonly Lock[]): void {
    this.#locks = new Map(locks.map((lock) => [lock.subject, lock]));
    for (const [id, watched] of this.#watched) {
      const lock = this.#lockOf(watched.principal);
      if (lock !== undefined) this.#end(id, watched, lock.by, lock.reason);
    }
  }

  #takeMail(entries: readonly MailEntry[]): void {
    const fresh = entries.filter(({ id }) => !this.#doneMail.has(id));
    this.#doneMail = new Set(entries.map(({ id }) => id));
    this.#ends = new Map(entries.filter((entry) => entry.kind === 'end').map((entry) => [entry.session, entry]));
    for (const entry of fresh) {
      if (entry.kind === 'renew') void this.#renew(entry.session, entry.token);
      else {
        const watched = this.#watched.get(entry.session);
        if (watched !== undefined) this.#end(entry.session, watched, entry.by, entry.reason);
      }
    }
  }

  /** Who can write the table can still not extend a session: the token itself says whose it is and how long it is good. */
  async #renew(session: string, token: string): Promise<void> {
    try {
      const principal = await this.#ports.tokens.verify(token);
      if (!this.#ports.renew(session, principal))
        this.#ports.report(new StateUnavailable(`session ${session} is not one that its renewal may extend`));
    } catch (error) {
      this.#ports.report(error);
    }
  }

  #takeCancels(item: StateItem | undefined): void {
    // Cancels are a kindness: a list that cannot be understood is nobody's danger.
    const entries = (item === undefined ? undefined : readCancelMail(item.body))?.entries ?? [];
    const fresh = entries.filter(({ id }) => !this.#doneCancels.has(id));
    this.#doneCancels = new Set(entries.map(({ id }) => id));
    const nowMs = this.#ports.clock.now();
    for (const { atMs, processId, secretHex } of fresh) {
      // Late ones would hit what the session runs by now. Clocks that differ by a minute lose cancels, and nothing else.
      if (Math.abs(nowMs - atMs) < CANCEL_ENTRY_MS) this.#ports.cancel({ processId, secret: Buffer.from(secretHex, 'hex') });
    }
  }

  #end(id: string, watched: Watched, by: string, reason: string): void {
    if (this.#watched.get(id) !== watched) return;
    this.#watched.delete(id);
    watched.ended(by, reason);
  }

  #lockOf(principal: Principal): Lock | undefined {
    for (const subject of [principalName(principal), principal.human, principal.owner]) {
      const lock = subject === undefined ? undefined : this.#locks.get(subject);
      if (lock !== undefined) return lock;
    }
    return undefined;
  }
}
