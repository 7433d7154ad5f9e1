/** tree-sitter's grammar of bash, from which a second and independent reading of every command line comes. */
import { Language, Parser, type Node } from 'web-tree-sitter';
import { CommandNotRead } from './not-read.ts';
import type { Span, Tokens } from './syntax.ts';

export interface ShellGrammar {
  /** Throws `CommandNotRead` where the text is not in the language, or in a part of it that is not known here. */
  tokens(text: string): Tokens;
}

/** Nodes that are one word, or something as small. */
const WORDS = new Set(
  [
    'word string raw_string concatenation number simple_expansion expansion command_substitution variable_assignment',
    'file_descriptor test_operator heredoc_start heredoc_body heredoc_end regex extglob_pattern',
  ].flatMap((line) => line.split(' ')),
);
/** Nodes that only hold others. */
const HOLDERS = new Set(
  [
    'program list pipeline command command_name variable_assignments redirected_statement file_redirect heredoc_redirect',
    'subshell compound_statement negated_command test_command unary_expression binary_expression negation_expression',
  ].flatMap((line) => line.split(' ')),
);
const COMMANDS = new Set(['command', 'test_command', 'variable_assignments']);
/** Operators and brackets that stand alone; what else a tree names by its text is a reserved word. */
const MARKS = /^(?:&&|\|\||[;&|(){}!<>=[\]]|>>|>\||<>|<&|>&|&>|&>>|<<|-[a-z]+|[=!]=)$/u;
/** Deeper than what is read before: a tree of more is not walked. */
const MAX_DEPTH = 512;

/** Loads `tree-sitter-bash.wasm`, whose bytes are given: some ten milliseconds, and memory of its own. */
export async function loadShellGrammar(wasm: Uint8Array): Promise<ShellGrammar> {
  await Parser.init();
  const language = await Language.load(wasm);
  const parser = new Parser();
  parser.setLanguage(language);
  return { tokens: (text) => tokensOf(parser, text) };
}

function tokensOf(parser: Parser, text: string): Tokens {
  parser.reset();
  const tree = parser.parse(text);
  if (tree === null) throw new CommandNotRead('the grammar gives no answer');
  try {
    if (tree.rootNode.hasError) throw new CommandNotRead('the grammar does not hold it');
    const walk: Walk = { text, spans: [], commands: [] };
    collect(tree.rootNode, walk, 0);
    walk.spans.sort((one, other) => one.start - other.start || other.end - one.end);
    refuseGaps(text, walk.spans);
    return { spans: walk.spans.filter(({ start }) => text[start] !== '#'), commands: walk.commands.toSorted((one, other) => one - other) };
  } finally {
    tree.delete();
  }
}

type Walk = { readonly text: string; readonly spans: Span[]; readonly commands: number[] };

function collect(node: Node, walk: Walk, depth: number): void {
  if (depth > MAX_DEPTH) throw new CommandNotRead('it is nested too deeply');
  const span = { start: node.startIndex, end: node.endIndex };
  if (COMMANDS.has(node.type) || (node.type === 'variable_assignment' && !isOfCommand(node))) walk.commands.push(span.start);
  if (WORDS.has(node.type)) {
    walk.spans.push(span);
    collectRuns(node, walk, depth + 1);
  } else if (node.type === 'comment') {
    walk.spans.push(span);
  } else if (HOLDERS.has(node.type)) {
    for (const child of node.children) collect(child, walk, depth + 1);
  } else if (node.isNamed || !(MARKS.test(node.type) || /^\s*$/u.test(node.type))) {
    throw new CommandNotRead(`the grammar calls a part of it "${node.type}"`, span.start);
  } else if (span.end > span.start && !/^\s*$/u.test(walk.text.slice(span.start, span.end))) {
    walk.spans.push(span);
  }
}

/** What `$( … )` within a word runs. */
function collectRuns(word: Node, walk: Walk, depth: number): void {
  if (depth > MAX_DEPTH) throw new CommandNotRead('it is nested too deeply');
  const runs = word.type === 'command_substitution';
  for (const child of word.children) {
    if (!runs) collectRuns(child, walk, depth + 1);
    else if (child.isNamed) collect(child, walk, depth + 1);
    else if (!['$(', ')'].includes(child.type)) collect(child, walk, depth + 1);
  }
}

function isOfCommand(assignment: Node): boolean {
  return assignment.parent?.type === 'command' || assignment.parent?.type === 'variable_assignments';
}

/** What no word or operator covers must be blank: the grammar leaves out what it does not know. */
function refuseGaps(text: string, spans: readonly Span[]): void {
  let at = 0;
  for (const { start, end } of [...spans, { start: text.length, end: text.length }]) {
    if (start > at && !/^(?:[ \t\n]|\\\n)*$/u.test(text.slice(at, start)))
      throw new CommandNotRead('the grammar leaves a part of it out', at);
    at = Math.max(at, end);
  }
}
