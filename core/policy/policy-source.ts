/** Cuts a `.cedar` file into its policies, so that every message can name file, line and column. */
import { positionAt } from '../config/config-error.ts';

export type PolicySource = {
  readonly file: string;
  /** The whole file, for positions. */
  readonly fileText: string;
  /** Offset of the policy in the file, in UTF-16 code units. */
  readonly start: number;
  /** From its first annotation to its semicolon. */
  readonly text: string;
};

/** Comments, string literals and semicolons are all that Cedar's lexer needs to find where policies end. */
const TOKEN = /\/\/[^\n]*|"(?:[^"\\]|\\[^])*"|;/g;

/** A rest without a closing semicolon is a policy too: Cedar's parser says what is wrong with it. */
export function splitPolicies(file: string, fileText: string): readonly PolicySource[] {
  const policies: PolicySource[] = [];
  let start = 0;
  for (const token of fileText.matchAll(TOKEN)) {
    if (token[0] !== ';') continue;
    policies.push(cut(file, fileText, start, token.index + 1));
    start = token.index + 1;
  }
  const rest = cut(file, fileText, start, fileText.length);
  return rest.text === '' ? policies : [...policies, rest];
}

/** Where an offset in the policy's UTF-8 bytes (Cedar's unit) stands in its file. */
export function positionOfByte(source: PolicySource, byte: number): { readonly line: number; readonly column: number } {
  const before = Buffer.from(source.text, 'utf8').subarray(0, byte).toString('utf8');
  return positionAt(source.fileText, source.start + before.length);
}

/** Where some text first stands in the policy; the policy's start when it is not there literally. */
export function positionOfText(source: PolicySource, text: string): { readonly line: number; readonly column: number } {
  return positionAt(source.fileText, source.start + Math.max(0, source.text.indexOf(text)));
}

function cut(file: string, fileText: string, from: number, to: number): PolicySource {
  // Leading blanks and comments belong to no policy: positions start at its first token.
  const lead = /^(?:\s|\/\/[^\n]*(?:\n|$))*/.exec(fileText.slice(from, to))?.[0].length ?? 0;
  return { file, fileText, start: from + lead, text: fileText.slice(from + lead, to) };
}
