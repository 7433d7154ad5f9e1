/**
 * What a program wrote to a terminal, made safe for the terminal of whoever watches it later: text, colours and movements of the
 * cursor stay; whatever makes a terminal answer, set a clipboard or a title, change how keys or the mouse are sent, or run on
 * after the end is left out (ECMA-48, xterm's ctlseqs).
 */

/** Puts a terminal back after it was played to: colours, cursor, wrapping, screen, characters and scrolling. */
export const TERMINAL_RESET = '\u001b[0m\u001b[?25h\u001b[?7h\u001b[?1049l\u001b(B\u001b[r';

const MOST_SEQUENCE = 64;
const PLAIN = /^[\n\t\u0020-\u007e]*$/;
const C1 = /^[\u007f-\u009f]$/;
/** These turn around what is beside them. */
const BIDIRECTIONAL = /^[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]$/;
const COLOURS = /^[\d;:]*m$/;
/** Cursor, erasing, inserting, scrolling; no number is large enough to keep a terminal busy. */
const MOVEMENTS = /^(?:\d{0,4}(?:;\d{0,4})?[ABCDEFGHIJKLMPSTXZ@abdefgr`]|[su]|4[hl])$/;
/** Wrapping, the cursor, the alternate screen. */
const MODES = /^\?(?:7|25|47|1047|1048|1049)(?:;(?:7|25|47|1047|1048|1049))*[hl]$/;
const SHORT = /^(?:[78DEMH]|\([AB0])$/;
/** A full reset would undo what the terminal's owner set up. */
const FULL_RESET = 'c';

type State = 'text' | 'escape' | 'csi' | 'string' | 'stringEscape';

export class SafeTerminal {
  private readonly keeps: 'screen' | 'text';
  private readonly decoder = new TextDecoder('utf-8');
  private state: State = 'text';
  private sequence = '';
  private returned = false;

  /** `screen` keeps colours and movements; `text` leaves all sequences out, and ends lines with a line feed. */
  constructor(keeps: 'screen' | 'text') {
    this.keeps = keeps;
  }

  /** What of these bytes may be shown. A character or a sequence that is not whole waits for the rest. */
  push(bytes: Buffer): string {
    const text = this.decoder.decode(bytes, { stream: true });
    if (this.state === 'text' && !this.returned && PLAIN.test(text)) return text;
    let out = '';
    for (const character of text) out += this.take(character);
    return out;
  }

  private take(character: string): string {
    // CAN and SUB end whatever has begun.
    if (character === '\u0018' || character === '\u001a') {
      this.state = 'text';
      return '';
    }
    switch (this.state) {
      case 'text':
        return this.takeText(character);
      case 'escape':
        return this.takeEscape(character);
      case 'csi':
        return this.takeCsi(character);
      case 'string':
        if (character === '\u0007' || character === '\u009c') this.state = 'text';
        else if (character === '\u001b') this.state = 'stringEscape';
        return '';
      case 'stringEscape':
        this.state = 'text';
        return character === '\\' ? '' : this.begin(character);
    }
  }

  private takeText(character: string): string {
    if (character === '\u001b') {
      this.state = 'escape';
      this.sequence = '';
      return '';
    }
    const returned = this.returned;
    this.returned = this.keeps === 'text' && character === '\r';
    if (this.returned) return returned ? '\n' : '';
    return `${returned && character !== '\n' ? '\n' : ''}${this.isShown(character) ? character : ''}`;
  }

  private isShown(character: string): boolean {
    if (character === '\n' || character === '\t') return true;
    if (character === '\r' || character === '\b') return this.keeps === 'screen';
    return character >= ' ' && !C1.test(character) && !BIDIRECTIONAL.test(character);
  }

  private begin(character: string): string {
    this.state = 'escape';
    this.sequence = '';
    return this.takeEscape(character);
  }

  private takeEscape(character: string): string {
    if (this.sequence === '' && character === '[') {
      this.state = 'csi';
      return '';
    }
    if (this.sequence === '' && /^[P\]X^_]$/.test(character)) {
      this.state = 'string';
      return '';
    }
    this.sequence += character;
    if (/^[ -/]$/.test(character) && this.sequence.length < MOST_SEQUENCE) return '';
    this.state = 'text';
    if (this.keeps === 'text') return '';
    if (this.sequence === FULL_RESET) return '\u001b[0m\u001b[2J\u001b[H';
    return SHORT.test(this.sequence) ? `\u001b${this.sequence}` : '';
  }

  private takeCsi(character: string): string {
    this.sequence += character;
    if (/^[ -?]$/.test(character) && this.sequence.length < MOST_SEQUENCE) return '';
    this.state = 'text';
    if (this.keeps === 'text') return '';
    const { sequence } = this;
    return COLOURS.test(sequence) || MOVEMENTS.test(sequence) || MODES.test(sequence) ? `\u001b[${sequence}` : '';
  }
}
