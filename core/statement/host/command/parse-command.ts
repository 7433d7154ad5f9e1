/**
 * A command line is taken as read only where two grammars that know nothing of each other agree on every word and operator: one
 * that reads little and exactly, and one that reads all of bash.
 */
import { readGrammarFile } from './grammar-file.ts';
import { loadShellGrammar, type ShellGrammar } from './grammar.ts';
import { CommandNotRead } from './not-read.ts';
import { readSyntax } from './read-syntax.ts';
import type { CommandList, Span, Tokens } from './syntax.ts';

/** Reading takes microseconds a byte, and everybody waits meanwhile. A command may be longer, but nobody says what it does. */
const MAX_READ_BYTES = 16 * 1024;
/** Everything but tabs and line ends; a carriage return is a character of a word for some shells. */
const CONTROL = /(?![\t\n])\p{Cc}/u;
const LONE_SURROGATE = /[\uD800-\uDFFF]/u;

export type ParsedCommand =
  | { readonly kind: 'parsed'; readonly list: CommandList }
  /** Whatever it does, it is not known. */
  | { readonly kind: 'opaque'; readonly reason: string };

export interface CommandParser {
  /** Never throws. */
  parse(text: string): ParsedCommand;
}

/** Takes some ten milliseconds, and memory of its own. */
export async function loadCommandParser(): Promise<CommandParser> {
  const grammar = await loadShellGrammar(await readGrammarFile());
  // One command is asked about several times in a row: its protocol, its paths, its effects.
  let last: { readonly text: string; readonly parsed: ParsedCommand } | undefined;
  return {
    parse(text) {
      if (last?.text !== text) last = { text, parsed: parseCommand(grammar, text) };
      return last.parsed;
    },
  };
}

function parseCommand(grammar: ShellGrammar, text: string): ParsedCommand {
  if (Buffer.byteLength(text) > MAX_READ_BYTES) return opaque('the command is longer than 16 KiB: send what is long as a file');
  if (CONTROL.test(text)) return opaque('the command has control characters');
  if (LONE_SURROGATE.test(text)) return opaque('the command is not well-formed Unicode');
  try {
    const { list, tokens } = readSyntax(text);
    if (!agree(tokens, grammar.tokens(text))) return opaque('two readings of the command differ');
    return { kind: 'parsed', list };
  } catch (error) {
    // What is not read is opaque, whichever part of reading it failed.
    return opaque(error instanceof CommandNotRead ? describe(error) : 'the command could not be read');
  }
}

function agree(one: Tokens, other: Tokens): boolean {
  const spans = one.spans.toSorted((left, right) => left.start - right.start || right.end - left.end);
  const commands = one.commands.toSorted((left, right) => left - right);
  return (
    spans.length === other.spans.length &&
    spans.every((span, index) => isSame(span, other.spans[index])) &&
    commands.length === other.commands.length &&
    commands.every((start, index) => start === other.commands[index])
  );
}

function isSame(span: Span, other: Span | undefined): boolean {
  return span.start === other?.start && span.end === other.end;
}

function describe({ message, at }: CommandNotRead): string {
  return at === undefined ? message : `${message} (character ${at + 1})`;
}

function opaque(reason: string): ParsedCommand {
  return { kind: 'opaque', reason };
}
