/** PostgreSQL's own grammar, one per major version, behind one interface. */
import { POSTGRES_MAJORS, type PostgresMajor } from '../../target.ts';
import { isTree, items, integer, type Tree } from './ast.ts';
import { type Answer, type Grammar, loadGrammar } from './grammar.ts';
import type { Unjudgeable } from './reading.ts';

export type ParsedStatement = {
  /** The tagged parse tree of the statement. */
  readonly node: Tree;
  /** Exact bytes of the statement in the text, without comments before it and without its semicolon. */
  readonly startByte: number;
  readonly endByte: number;
};

export type Parsed = { readonly kind: 'parsed'; readonly statements: readonly ParsedStatement[] } | Unjudgeable;

export interface SqlParser {
  readonly major: PostgresMajor;
  /** Never throws: what the grammar refuses is Unjudgeable. Blocks for about 80 ns a byte. */
  parse(text: string): Parsed;
}

/** Loads the grammar of one major version: some ten milliseconds, and memory of its own. */
export async function loadParser(major: PostgresMajor): Promise<SqlParser> {
  const grammar = await loadGrammar(major);
  return { major, parse: (text) => parseText(grammar, major, text) };
}

const LONE_SURROGATE = /[\uD800-\uDFFF]/u;

function parseText(grammar: Grammar, major: PostgresMajor, text: string): Parsed {
  if (text.includes('\0')) return unjudgeable('The text contains a NUL character, where the parser would stop.');
  if (LONE_SURROGATE.test(text)) return unjudgeable('The text is not well-formed Unicode.');
  if (isBlank(text)) return { kind: 'parsed', statements: [] };
  const answer = grammar.parse(text);
  if (answer.kind !== 'tree') return refusalOf(answer, text);
  let tree: unknown;
  try {
    tree = JSON.parse(answer.json);
  } catch {
    return unjudgeable('The statement is nested too deeply to be judged.');
  }
  if (!isTree(tree) || !isOfMajor(tree, major)) return unjudgeable('The parser answered with something that is not a parse tree.');
  const bytes = Buffer.from(text, 'utf8');
  const statements: ParsedStatement[] = [];
  for (const raw of items(tree, 'stmts')) {
    if (!isTree(raw) || !isTree(raw['stmt'])) return unjudgeable('The parser answered with something that is not a statement.');
    const from = integer(raw, 'stmt_location') ?? 0;
    const length = integer(raw, 'stmt_len') ?? 0;
    const until = length === 0 ? bytes.length : from + length;
    const startByte = skipBlank(bytes, from, until);
    statements.push({ node: raw['stmt'], startByte, endByte: Math.max(startByte, trimEnd(bytes, startByte, until)) });
  }
  return { kind: 'parsed', statements };
}

function isOfMajor(tree: Tree, major: PostgresMajor): boolean {
  return Math.floor((integer(tree, 'version') ?? 0) / 10_000) === major && POSTGRES_MAJORS.includes(major);
}

function refusalOf(answer: Exclude<Answer, { readonly kind: 'tree' }>, text: string): Unjudgeable {
  switch (answer.kind) {
    case 'refused':
      return {
        kind: 'unjudgeable',
        reason: `PostgreSQL's grammar refuses it: ${answer.message}.`,
        atByte: bytesBefore(text, answer.position),
      };
    case 'overflow':
      return unjudgeable('The statement is nested too deeply to be judged.');
    case 'restarting':
      return unjudgeable('The parser is starting again after a text that it could not hold: send the statement again.');
  }
}

/** PostgreSQL reports positions in characters; everything else here counts bytes. */
function bytesBefore(text: string, characters: number): number {
  let index = 0;
  for (let seen = 0; seen < characters && index < text.length; seen += 1) {
    const code = text.codePointAt(index) ?? 0;
    index += code > 0xffff ? 2 : 1;
  }
  return Buffer.byteLength(text.slice(0, index), 'utf8');
}

function unjudgeable(reason: string): Unjudgeable {
  return { kind: 'unjudgeable', reason };
}

/** What PostgreSQL's scanner calls `space`: blank, tab, newline, return, form feed (and vertical tab from 16 on). */
function isSpace(byte: number): boolean {
  return byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
}

function isBlank(text: string): boolean {
  for (let i = 0; i < text.length; i += 1) {
    if (!isSpace(text.charCodeAt(i))) return false;
  }
  return true;
}

const SEMICOLON = 0x3b;
const DASH = 0x2d;
const SLASH = 0x2f;
const STAR = 0x2a;

/** Skips white space, comments and empty statements before a statement; the parser has already accepted the text. */
function skipBlank(bytes: Buffer, from: number, until: number): number {
  let at = from;
  while (at < until) {
    const byte = bytes[at] ?? 0;
    if (isSpace(byte) || byte === SEMICOLON) {
      at += 1;
    } else if (byte === DASH && bytes[at + 1] === DASH) {
      while (at < until && bytes[at] !== 0x0a && bytes[at] !== 0x0d) at += 1;
    } else if (byte === SLASH && bytes[at + 1] === STAR) {
      at = skipBlockComment(bytes, at, until);
    } else {
      return at;
    }
  }
  return from;
}

function skipBlockComment(bytes: Buffer, from: number, until: number): number {
  let depth = 0;
  let at = from;
  while (at < until) {
    if (bytes[at] === SLASH && bytes[at + 1] === STAR) {
      depth += 1;
      at += 2;
    } else if (bytes[at] === STAR && bytes[at + 1] === SLASH) {
      depth -= 1;
      at += 2;
      if (depth === 0) return at;
    } else {
      at += 1;
    }
  }
  return until;
}

function trimEnd(bytes: Buffer, from: number, until: number): number {
  let at = until;
  while (at > from && isSpace(bytes[at - 1] ?? 0)) at -= 1;
  return at;
}
