/** Variables that change how a program prints, and nothing else. Any other may name a program, a library or a file. */

const NAMES = new Set(
  [
    'LANG LANGUAGE LC_ALL LC_CTYPE LC_COLLATE LC_MESSAGES LC_NUMERIC LC_TIME LC_MONETARY TZ TERM COLUMNS LINES NO_COLOR',
    'FORCE_COLOR CLICOLOR DEBIAN_FRONTEND PYTHONUNBUFFERED CI',
  ].flatMap((line) => line.split(' ')),
);

/** Names of locales, terminals and numbers. With a slash at the start or dots in a row, some are taken as files. */
const VALUE = /^[\w@+:.-]*$/u;
const TIME_ZONE = /^[A-Za-z][\w+-]*(?:\/[\w+-]+){0,2}$/u;

export function isHarmlessAssignment(name: string, value: string): boolean {
  if (!NAMES.has(name) || value.includes('..')) return false;
  return VALUE.test(value) || (name === 'TZ' && TIME_ZONE.test(value));
}
