// What a pattern is read as is what bash and dash make of it, in a folder with names of every kind.
import { spawnSync } from 'node:child_process';
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { patternOf, type PathPattern } from '../../../core/statement/host/command/pattern.ts';
import { loadCommandParser } from '../../../core/statement/host/command/parse-command.ts';
import { valueOf } from '../../../core/statement/host/command/value.ts';
import { matchPatterns } from '../../../proxy-task/ssh/path-patterns.ts';

const parser = await loadCommandParser();
const folder = realpathSync(mkdtempSync(join(tmpdir(), 'sallyport-patterns-')));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const FILES = [
  'a',
  'b',
  'ab',
  'B',
  'a.log',
  'b.log',
  '.hid',
  '.log',
  'a b',
  'a*b',
  '[x]',
  '7',
  '-x',
  '~',
  'é',
  'aé',
  'x\ny',
  'sub/a.log',
  'sub/.z',
  'other/a',
  'other/a.log',
];
for (const name of ['sub', 'other', 'empty', '.git']) mkdirSync(join(folder, name));
for (const name of FILES) writeFileSync(join(folder, name), '');
symlinkSync('sub', join(folder, 'link'));
symlinkSync('nowhere', join(folder, 'gone'));

type Entries = Awaited<ReturnType<Parameters<typeof matchPatterns>[1]['list']>>;

const host: Parameters<typeof matchPatterns>[1] = {
  list: async (path, most): Promise<Entries> => {
    try {
      const entries = readdirSync(path, { withFileTypes: true }).map((entry) => ({
        name: entry.name,
        kind: entry.isDirectory() ? ('folder' as const) : entry.isFile() ? ('file' as const) : ('link' as const),
      }));
      return entries.length > most ? undefined : entries;
    } catch {
      return 'closed';
    }
  },
  kindOf: async (path) => {
    const found = statSync(path, { throwIfNoEntry: false });
    return found === undefined ? 'nothing' : found.isDirectory() ? 'folder' : 'file';
  },
  isThere: async (path) => lstatSync(path, { throwIfNoEntry: false }) !== undefined,
};

/** The pattern that a command line has as its second word. */
function read(word: string): PathPattern | undefined {
  const parsed = parser.parse(`argv ${word}`);
  const command = parsed.kind === 'parsed' ? parsed.list[0]?.pipeline.commands[0] : undefined;
  if (command?.kind !== 'simple' || command.words.length !== 2) return undefined;
  const value = command.words[1] && valueOf(command.words[1], folder);
  return value?.kind === 'glob' ? patternOf(value.parts, value.quoted, folder) : undefined;
}

async function ours(word: string): Promise<readonly string[] | undefined> {
  const pattern = read(word);
  const matches = pattern && (await matchPatterns([pattern], host)).get(pattern.text);
  if (pattern === undefined || matches === undefined) return undefined;
  return matches.names.length === 0 ? [pattern.literal] : matches.names;
}

/** The same names as a shell gives them, from the root on. */
function shell(program: string, locale: string, word: string): readonly string[] {
  const script = `argv() { printf '%s\\0' "$@"; }\nargv ${word}`;
  const { stdout } = spawnSync(program, ['-c', script], { cwd: folder, env: { HOME: folder, LC_ALL: locale }, encoding: 'utf8' });
  const absolute = stdout
    .split('\0')
    .slice(0, -1)
    .map((name) => (name.startsWith('/') ? name : `${folder}/${name}`));
  return absolute.map((path) => path.replaceAll(/\/(?:\.?\/)+/gu, '/')).sort();
}

const PIECES = [
  'a',
  'b',
  'B',
  'x',
  '.',
  '.log',
  '*',
  '*',
  '?',
  '[ab]',
  '[a-z]',
  '[!a]',
  '[0-9]',
  '[A-Z]',
  '[b-]',
  '[^a]',
  '/',
  'sub/',
  '*/',
  'link/',
  './',
  '../',
  '.g',
  "'a*'",
  '\\*',
  '"["',
  '-',
  '~',
  'é',
  'gone',
  ']',
  '[',
  '!',
];

test('names are those that bash and dash find, in each locale', async () => {
  let compared = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(fc.constantFrom(...PIECES), { minLength: 1, maxLength: 5 }), async (pieces) => {
      const word = pieces.join('');
      const names = await ours(word);
      if (names === undefined) return;
      compared += 1;
      const plain = names.map((name) => name.replaceAll(/\/(?:\.?\/)+/gu, '/')).sort();
      for (const program of ['/bin/bash', '/bin/dash'])
        for (const locale of ['C', 'C.UTF-8'])
          expect([program, locale, word, shell(program, locale, word)]).toEqual([program, locale, word, plain]);
    }),
    { numRuns: 250 },
  );
  expect(compared).toBeGreaterThan(40);
}, 120_000);

describe('a pattern', () => {
  const at = (...names: readonly string[]): readonly string[] => names.map((name) => `${folder}/${name}`);
  test.each([
    ['*.log', at('a.log', 'b.log')],
    ['./*.log', at('a.log', 'b.log')],
    ['~/*.log', at('a.log', 'b.log')],
    ['a?b', at('a b', 'a*b')],
    [String.raw`a\*?`, at('a*b')],
    ["'a*'*", at('a*b')],
    ['[ab]', at('a', 'b')],
    ['[0-9]', at('7')],
    ['.[gh]*', at('.git', '.hid')],
    ['*/a.log', at('link/a.log', 'other/a.log', 'sub/a.log')],
    ['*/*.log', at('link/a.log', 'other/a.log', 'sub/a.log')],
    ['s*/', at('sub/')],
    ['gon*', at('gone')],
    ['gon*/', at('gon*/')],
    ['*.none', at('*.none')],
    ['none/*', at('none/*')],
  ])('%s is read', async (word, names) => {
    expect(await ours(word)).toEqual(names);
  });

  test.each(['**', '.*', '*/.?', '[^a]*', '[[:alpha:]]', '[a-Z]', '["a"b]*', '[a', '[a/b]*', '?', '[a-z]', '{a,b}*', '~root/*', '$x*'])(
    '%s, which shells or locales may read differently here, is not',
    async (word) => {
      expect(await ours(word)).toBeUndefined();
    },
  );

  test('with too many names, or in too large a folder, is not told', async () => {
    const many = (count: number): Parameters<typeof matchPatterns>[1] => ({
      ...host,
      list: async (_, most) => {
        const entries = Array.from({ length: count }, (__, index) => ({ name: `f${index}`, kind: 'file' as const }));
        return entries.length > most ? undefined : entries;
      },
    });
    const pattern = read('f*');
    if (pattern === undefined) throw new Error('it is not read');
    expect((await matchPatterns([pattern], many(256))).get(pattern.text)?.names).toHaveLength(256);
    expect((await matchPatterns([pattern], many(257))).size).toBe(0);
    expect((await matchPatterns([pattern], many(10_001))).size).toBe(0);
  });

  test('of a folder that the host does not list, or with a name that is no text, is not told', async () => {
    const pattern = read('*');
    if (pattern === undefined) throw new Error('it is not read');
    expect((await matchPatterns([pattern], { ...host, list: async () => undefined })).size).toBe(0);
    const odd = [{ name: 'a\uFFFD', kind: 'file' as const }];
    expect((await matchPatterns([pattern], { ...host, list: async () => odd })).size).toBe(0);
  });
});
