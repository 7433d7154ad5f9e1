/**
 * Requests that name paths: each path is what the host says it is, the operation is judged, and what is sent names the paths that
 * were judged. A link that somebody puts into such a path between the host's answer and the request is seen where something is
 * opened (sftp-openings.ts), and nowhere else; sftp makes none.
 */
import { describeOperation } from '../../core/statement/host/describe-operation.ts';
import type { HostOperation, HostPath } from '../../core/statement/host/host-operation.ts';
import type { ChannelActions, ChannelAnswer } from './channel-protocol.ts';
import { FX } from './messages/sftp-packet.ts';
import { JudgedListings } from './sftp-listings.ts';
import { RequestOrder } from './sftp-order.ts';
import { childPath, isResolved, type Place } from './sftp-place.ts';
import type { Plan, Step } from './sftp-plan.ts';

/** Files and folders made on the channel, whose ordinary attributes may be set without asking again. */
const MAX_MADE = 1_024;

export type PlannedRequest = {
  readonly clientId: number;
  readonly plan: Plan;
  readonly changes: boolean;
  /** Whether it still makes sense when it is its turn: the handle that it is about may be closed. */
  readonly stillValid?: () => boolean;
  /** As the host says; filled in order. */
  readonly paths: HostPath[];
  /** What was judged, with the number under which each is on record. */
  readonly ran: { readonly operation: HostOperation & { readonly kind: 'file' }; readonly statement: number }[];
  fresh: boolean;
};

export type RequestParts = {
  readonly channel: number;
  readonly account: string;
  readonly home: HostPath;
  readonly actions: Pick<ChannelActions, 'ask' | 'resolve' | 'record' | 'completed'>;
  /** Sends what the plan says, and hands its reply to `replied`. */
  readonly send: (request: PlannedRequest) => void;
  readonly fail: (clientId: number, code: number, message: string) => void;
};

export class PathRequests {
  readonly #parts: RequestParts;
  readonly #order: RequestOrder<PlannedRequest>;
  readonly #listings = new JudgedListings();
  readonly #made = new Set<HostPath>();
  readonly #asks = new Map<number, (answer: ChannelAnswer) => void>();
  #nextAsk = 1;

  constructor(parts: RequestParts) {
    this.#parts = parts;
    this.#order = new RequestOrder((request) => this.#resolveNext(request));
  }

  /** Requests that are not answered, and answers of people that are waited for. */
  get size(): number {
    return this.#order.size + this.#asks.size;
  }

  add(clientId: number, plan: Plan, stillValid?: () => boolean): void {
    const base = { clientId, plan, changes: plan.changes, paths: [], ran: [], fresh: false };
    this.#order.add(stillValid === undefined ? base : { ...base, stillValid });
  }

  /** Whether the client may know what a path is that the host has just named. */
  judgeName(path: HostPath, then: (answer: ChannelAnswer | 'known') => void): void {
    if (path === this.#parts.home || this.#listings.covers(path)) {
      then('known');
      return;
    }
    this.#ask(this.#operation({ action: 'list' }, [path]), (answer) => {
      if (answer.kind === 'run') {
        this.#listings.permit(path);
        this.#parts.actions.completed(answer.statement, 'ok');
      }
      then(answer);
    });
  }

  answered(ask: number, answer: ChannelAnswer): void {
    const then = this.#asks.get(ask);
    this.#asks.delete(ask);
    then?.(answer);
  }

  /** What was permitted for a folder as a whole is asked again: for when the rules have changed. */
  forget(): void {
    this.#listings.forget();
  }

  /** The host has answered. `opened`: with a handle, whose end completes what was asked. */
  replied(request: PlannedRequest, outcome: 'ok' | 'error', detail: string, opened: boolean): void {
    const { actions } = this.#parts;
    for (const { operation, statement } of request.ran) {
      if (request.changes && !opened) {
        actions.record({
          type: 'channel.operation',
          channel: this.#parts.channel,
          statement,
          text: describeOperation(operation),
          outcome,
          detail,
        });
      }
      if (!opened) actions.completed(statement, outcome);
    }
    if (outcome === 'ok') this.#noteMade(request);
    this.#order.settle(request);
  }

  #resolveNext(request: PlannedRequest): void {
    const place = request.plan.places[request.paths.length];
    if (place === undefined) {
      this.#judgeNext(request, 0);
      return;
    }
    this.#resolve(place, (path) => {
      if (path !== undefined) {
        request.paths.push(path);
        this.#resolveNext(request);
      } else if (place.kind === 'whole' && request.plan.opens?.creates === true && !request.fresh) {
        this.#resolveFresh(request, place.path);
      } else {
        this.#fail(request, FX.NO_SUCH_FILE, 'the host cannot say what this path is: a part of it is missing or closed');
      }
    });
  }

  /** Some hosts cannot say what a name is that is not there yet: then it is made there only if nothing is. */
  #resolveFresh(request: PlannedRequest, path: string): void {
    const slash = path.lastIndexOf('/');
    const name = path.slice(slash + 1);
    if (name === '' || name === '.' || name === '..') {
      this.#fail(request, FX.NO_SUCH_FILE, 'the host cannot say what this path is');
      return;
    }
    this.#resolve({ kind: 'entry', folder: path.slice(0, slash) || '/', name }, (real) => {
      request.fresh = true;
      if (real === undefined) {
        this.#fail(request, FX.NO_SUCH_FILE, 'the host cannot say what this path is: a part of it is missing or closed');
        return;
      }
      request.paths.push(real);
      this.#resolveNext(request);
    });
  }

  #resolve(place: Place, then: (path: HostPath | undefined) => void): void {
    if (place.kind === 'known') {
      then(place.path);
      return;
    }
    this.#parts.actions.resolve(place.kind === 'whole' ? place.path : place.folder, (real) => {
      if (real === undefined || !isResolved(real)) then(undefined);
      else then(place.kind === 'whole' ? real : childPath(real, place.name));
    });
  }

  #judgeNext(request: PlannedRequest, index: number): void {
    const step = request.plan.steps[index];
    if (step === undefined) {
      this.#send(request);
    } else if (this.#isCovered(step, request.paths)) {
      this.#judgeNext(request, index + 1);
    } else {
      const operation = this.#operation(step, request.paths);
      this.#ask(operation, (answer) => {
        if (answer.kind === 'refused') {
          this.#fail(request, FX.PERMISSION_DENIED, `${answer.code} ${answer.message}`);
          return;
        }
        request.ran.push({ operation, statement: answer.statement });
        if (step.action === 'list') for (const path of request.paths) this.#listings.permit(path);
        this.#judgeNext(request, index + 1);
      });
    }
  }

  #send(request: PlannedRequest): void {
    if (request.stillValid?.() === false) this.#fail(request, FX.FAILURE, 'the handle was closed meanwhile');
    else this.#parts.send(request);
  }

  #isCovered(step: Step, paths: readonly HostPath[]): boolean {
    const listings = this.#listings;
    if (step.action === 'list') return paths.every((path) => (step.inside === true ? listings.coversInside(path) : listings.covers(path)));
    return step.action === 'setAttributes' && step.ordinary === true && paths.every((path) => this.#made.has(path));
  }

  #operation(step: Step, paths: readonly HostPath[]): HostOperation & { readonly kind: 'file' } {
    const { account, home } = this.#parts;
    const { action, attributes } = step;
    const base = { kind: 'file', by: 'sftp', action, paths: [...paths], recursive: false, account, home } as const;
    return attributes === undefined ? base : { ...base, attributes };
  }

  #ask(operation: HostOperation, then: (answer: ChannelAnswer) => void): void {
    const ask = this.#nextAsk++;
    this.#asks.set(ask, then);
    this.#parts.actions.ask(ask, operation);
  }

  #fail(request: PlannedRequest, code: number, message: string): void {
    // What was judged before the rest was refused has not run.
    for (const { statement } of request.ran) this.#parts.actions.completed(statement, 'error');
    this.#parts.fail(request.clientId, code, message);
    this.#order.settle(request);
  }

  #noteMade({ plan, ran, paths }: PlannedRequest): void {
    const actions = ran.map(({ operation }) => operation.action);
    if (actions.some((action) => action === 'rename' || action === 'remove' || action === 'removeFolder')) {
      for (const made of this.#made) if (paths.some((path) => made === path || made.startsWith(`${path}/`))) this.#made.delete(made);
    }
    if ((actions.includes('makeFolder') || (actions.includes('write') && plan.opens?.whole === true)) && this.#made.size < MAX_MADE) {
      for (const path of paths) this.#made.add(path);
    }
  }
}
