/**
 * What the names of prepared statements and portals mean on the server. A name changes only when the server confirms it
 * (design §5): a Parse on a taken name, a Close that is skipped after an error, a second PREPARE that fails all leave the
 * old body in force. Between sending and confirmation a change is pending, and only messages of the same implicit
 * transaction, which the server would skip together with it, may rely on it.
 */
export type NameChange<Body> =
  | { readonly kind: 'set'; readonly name: string; readonly body: Body; readonly segment: number }
  | { readonly kind: 'delete'; readonly name: string; readonly segment: number }
  /** The unnamed one stays: DEALLOCATE ALL and DISCARD ALL drop what has a name (prepare.c). */
  | { readonly kind: 'clear'; readonly segment: number };

export type Lookup<Body> =
  | { readonly kind: 'known'; readonly body: Body }
  | { readonly kind: 'unknown' }
  /** A change of this name is on its way in an earlier implicit transaction: ask again when the server has answered. */
  | { readonly kind: 'unconfirmed' };

const UNKNOWN = { kind: 'unknown' } as const;
const UNCONFIRMED = { kind: 'unconfirmed' } as const;

export class NameBook<Body> {
  readonly #confirmed = new Map<string, Body>();
  readonly #pending: NameChange<Body>[] = [];

  /** What `name` will mean to a message sent now in `segment`. */
  lookup(name: string, segment: number): Lookup<Body> {
    for (let at = this.#pending.length - 1; at >= 0; at -= 1) {
      const change = this.#pending[at];
      if (change === undefined || (change.kind === 'clear' ? name === '' : change.name !== name)) continue;
      if (change.segment !== segment) return UNCONFIRMED;
      if (change.kind === 'set') return { kind: 'known', body: change.body };
      return UNKNOWN;
    }
    const body = this.#confirmed.get(name);
    return body === undefined ? UNKNOWN : { kind: 'known', body };
  }

  /** The change was sent upstream. */
  propose(change: NameChange<Body>): NameChange<Body> {
    this.#pending.push(change);
    return change;
  }

  /** The server carried it out. Changes are confirmed or dropped in the order in which they were proposed. */
  confirm(change: NameChange<Body>): void {
    this.drop(change);
    switch (change.kind) {
      case 'set':
        this.#confirmed.set(change.name, change.body);
        return;
      case 'delete':
        this.#confirmed.delete(change.name);
        return;
      case 'clear':
        this.forget((name) => name === '');
    }
  }

  /** The server refused or skipped it: the old meaning stays. */
  drop(change: NameChange<Body>): void {
    const at = this.#pending.indexOf(change);
    if (at >= 0) this.#pending.splice(at, 1);
  }

  /** Forgets names that the server no longer has: portals at the end of a transaction. */
  forget(keep: (name: string, body: Body) => boolean): void {
    for (const [name, body] of this.#confirmed) if (!keep(name, body)) this.#confirmed.delete(name);
  }

  confirmed(): ReadonlyMap<string, Body> {
    return this.#confirmed;
  }
}
