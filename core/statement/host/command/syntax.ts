/** A command line as POSIX shells read it, cut down to what is judged. Positions are in UTF-16 units of the text. */

export type WordPart =
  /** Characters that reach the program as they are. */
  | { readonly kind: 'text'; readonly value: string }
  /** `*`, `?` or the `[` of a set: stands for names of files. */
  | { readonly kind: 'glob'; readonly value: string }
  /** `~` or `$HOME`. */
  | { readonly kind: 'home' }
  /** An expansion whose value is not known; where it is not quoted it may be several words, or none. */
  | { readonly kind: 'unknown'; readonly quoted: boolean };

export type Word = {
  readonly start: number;
  readonly end: number;
  readonly parts: readonly WordPart[];
  /** Whether any of it was quoted: a reserved word that is quoted is none. */
  readonly quoted: boolean;
  /** What `$( … )` within it runs. */
  readonly runs: readonly CommandList[];
};

export const REDIRECTS = ['<', '>', '>>', '>|', '<>', '<&', '>&', '&>', '&>>', '<<'] as const;
export type RedirectOperator = (typeof REDIRECTS)[number];

export type Redirect = {
  /** Undefined where none is written: then the operator says which. */
  readonly descriptor: number | undefined;
  readonly operator: RedirectOperator;
  readonly target: Word;
};

export type Assignment = { readonly name: string; readonly value: Word };

export type Command =
  | {
      readonly kind: 'simple';
      readonly assignments: readonly Assignment[];
      readonly words: readonly Word[];
      readonly redirects: readonly Redirect[];
    }
  | { readonly kind: 'subshell' | 'group'; readonly body: CommandList; readonly redirects: readonly Redirect[] };

export type Pipeline = { readonly negated: boolean; readonly commands: readonly Command[] };

/** Pipelines in order, each with what stands between it and the next. */
export type CommandList = readonly { readonly pipeline: Pipeline; readonly joint: '&&' | '||' | ';' | '&' }[];

/** Where a word, operator or comment stands. */
export type Span = { readonly start: number; readonly end: number };

/** What another grammar must say of the same text. */
export type Tokens = {
  /** Words and operators, of commands within words too. Newlines are none. */
  readonly spans: readonly Span[];
  /** Where simple commands start. */
  readonly commands: readonly number[];
};
