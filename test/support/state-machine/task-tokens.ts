/** Tasks that wait for somebody to answer with their token. */
import { randomUUID } from 'node:crypto';
import type { Json } from './json-value.ts';
import { StateFailure } from './state-failure.ts';

type Waiting = { readonly succeed: (output: Json) => void; readonly fail: (failure: StateFailure) => void; readonly beat: () => void };

/** What the service says to an answer that comes too late, or with a token it never gave. */
export type TokenAnswer = 'taken' | 'TaskTimedOut' | 'InvalidToken';

export class TaskTokens {
  readonly #waiting = new Map<string, Waiting>();
  readonly #over = new Set<string>();

  /** A token that nobody can guess. */
  open(waiting: Waiting): string {
    const token = `${randomUUID()}${randomUUID()}`;
    this.#waiting.set(token, waiting);
    return token;
  }

  /** The task is over: later answers hear that it timed out. */
  close(token: string): void {
    if (this.#waiting.delete(token)) this.#over.add(token);
  }

  succeed(token: string, output: Json): TokenAnswer {
    return this.#with(token, (waiting) => waiting.succeed(output), true);
  }

  fail(token: string, error: string, cause: string): TokenAnswer {
    return this.#with(token, (waiting) => waiting.fail(new StateFailure(error, cause)), true);
  }

  heartbeat(token: string): TokenAnswer {
    return this.#with(token, (waiting) => waiting.beat(), false);
  }

  #with(token: string, answer: (waiting: Waiting) => void, last: boolean): TokenAnswer {
    const waiting = this.#waiting.get(token);
    if (waiting === undefined) return this.#over.has(token) ? 'TaskTimedOut' : 'InvalidToken';
    if (last) this.close(token);
    answer(waiting);
    return 'taken';
  }
}
