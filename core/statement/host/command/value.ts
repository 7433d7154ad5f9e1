/** What a word is once the shell has expanded it. */
import type { Word, WordPart } from './syntax.ts';

export type Value =
  | { readonly kind: 'constant'; readonly text: string }
  | Glob
  /** `one`: exactly one word, of which nothing is known; else any number of them. */
  | { readonly kind: 'unknown'; readonly one: boolean };

/** Names of files that match, or the pattern itself where none does. `text` is the pattern, `folder` what stands before its first part. */
export type Glob = {
  readonly kind: 'glob';
  readonly text: string;
  readonly prefix: string;
  readonly folder: string;
  readonly parts: readonly WordPart[];
  readonly quoted: boolean;
  /** What it stands for, as absolute paths; absent where that is not known. None of them begins with a dash as it is written. */
  readonly names?: readonly string[];
};

/** A home folder that the shell neither splits nor expands where it is not quoted. */
const PLAIN_HOME = /^\/[\w\-./@+]*$/u;

export function constant(text: string): Value {
  return { kind: 'constant', text };
}

/** `home` is undefined where it is not known. */
export function valueOf(word: Word, home: string | undefined): Value {
  let text = '';
  let prefix: string | undefined;
  const parts: WordPart[] = [];
  for (const part of word.parts) {
    switch (part.kind) {
      case 'unknown':
        return { kind: 'unknown', one: word.parts.every((each) => each.kind !== 'glob' && (each.kind !== 'unknown' || each.quoted)) };
      case 'home':
        if (home === undefined || !PLAIN_HOME.test(home)) return { kind: 'unknown', one: false };
        parts.push({ kind: 'text', value: home === '/' && text === '' ? '' : home });
        text += home === '/' && text === '' ? '' : home;
        break;
      case 'glob':
        prefix ??= text;
        text += part.value;
        parts.push(part);
        break;
      case 'text':
        text += part.value;
        parts.push(part);
    }
  }
  if (word.parts.length === 1 && word.parts[0]?.kind === 'home' && text === '') text = '/';
  if (prefix === undefined) return { kind: 'constant', text };
  return { kind: 'glob', text, prefix, folder: prefix.slice(0, prefix.lastIndexOf('/') + 1), parts, quoted: word.quoted };
}

/** Each path that a value stands for, as far as it is known. */
export function eachOf(value: Value): readonly Value[] {
  return value.kind === 'glob' && value.names !== undefined ? value.names.map(constant) : [value];
}
