import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SafeTerminal } from '../../../core/evidence/safe-terminal.ts';

const ESC = '\u001b';

function shown(text: string | Buffer, keeps: 'screen' | 'text' = 'screen'): string {
  return new SafeTerminal(keeps).push(Buffer.from(text));
}

describe('what a recorded program wrote', () => {
  test.each([
    ['a clipboard that is set', `${ESC}]52;c;Y3VybCBldmls${ESC}\\`],
    ['a title', `${ESC}]0;title\u0007`],
    ['a link', `${ESC}]8;;http://evil.example\u0007`],
    ['a device query', `${ESC}[c`],
    ['a cursor query, whose answer is typed for the operator', `${ESC}[6n`],
    ['a title query', `${ESC}[21t`],
    ['a terminal definition', `${ESC}P+q544e${ESC}\\`],
    ['a setting of a key', `${ESC}P1;1|17/2f62696e2f7368${ESC}\\`],
    ['mouse reports', `${ESC}[?1000h`],
    ['bracketed paste', `${ESC}[?2004h`],
    ['keys of the keypad', `${ESC}=`],
    ['an application command', `${ESC}_Gf=32;AAAA${ESC}\\`],
    ['8-bit control sequences', '\u009b'],
    ['a bell and an answerback', '\u0007\u0005'],
    ['text that is turned around', '\u202e\u2066'],
    ['a number that would keep a terminal busy', `${ESC}[99999b`],
    ['a sequence with a hidden one in it', `${ESC}[1${ESC}`],
  ])('reaches no terminal: %s', (_, text) => {
    expect(shown(`a${text}b`)).toBe('ab');
    expect(shown(`a${text}b`, 'text')).toBe('ab');
  });

  test.each([
    `${ESC}[01;31mred${ESC}[0m`,
    `${ESC}[38:2::1:2:3m`,
    `${ESC}[2J${ESC}[H`,
    `${ESC}[12;40Hx`,
    `${ESC}7${ESC}8`,
    `${ESC}[?1049h`,
    `${ESC}[?25l`,
    `${ESC}(0lqk${ESC}(B`,
    'a\r\n\tb\b',
  ])('keeps %j on a screen', (text) => {
    expect(shown(text)).toBe(text);
  });

  test('in a transcript has no sequences, and lines that were overwritten are lines', () => {
    expect(shown(`${ESC}[31m10%\r20%\r\ndone${ESC}[0m\r\n`, 'text')).toBe('10%\n20%\ndone\n');
  });

  test('is the same however its bytes come in pieces', () => {
    const part = fc.constantFrom(
      'ü',
      '€',
      'text',
      `${ESC}[31m`,
      `${ESC}]52;c;AA`,
      '\u0007',
      `${ESC}\\`,
      ESC,
      '[',
      '\r',
      '\n',
      '\u0018',
      `${ESC}c`,
    );
    fc.assert(
      fc.property(fc.array(part), fc.constantFrom('screen' as const, 'text' as const), (parts, keeps) => {
        const bytes = Buffer.from(parts.join(''));
        const terminal = new SafeTerminal(keeps);
        expect(Array.from(bytes, (byte) => terminal.push(Buffer.of(byte))).join('')).toBe(shown(bytes, keeps));
      }),
    );
  });

  test('leaves nothing to a terminal but what is allowed, whatever it is', () => {
    const allowed = /^(?:[\n\t\r\b\u0020-\u007e\u00a0-\u241a\u241c-\u{10ffff}]|␛\[[\d;:?]*[A-Za-z@`]|␛[78DEMH]|␛\([AB0])*$/u;
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(ESC, '[', ']', '?', '6', 'n', 'c', ';', 'm', 'h', '\u009b', '\u0007', '\\', 'P', '(', '0', ' ', 'x')),
        (parts) => {
          const out = shown(parts.join('')).replaceAll(ESC, '␛');
          expect(out).toMatch(allowed);
          expect(out).not.toMatch(/␛\[[\d;:?]*[cntqp]/u);
        },
      ),
      { numRuns: 500 },
    );
  });

  test('without an end of its string shows nothing that follows, and goes on behind CAN', () => {
    expect(shown(`a${ESC}]0;x${'y'.repeat(100_000)}\u0018b`)).toBe('ab');
  });
});
