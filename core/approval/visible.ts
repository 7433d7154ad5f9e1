/** Text that somebody else wrote, made safe to read: what would be invisible or reorder the rest becomes a visible escape. */

export type VisiblePiece = { readonly kind: 'text' | 'escape'; readonly text: string };

/**
 * Controls (C0, C1, DEL), bidirectional and zero-width characters, other format and private characters, spaces other
 * than U+0020, line and paragraph separators, enclosing marks, lone surrogates and unassigned code points. A line
 * feed stays: it is what lays out a statement.
 */
const INVISIBLE = /[\p{C}\p{Zl}\p{Zp}\p{Me}\p{Default_Ignorable_Code_Point}\u00A0\u1680\u2000-\u200F\u202F\u205F\u2800\u3000]/u;

/** Cuts a text into what can be shown as it is and escapes such as `\u{202e}`. */
export function visiblePieces(text: string): readonly VisiblePiece[] {
  const pieces: VisiblePiece[] = [];
  let plain = '';
  for (const character of text) {
    if (character === '\n' || !INVISIBLE.test(character)) {
      plain += character;
      continue;
    }
    if (plain !== '') pieces.push({ kind: 'text', text: plain });
    plain = '';
    pieces.push({ kind: 'escape', text: escapeOf(character) });
  }
  if (plain !== '') pieces.push({ kind: 'text', text: plain });
  return pieces;
}

/** The same as one string, for a terminal. `keepLines` false escapes line feeds too. */
export function visibleText(text: string, keepLines = true): string {
  const shown = visiblePieces(text)
    .map((piece) => piece.text)
    .join('');
  return keepLines ? shown : shown.replaceAll('\n', '\\n');
}

/** Characters outside ASCII, which may look like other ones: Cyrillic `а` for `a`. */
export function countNonAscii(text: string): number {
  let found = 0;
  for (const character of text) if ((character.codePointAt(0) ?? 0) > 0x7f) found += 1;
  return found;
}

function escapeOf(character: string): string {
  if (character === '\t') return '\\t';
  if (character === '\r') return '\\r';
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}
