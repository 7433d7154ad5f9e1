/** Tries again what must succeed for recording to go on, for a bounded time. */
import type { Clock } from '../ports.ts';

const FIRST_PAUSE_MS = 25;
const MAX_PAUSE_MS = 1_000;

/** What was tried did not succeed in time; the last failure is the cause. */
export class PatienceLost extends Error {}

/**
 * Repeats `attempt` with growing, jittered pauses until it resolves. Rejects with PatienceLost after `patienceMs`, also where an
 * attempt never settles, and as soon as `given()` says that nobody waits any longer.
 */
export function persistently<T>(
  clock: Clock,
  patienceMs: number,
  attempt: () => Promise<T>,
  { given = () => false, failed = () => undefined }: { readonly given?: () => boolean; readonly failed?: (error: unknown) => void } = {},
): Promise<T> {
  return new Promise((resolve, reject) => {
    let over = false;
    let cause: unknown;
    let pauseMs = FIRST_PAUSE_MS;
    let pause: { cancel(): void } | undefined;
    const end = (settle: () => void): void => {
      if (over) return;
      over = true;
      deadline.cancel();
      pause?.cancel();
      settle();
    };
    const giveUp = (): void => end(() => reject(new PatienceLost(`no success within ${patienceMs} ms`, { cause })));
    const deadline = clock.after(patienceMs, giveUp);
    const run = (): void => {
      if (over) return;
      if (given()) {
        giveUp();
        return;
      }
      attempt().then(
        (value) => end(() => resolve(value)),
        (error: unknown) => {
          if (over) return;
          cause = error;
          failed(error);
          // Full jitter: tasks that were turned away together must not come back together.
          pause = clock.after(pauseMs * (0.5 + Math.random() / 2), run);
          pauseMs = Math.min(MAX_PAUSE_MS, pauseMs * 2);
        },
      );
    };
    run();
  });
}
