/** Limits and durations as `sallyport.yaml` writes them. */
import type { TargetLimits } from '../target.ts';
import { DURATION_FORM, parseDuration } from './duration.ts';
import type { LimitsFile } from './sallyport-shape.ts';
import type { Refuse, YamlPath } from './yaml-file.ts';

/** What a section does not say is as in `defaults`. */
export function readLimits(raw: LimitsFile, defaults: TargetLimits, path: YamlPath, refuse: Refuse): TargetLimits {
  return {
    maxRows: raw.maxRows ?? defaults.maxRows,
    maxBytes: raw.maxBytes ?? defaults.maxBytes,
    budgets: raw.budgets ?? defaults.budgets,
    maxSessionMs: readDuration(raw.maxSession, defaults.maxSessionMs, [...path, 'maxSession'], refuse),
    idleMs: readDuration(raw.idle, defaults.idleMs, [...path, 'idle'], refuse),
    maxStatementBytes: raw.maxStatementBytes ?? defaults.maxStatementBytes,
  };
}

/** Milliseconds; a duration that is none is refused and counts as the fallback. */
export function readDuration(text: string | undefined, fallback: number, path: YamlPath, refuse: Refuse): number {
  if (text === undefined) return fallback;
  const ms = parseDuration(text);
  if (ms === undefined) refuse(path, `\`${text}\` is no duration`, `write ${DURATION_FORM}`);
  return ms ?? fallback;
}
