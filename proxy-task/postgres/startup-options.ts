import { SallyportError } from '../../core/errors.ts';

/** One setting from the `options` startup parameter. */
export type StartupOption = readonly [name: string, value: string];

/** `options` that PostgreSQL or the gateway does not take. */
export class OptionsRefused extends SallyportError {
  readonly code = 'options-refused';
}

/**
 * Reads the `options` startup parameter as PostgreSQL does: split by `pg_split_opts` (backslash escapes the next
 * character, spaces separate), then `-c name=value`, `-cname=value` and `--name=value` as in `ParseLongOption`, where
 * dashes in names become underscores. All other switches are refused: they change what the server does in ways that no
 * setting names. Throws OptionsRefused.
 */
export function parseStartupOptions(text: string): StartupOption[] {
  const words = splitOptions(text);
  const options: StartupOption[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? '';
    if (word === '-c') {
      const setting = words[++i];
      if (setting === undefined) throw new OptionsRefused('option "-c" requires a value');
      options.push(parseSetting('-c ', setting));
    } else if (word.startsWith('-c')) {
      options.push(parseSetting('-c ', word.slice(2)));
    } else if (word.startsWith('--') && word.length > 2) {
      options.push(parseSetting('--', word.slice(2)));
    } else {
      throw new OptionsRefused('only -c name=value and --name=value are taken in options');
    }
  }
  return options;
}

function splitOptions(text: string): string[] {
  const words: string[] = [];
  let word = '';
  let open = false;
  let escaped = false;
  for (const character of text) {
    if (!escaped && isSpace(character)) {
      if (open) words.push(word);
      word = '';
      open = false;
    } else if (!escaped && character === '\\') {
      escaped = true;
      open = true;
    } else {
      word += character;
      open = true;
      escaped = false;
    }
  }
  if (open) words.push(word);
  return words;
}

/** C's `isspace` on the bytes of UTF-8 text. */
function isSpace(character: string): boolean {
  return character === ' ' || (character >= '\t' && character <= '\r');
}

function parseSetting(prefix: string, setting: string): StartupOption {
  const equals = setting.indexOf('=');
  if (equals < 0) throw new OptionsRefused(`an option "${prefix}name" requires a value`);
  const name = setting.slice(0, equals).replaceAll('-', '_');
  if (!/^[A-Za-z_][\w$]*(?:\.[A-Za-z_][\w$]*)*$/u.test(name))
    throw new OptionsRefused(`an option "${prefix}name=value" needs a setting's name`);
  return [name, setting.slice(equals + 1)];
}
