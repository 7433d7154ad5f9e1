// Which errors a retrier or catcher takes, and when the next attempt comes: Amazon States Language, "Errors".
import { listAt, type State } from './definition.ts';
import type { Json, JsonObject } from './json-value.ts';
import type { StateFailure } from './state-failure.ts';

/** No retrier or catcher takes these, `States.ALL` neither. */
const TERMINAL = ['States.Runtime', 'States.DataLimitExceeded'];
const TIMEOUTS = ['States.Timeout', 'States.HeartbeatTimeout'];

/** Attempts that each retrier of one state has already had. */
export type RetryCounts = Map<number, number>;

/** Milliseconds until the next attempt, or undefined when no retrier has one left. Counts it. */
export function nextAttemptMs(state: State, failure: StateFailure, counts: RetryCounts, random: () => number): number | undefined {
  const retriers = listAt(state['Retry']);
  const at = retriers.findIndex((retrier) => takes(retrier, failure));
  const retrier = retriers[at];
  if (retrier === undefined) return undefined;
  const had = counts.get(at) ?? 0;
  if (had >= numberIn(retrier['MaxAttempts'], 3)) return undefined;
  counts.set(at, had + 1);
  const grown = numberIn(retrier['IntervalSeconds'], 1) * numberIn(retrier['BackoffRate'], 2) ** had;
  const seconds = Math.min(grown, numberIn(retrier['MaxDelaySeconds'], Number.POSITIVE_INFINITY));
  return seconds * 1000 * (retrier['JitterStrategy'] === 'FULL' ? random() : 1);
}

/** The first catcher that takes this failure. */
export function catcherOf(state: State, failure: StateFailure): JsonObject | undefined {
  return listAt(state['Catch']).find((catcher) => takes(catcher, failure));
}

function takes(rule: JsonObject, failure: StateFailure): boolean {
  const names = rule['ErrorEquals'];
  if (!Array.isArray(names) || TERMINAL.includes(failure.errorName)) return false;
  return names.some((name: Json) => matches(name, failure.errorName));
}

function matches(name: Json, error: string): boolean {
  if (name === error || name === 'States.ALL') return true;
  if (name === 'States.Timeout') return TIMEOUTS.includes(error);
  return name === 'States.TaskFailed' && !TIMEOUTS.includes(error);
}

function numberIn(value: Json | undefined, otherwise: number): number {
  return typeof value === 'number' ? value : otherwise;
}
