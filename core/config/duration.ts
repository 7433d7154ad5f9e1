/** Durations as people write them in configuration: a whole number and one unit. */
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** What a duration must look like, for messages. */
export const DURATION_FORM = 'a whole number and a unit, like `55s`, `15m`, `4h` or `30d`';

/** Milliseconds of `55s`, `15m`, `4h`, `30d` or `500ms`; undefined for anything else, zero and more than ten years included. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text);
  if (match === null) return undefined;
  const ms = Number(match[1]) * (UNIT_MS[match[2] ?? ''] ?? Number.NaN);
  return ms > 0 && ms <= 3_650 * 86_400_000 ? ms : undefined;
}
