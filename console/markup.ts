/** HTML with every value escaped: only what this module made itself is markup. */
import { visiblePieces } from '../core/approval/visible.ts';

/** A piece of finished HTML. Made by `html` alone. */
export class Markup {
  readonly #text: string;

  constructor(parts: TemplateStringsArray, values: readonly MarkupValue[]) {
    this.#text = parts.map((part, index) => part + (index < values.length ? render(values[index]) : '')).join('');
  }

  toString(): string {
    return this.#text;
  }
}

export type MarkupValue = Markup | string | number | undefined | false | readonly MarkupValue[];

/** `html\`<b>${name}</b>\``: strings are escaped, markup is kept, lists are joined, `undefined` and `false` are nothing. */
export function html(parts: TemplateStringsArray, ...values: readonly MarkupValue[]): Markup {
  return new Markup(parts, values);
}

/** Text of somebody else: invisible characters as marked escapes, the rest as text. */
export function untrusted(text: string): Markup {
  const pieces = visiblePieces(text).map((piece) =>
    piece.kind === 'text' ? html`${piece.text}` : html`<mark title="a character that would not show">${piece.text}</mark>`,
  );
  return html`<bdi>${pieces}</bdi>`;
}

function render(value: MarkupValue): string {
  if (value === undefined || value === false) return '';
  if (value instanceof Markup) return value.toString();
  if (typeof value === 'string' || typeof value === 'number') return escape(String(value));
  return value.map(render).join('');
}

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;', '`': '&#96;' };

function escape(text: string): string {
  return text.replace(/[&<>"'`]/g, (character) => ESCAPES[character] ?? '');
}
