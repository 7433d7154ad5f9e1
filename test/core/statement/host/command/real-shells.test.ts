// What is read of a command is what bash and dash make of it.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { loadCommandParser } from '../../../../../core/statement/host/command/parse-command.ts';
import type { CommandList } from '../../../../../core/statement/host/command/syntax.ts';
import { valueOf } from '../../../../../core/statement/host/command/value.ts';

const HOME = '/home/deploy';
const parser = await loadCommandParser();
// Nothing is in it, so that no pattern matches.
const folder = mkdtempSync(join(tmpdir(), 'sallyport-shells-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Letters of which no command is called, and every character that a shell reads as more than itself. */
const PIECES = [
  'q',
  'zq',
  'Q9',
  ' ',
  '  ',
  '\t',
  "'",
  '"',
  '\\',
  '\\\\',
  '\\"',
  "\\'",
  '\\ ',
  '$',
  '\\$',
  '$HOME',
  '${HOME}',
  '~',
  '~/',
  '\\~',
  '`',
  '\\`',
  '*',
  '?',
  '[',
  ']',
  '{',
  '}',
  '{}',
  '{q,z}',
  '!',
  '#',
  ' #',
  '=',
  ':',
  ',',
  '-',
  '--',
  '+',
  '@',
  '%',
  '^',
  '/',
  '\n',
  '\\\n',
  '; argv ',
  '\nargv ',
  ' && argv ',
  "''",
  '""',
  "'q z'",
  '"q z"',
  "$'q'",
  '$"q"',
  '\\n',
  '\\q',
  'é',
  "'é'",
  '"é',
  '(',
  ')',
  '; ',
  ' \\\n ',
];

function shell(program: string, text: string): { readonly status: number | null; readonly words: readonly (readonly string[])[] } {
  const script = `argv() { [ $# -eq 0 ] || printf '%s\\0' "$@"; printf '\\1\\0'; }\n${text}`;
  const { status, stdout } = spawnSync(program, ['-c', script], {
    cwd: folder,
    env: { HOME, PATH: '/nowhere', LC_ALL: 'C.UTF-8' },
    encoding: 'utf8',
  });
  const words: string[][] = [[]];
  for (const word of stdout.split('\0').slice(0, -1)) {
    if (word === '\u0001') words.push([]);
    else words.at(-1)?.push(word);
  }
  return { status, words: words.slice(0, -1) };
}

/** What each command in the text is called with; undefined where that is not a constant, or is for another command than `argv`. */
function ours(list: CommandList): readonly (readonly string[])[] | undefined {
  const found: (readonly string[])[] = [];
  for (const { pipeline } of list) {
    const [command, ...more] = pipeline.commands;
    if (command?.kind !== 'simple' || more.length > 0 || pipeline.negated || command.redirects.length + command.assignments.length > 0)
      return undefined;
    const values = command.words.map((word) => valueOf(word, HOME));
    // At the root of this host there is something that matches.
    const texts = values.map((value) =>
      value.kind === 'unknown' || (value.kind === 'glob' && value.folder === '/') ? undefined : value.text,
    );
    const [name, ...rest] = texts;
    if (name !== 'argv' || rest.some((text) => text === undefined)) return undefined;
    found.push(rest.map((text) => text ?? ''));
  }
  return found;
}

test('words built of quotes and escapes are what bash and dash hand to a program', () => {
  let compared = 0;
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...PIECES), { maxLength: 12 }), (pieces) => {
      const text = `argv ${pieces.join('')}`;
      const parsed = parser.parse(text);
      if (parsed.kind === 'opaque') return;
      const words = ours(parsed.list);
      if (words === undefined) return;
      compared += 1;
      for (const program of ['/bin/bash', '/bin/dash']) expect([program, text, shell(program, text).words]).toEqual([program, text, words]);
    }),
    { numRuns: 300 },
  );
  expect(compared).toBeGreaterThan(20);
}, 120_000);

const OPERATORS = [
  'ls',
  ' ',
  ' ',
  'x',
  "'",
  '"',
  '\\',
  '|',
  '||',
  '&',
  '&&',
  ';',
  ';;',
  '(',
  ')',
  '{ ',
  ' }',
  '; }',
  '!',
  '! ',
  '\n',
  '<',
  '>',
  '>>',
  '<<E',
  '\nE\n',
  '>|',
  '<>',
  '2>',
  '>&1',
  '>&',
  '&>',
  '<&',
  '#',
  'if ',
  'then ',
  'fi',
  'for ',
  'do ',
  'done',
  'case ',
  'in ',
  'esac',
  'A=1 ',
  '$(',
  '`',
  '$',
  '$((',
  '[[ ',
  ' ]]',
  'function ',
  'x()',
  'time ',
  'coproc ',
  '<(',
  '\\\n',
  "'E'",
  '<<<',
  '|&',
  '$x',
  '"$x"',
  '{',
  '}',
  '1',
  '=',
  'while ',
];

test('what is read is never what bash or dash call an error', () => {
  let read = 0;
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...OPERATORS), { maxLength: 10 }), (pieces) => {
      const text = pieces.join('');
      if (parser.parse(text).kind === 'opaque') return;
      read += 1;
      // For dash `&>` ends a command, which may be missing: then dash runs nothing, which is less than was read.
      for (const program of text.includes('&>') ? ['/bin/bash'] : ['/bin/bash', '/bin/dash']) {
        expect([program, text, spawnSync(program, ['-n', '-c', text], { cwd: folder, env: {} }).status]).toEqual([program, text, 0]);
      }
    }),
    // One seed, so that two runs of one commit say the same; whoever changes the reading tries others.
    { numRuns: 2_500, seed: 20_261_120 },
  );
  expect(read).toBeGreaterThan(40);
}, 120_000);

test('reading never throws, whatever the text', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
      expect(['parsed', 'opaque']).toContain(parser.parse(text).kind);
    }),
    { numRuns: 1_000 },
  );
});
