import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { countNonAscii, visiblePieces, visibleText } from '../../../core/approval/visible.ts';

test.each([
  ['a bidirectional override', 'a\u202eb', 'a\\u{202e}b'],
  ['an isolate', '\u2066', '\\u{2066}'],
  ['a zero-width space', 'dr\u200bop', 'dr\\u{200b}op'],
  ['a byte order mark', '\ufeffx', '\\u{feff}x'],
  ['a terminal escape', '\u001b[2J', '\\u{1b}[2J'],
  ['a carriage return', '--\rdrop', '--\\rdrop'],
  ['a tab', 'a\tb', 'a\\tb'],
  ['a no-break space', 'a\u00a0b', 'a\\u{a0}b'],
  ['a Hangul filler', '\u3164', '\\u{3164}'],
  ['a tag character', '\u{e0041}', '\\u{e0041}'],
  ['a variation selector', 'x\ufe0f', 'x\\u{fe0f}'],
  ['a lone surrogate', '\ud800', '\\u{d800}'],
  ['a line separator', '\u2028', '\\u{2028}'],
])('%s is shown as an escape', (_, text, shown) => {
  expect(visibleText(text)).toBe(shown);
});

test('letters of other scripts and line feeds stay, and can be counted', () => {
  expect(visiblePieces('größe\nа')).toEqual([{ kind: 'text', text: 'größe\nа' }]);
  expect(countNonAscii('größe\nа')).toBe(3);
  expect(visibleText('a\nb', false)).toBe('a\\nb');
});

test('nothing that a terminal or a browser would hide or reorder is left in a shown text', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (text) => {
      expect(visibleText(text)).not.toMatch(/(?!\n)[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u);
    }),
  );
});
