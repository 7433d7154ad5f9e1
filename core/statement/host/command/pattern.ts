/**
 * Patterns of names, as sh, dash and bash read them alike (POSIX.1-2017 XCU 2.13): `*`, `?` and sets, in any part of a path. What they
 * read differently, or differently in another locale, is no pattern here: `**`, `.*`, `[^a]`, classes, ranges of mixed kind.
 */
import type { WordPart } from './syntax.ts';

export type PathPattern = {
  /** The whole pattern from the root on, in one spelling: equal texts are equal patterns. */
  readonly text: string;
  /** What a program gets where nothing matches. */
  readonly literal: string;
  readonly parts: readonly PatternPart[];
  /** It ends in a slash, so that only folders match. */
  readonly foldersOnly: boolean;
};

export type PatternPart =
  /** One name as it is. */
  { readonly kind: 'name'; readonly name: string } | { readonly kind: 'names'; readonly items: readonly PatternItem[] };

export type PatternItem =
  | { readonly kind: 'text'; readonly character: string }
  /** Any number of characters. */
  | { readonly kind: 'any' }
  | { readonly kind: 'one' }
  | { readonly kind: 'set'; readonly negated: boolean; readonly singles: string; readonly ranges: readonly (readonly [string, string])[] };

export type Match = 'yes' | 'no' | 'unsure';

type Letter = { readonly character: string; readonly special: boolean };

/** A path of people is shorter, and so is every name. */
const MAX_LETTERS = 4_096;
const OTHER_DIGIT = /[^\P{N}0-9]/u;
const OTHER_LETTER = /[A-Za-z]|[^\0-\x7f]/u;
const RANGES = [/^[0-9]{2}$/u, /^[a-z]{2}$/u, /^[A-Z]{2}$/u];

/** `parts` and `quoted` of a word without expansions; `folder`: where a relative one starts. Undefined where it is not read. */
export function patternOf(parts: readonly WordPart[], quoted: boolean, folder: string): PathPattern | undefined {
  const letters: Letter[] = [];
  for (const part of parts) {
    if (part.kind !== 'text' && part.kind !== 'glob') return undefined;
    // Within a set, quoted characters mean something else, and which were quoted is not known any more.
    if (part.kind === 'glob' && part.value === '[' && quoted) return undefined;
    for (const character of part.value) letters.push({ character, special: part.kind === 'glob' });
  }
  const isAbsolute = letters[0]?.character === '/';
  const start = isAbsolute ? [] : Array.from(`${folder === '/' ? '' : folder}/`, (character) => ({ character, special: false }));
  const whole = [...start, ...letters];
  if (whole.length > MAX_LETTERS) return undefined;
  const items = readItems(whole);
  const found = items && partsOf(items);
  if (found === undefined || found.some((part) => part.kind === 'names' && mayBeDots(part.items))) return undefined;
  const foldersOnly = whole.at(-1)?.character === '/';
  return {
    text: `${found.map((part) => `/${textOf(part)}`).join('')}${foldersOnly ? '/' : ''}`,
    literal: whole.map(({ character }) => character).join(''),
    parts: found,
    foldersOnly,
  };
}

/** `unsure` where shells or locales differ. */
export function matchName(items: readonly PatternItem[], name: string): Match {
  const [first] = items;
  if (name.startsWith('.') && !(first?.kind === 'text' && first.character === '.')) return 'no';
  const asText = matchLetters(items, Array.from(name));
  // dash, and bash in the C locale, count bytes.
  const bytes = Array.from(Buffer.from(name).toString('latin1'));
  if (bytes.length === name.length) return asText;
  return matchLetters(items.flatMap(inBytes), bytes) === asText ? asText : 'unsure';
}

function readItems(letters: readonly Letter[]): readonly PatternItem[] | undefined {
  const items: PatternItem[] = [];
  for (let at = 0; at < letters.length; at += 1) {
    const { character = '', special } = letters[at] ?? {};
    if (special !== true) {
      items.push({ kind: 'text', character });
    } else if (character === '*') {
      // Two of them reach below in some shells.
      if (items.at(-1)?.kind === 'any') return undefined;
      items.push({ kind: 'any' });
    } else if (character === '?') {
      items.push({ kind: 'one' });
    } else {
      const end = letters.findIndex((letter, index) => index > at && letter.character === ']');
      const inside = letters.slice(at + 1, end);
      const set =
        end === -1 || inside.some((letter) => letter.special) ? undefined : setOf(inside.map((letter) => letter.character).join(''));
      if (set === undefined) return undefined;
      items.push(set);
      at = end;
    }
  }
  return items;
}

function setOf(inside: string): PatternItem | undefined {
  const negated = inside.startsWith('!');
  const rest = negated ? inside.slice(1) : inside;
  if (rest === '' || rest.startsWith('^') || !/^[\w.,:=+@%!#-]+$/u.test(rest)) return undefined;
  let singles = '';
  const ranges: (readonly [string, string])[] = [];
  for (let at = 0; at < rest.length; at += 1) {
    const from = rest[at] ?? '';
    const to = rest[at + 2];
    if (rest[at + 1] !== '-' || to === undefined) {
      singles += from;
      continue;
    }
    if (from > to || !RANGES.some((range) => range.test(from + to))) return undefined;
    ranges.push([from, to]);
    at += 2;
  }
  return { kind: 'set', negated, singles, ranges };
}

function partsOf(items: readonly PatternItem[]): readonly PatternPart[] | undefined {
  const parts: PatternPart[] = [];
  let own: PatternItem[] = [];
  let known = true;
  const end = (): void => {
    const name = own.map((item) => (item.kind === 'text' ? item.character : '')).join('');
    if (own.some(({ kind }) => kind !== 'text')) parts.push({ kind: 'names', items: own });
    else if (name !== '' && name !== '.') parts.push({ kind: 'name', name });
    // After a pattern it says that only folders match.
    else if (name === '.' && parts.some(({ kind }) => kind === 'names')) known = false;
    own = [];
  };
  for (const item of items) {
    if (item.kind === 'text' && item.character === '/') end();
    else own.push(item);
  }
  end();
  return known && parts.some(({ kind }) => kind === 'names') ? parts : undefined;
}

/** Some shells give a pattern the two names that every folder has, and some do not. */
function mayBeDots(items: readonly PatternItem[]): boolean {
  return matchName(items, '.') !== 'no' || matchName(items, '..') !== 'no';
}

function matchLetters(items: readonly PatternItem[], letters: readonly string[]): Match {
  if (fits(items, letters, false)) return 'yes';
  return fits(items, letters, true) ? 'unsure' : 'no';
}

/** Goes back to the last star only, which is enough. `unsure`: what is not certain fits. */
function fits(items: readonly PatternItem[], letters: readonly string[], unsure: boolean): boolean {
  let item = 0;
  let star = -1;
  let from = 0;
  for (let at = 0; at < letters.length;) {
    const next = items[item];
    if (next?.kind === 'any') {
      star = item;
      from = at;
      item += 1;
    } else if (next !== undefined && fitsOne(next, letters[at] ?? '', unsure)) {
      item += 1;
      at += 1;
    } else if (star >= 0) {
      item = star + 1;
      from += 1;
      at = from;
    } else return false;
  }
  return items.slice(item).every(({ kind }) => kind === 'any');
}

function fitsOne(item: PatternItem, letter: string, unsure: boolean): boolean {
  switch (item.kind) {
    case 'text':
      return item.character === letter;
    case 'any':
    case 'one':
      return true;
    case 'set': {
      if (item.singles.includes(letter) || item.ranges.some(([from, to]) => letter >= from && letter <= to)) return !item.negated;
      // By some locales' order, letters of the other case and signs of other scripts stand within a range.
      if (item.ranges.some(([from]) => (/[0-9]/u.test(from) ? OTHER_DIGIT : OTHER_LETTER).test(letter))) return unsure;
      return item.negated;
    }
  }
}

function inBytes(item: PatternItem): readonly PatternItem[] {
  if (item.kind !== 'text') return [item];
  return Array.from(Buffer.from(item.character).toString('latin1'), (character) => ({ kind: 'text', character }));
}

function textOf(part: PatternPart): string {
  if (part.kind === 'name') return part.name.replaceAll(/[*?[\\]/gu, String.raw`\$&`);
  return part.items
    .map((item) => {
      switch (item.kind) {
        case 'text':
          return item.character.replaceAll(/[*?[\\]/gu, String.raw`\$&`);
        case 'any':
          return '*';
        case 'one':
          return '?';
        case 'set':
          return `[${item.negated ? '!' : ''}${item.ranges.map(([one, other]) => `${one}-${other}`).join('')}${item.singles}]`;
      }
    })
    .join('');
}
