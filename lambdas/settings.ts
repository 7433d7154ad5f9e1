/** Settings of a deployed function: environment variables that `infra/` sets, each asked for by name. */
import { SallyportError } from '../core/errors.ts';

/** The function was deployed without something it needs. */
export class SettingMissing extends SallyportError {
  readonly code = 'setting-missing';
}

/** The value of a variable. Throws SettingMissing where it is not set or empty. */
export function required(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === '') throw new SettingMissing(`the environment variable ${name} is not set`);
  return value;
}

/** The value of a variable that may be left out. */
export function optional(name: string): string | undefined {
  const value = process.env[name];
  return value === '' ? undefined : value;
}
