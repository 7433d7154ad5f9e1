/** When something was recorded: the wall clock as text, written once a millisecond, and the monotonic clock. */
import type { Stamp } from './event-json.ts';

export type Stamps = {
  next(seq: number): Stamp;
  /** The UTC day, `2026-11-20`. */
  day(): string;
};

export function createStamps(clock: { now(): number; monoUs(): number }): Stamps {
  let knownMs = Number.NaN;
  let text = '';
  const at = (): string => {
    const nowMs = Math.trunc(clock.now());
    if (nowMs !== knownMs) {
      knownMs = nowMs;
      text = new Date(nowMs).toISOString();
    }
    return text;
  };
  return {
    next: (seq) => ({ seq, at: at(), monoUs: Math.trunc(clock.monoUs()) }),
    day: () => at().slice(0, 10),
  };
}
