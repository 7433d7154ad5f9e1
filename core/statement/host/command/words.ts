/** What the shell makes of the characters of one word (POSIX.1-2017 XCU 2.2, 2.6), where sh, dash and bash agree on it. */
import { CommandNotRead } from './not-read.ts';
import type { CommandList, Word, WordPart } from './syntax.ts';

/** The text, and the place in it that is read next; `readRun` reads what stands in `$( … )`. */
export type Cursor = { readonly text: string; at: number; readonly readRun: () => CommandList };

/** Ends a word that is not quoted. */
const WORD_ENDS = new Set([undefined, ' ', '\t', '\n', ';', '&', '|', '<', '>', '(', ')']);
const NAME = /[A-Za-z_]\w*/uy;
/** Characters that stand for themselves in every shell and every locale. Letters beyond ASCII may hold a byte that a locale calls blank. */
const PLAIN = /^[\w\-./,:=+@%^!#\]]$/u;
/** In double quotes, where a backslash before anything else is itself. */
const ESCAPED_IN_QUOTES = new Set(['$', '`', '"', '\\']);
/** Where an expansion may stand that is one value and no more. */
const PARAMETER = /\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\}|[0-9?#$!@*-])/uy;

export function endsWord(character: string | undefined): boolean {
  return WORD_ENDS.has(character);
}

/** Reads the word at the cursor, which must stand on its first character. Throws `CommandNotRead`. */
export function readWord(cursor: Cursor): Word {
  const start = cursor.at;
  const parts: WordPart[] = [];
  const runs: CommandList[] = [];
  let quoted = false;
  for (;;) {
    const character = cursor.text[cursor.at];
    if (endsWord(character)) break;
    if (character === "'") {
      quoted = true;
      add(parts, readSingleQuoted(cursor));
    } else if (character === '"') {
      quoted = true;
      readDoubleQuoted(cursor, parts, runs);
    } else if (character === '\\') {
      quoted = true;
      add(parts, readEscaped(cursor));
    } else if (character === '$') {
      readExpansion(cursor, parts, runs, false);
    } else {
      readPlain(cursor, start, parts);
    }
  }
  if (cursor.text[cursor.at] === '(') throw new CommandNotRead('a parenthesis stands directly after a word', cursor.at);
  if (cursor.at === start) throw new CommandNotRead('a word is missing', start);
  if (parts.length === 0) parts.push({ kind: 'text', value: '' });
  return { start, end: cursor.at, parts, quoted, runs };
}

function add(parts: WordPart[], value: string): void {
  const last = parts.at(-1);
  if (last?.kind === 'text') parts[parts.length - 1] = { kind: 'text', value: last.value + value };
  else parts.push({ kind: 'text', value });
}

function readSingleQuoted(cursor: Cursor): string {
  const end = cursor.text.indexOf("'", cursor.at + 1);
  if (end === -1) throw new CommandNotRead('a single quote is not closed', cursor.at);
  const value = cursor.text.slice(cursor.at + 1, end);
  cursor.at = end + 1;
  return value;
}

function readEscaped(cursor: Cursor): string {
  const escaped = cursor.text[cursor.at + 1];
  if (escaped === undefined || !/^[\x20-\x7e]$/u.test(escaped))
    throw new CommandNotRead('a backslash stands before the end, a line end or a letter beyond ASCII', cursor.at);
  cursor.at += 2;
  return escaped;
}

function readDoubleQuoted(cursor: Cursor, parts: WordPart[], runs: CommandList[]): void {
  const start = cursor.at;
  cursor.at += 1;
  add(parts, '');
  for (;;) {
    const character = cursor.text[cursor.at];
    switch (character) {
      case undefined:
        throw new CommandNotRead('a double quote is not closed', start);
      case '"':
        cursor.at += 1;
        return;
      case '`':
        throw new CommandNotRead('a command stands in backticks: write $( … )', cursor.at);
      case '$':
        readExpansion(cursor, parts, runs, true);
        break;
      case '\\': {
        const escaped = cursor.text[cursor.at + 1];
        if (escaped === undefined || escaped === '\n') throw new CommandNotRead('a backslash ends a line within quotes', cursor.at);
        // In some encodings the backslash is the second byte of the letter before it.
        if (isBeyondAscii(cursor.text[cursor.at - 1])) throw new CommandNotRead('a backslash follows a letter beyond ASCII', cursor.at);
        add(parts, ESCAPED_IN_QUOTES.has(escaped) ? escaped : `\\${escaped}`);
        cursor.at += 2;
        break;
      }
      default:
        add(parts, character);
        cursor.at += 1;
    }
  }
}

function readExpansion(cursor: Cursor, parts: WordPart[], runs: CommandList[], quoted: boolean): void {
  const { text, at } = cursor;
  PARAMETER.lastIndex = at;
  const parameter = PARAMETER.exec(text);
  if (parameter !== null) {
    cursor.at = PARAMETER.lastIndex;
    const name = parameter[1] ?? parameter[2];
    // `"$@"` is several words although it is quoted.
    parts.push(name === 'HOME' ? { kind: 'home' } : { kind: 'unknown', quoted: quoted && !parameter[0].endsWith('@') });
    return;
  }
  if (text.startsWith('$(', at) && text[at + 2] !== '(') {
    cursor.at += 2;
    runs.push(cursor.readRun());
    if (text[cursor.at] !== ')') throw new CommandNotRead('a command in $( … ) is not closed', at);
    cursor.at += 1;
    parts.push({ kind: 'unknown', quoted });
    return;
  }
  // A dollar sign at the end of a pattern is itself.
  const next = text[at + 1];
  if (quoted ? next !== '"' && next !== ' ' && next !== '|' && next !== ')' : !endsWord(next) || next === '(') {
    throw new CommandNotRead('an expansion that is not read', at);
  }
  add(parts, '$');
  cursor.at += 1;
}

function readPlain(cursor: Cursor, start: number, parts: WordPart[]): void {
  const { text, at } = cursor;
  const character = text[at] ?? '';
  const next = text[at + 1];
  cursor.at += 1;
  if (PLAIN.test(character)) {
    NAME.lastIndex = at;
    const run = NAME.exec(text)?.[0] ?? character;
    add(parts, run);
    cursor.at = at + run.length;
  } else if (character === '*' || character === '?') {
    parts.push({ kind: 'glob', value: character });
  } else if (character === '[') {
    // Alone it is the name of a program.
    if (at === start && endsWord(next)) add(parts, character);
    else parts.push({ kind: 'glob', value: character });
  } else if (character === '~') {
    readTilde(cursor, at, start, parts);
  } else if (character === '{' && next === '}') {
    // With nothing in them, they are themselves everywhere.
    add(parts, '{}');
    cursor.at += 1;
  } else {
    throw new CommandNotRead(NOT_PLAIN[character] ?? 'a character stands outside quotes that shells may read differently', at);
  }
}

const NOT_PLAIN: Readonly<Record<string, string>> = {
  '`': 'a command stands in backticks: write $( … )',
  '{': 'braces, which not every shell expands: quote them',
  '}': 'braces, which not every shell expands: quote them',
};

function readTilde(cursor: Cursor, at: number, start: number, parts: WordPart[]): void {
  const { text } = cursor;
  const before = text[at - 1];
  if (at !== start) {
    // After these, bash expands it and dash does not.
    if (before === '=' || before === ':') throw new CommandNotRead('a tilde, which not every shell expands here: quote it', at);
    add(parts, '~');
    return;
  }
  const next = text[cursor.at];
  if (next !== '/' && !endsWord(next)) throw new CommandNotRead('the home folder of another account', at);
  parts.push({ kind: 'home' });
}

function isBeyondAscii(character: string | undefined): boolean {
  return character !== undefined && character > '\x7f';
}
