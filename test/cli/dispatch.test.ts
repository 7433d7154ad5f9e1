import { describe, expect, test } from 'vitest';
import { dispatch, VERBS, type VerbTable } from '../../cli/dispatch.ts';
import { readArguments, UsageError, type Verb } from '../../cli/verb.ts';
import { SallyportError } from '../../core/errors.ts';
import { keptIo } from '../support/verb-io.ts';

class Refused extends SallyportError {
  readonly code = 'refused';
}

function table(run: Verb['run']): VerbTable {
  return {
    demo: { summary: 'first', load: () => Promise.reject(new Error('not asked for')) },
    serve: { summary: 'second', load: () => Promise.resolve({ usage: 'Usage: sallyport serve [--config DIR]', run }) },
  };
}

const echo = table((args, io) => {
  io.stdout.write(args.join('|'));
  return Promise.resolve(0);
});

describe('dispatch', () => {
  test('hands the rest of the line to the verb, loads no other, and returns its status', async () => {
    const io = keptIo();
    expect(await dispatch(['serve', 'a', '--b'], io, echo)).toBe(0);
    expect(io.written).toEqual({ stdout: 'a|--b', stderr: '' });
    expect(
      await dispatch(
        ['serve'],
        keptIo(),
        table(() => Promise.resolve(1)),
      ),
    ).toBe(1);
  });

  test.each([
    ['srve', 'serve'],
    ['serev', 'serve'],
    ['SERVE', 'serve'],
    ['de', 'demo'],
    ['hlep', 'help'],
  ])('an unknown verb %s is wrong usage and suggests %s', async (typed, meant) => {
    const io = keptIo();
    expect(await dispatch([typed], io, echo)).toBe(2);
    expect(io.written.stderr).toContain(`did you mean "${meant}"?`);
    expect(io.written.stdout).toBe('');
  });

  test.each(['kubernetes', 'x', 'constructor', '__proto__', 'toString'])('the word %s suggests nothing', async (typed) => {
    const io = keptIo();
    expect(await dispatch([typed], io, echo)).toBe(2);
    expect(io.written.stderr).toContain(`unknown verb "${typed}"`);
    expect(io.written.stderr).not.toContain('did you mean');
  });

  test.each([[['serve', '--help']], [['serve', 'x', '-h']], [['help', 'serve']]])('%j prints the verb’s own usage', async (words) => {
    const io = keptIo();
    expect(await dispatch(words, io, echo)).toBe(0);
    expect(io.written.stdout).toBe('Usage: sallyport serve [--config DIR]\n');
  });

  test('a --help after -- belongs to the verb', async () => {
    const io = keptIo();
    expect(await dispatch(['serve', '--', '--help'], io, echo)).toBe(0);
    expect(io.written.stdout).toBe('--|--help');
  });

  test('help names every verb with its summary, on stdout; no verb at all is wrong usage, on stderr', async () => {
    const asked = keptIo();
    expect(await dispatch(['help'], asked)).toBe(0);
    for (const [name, verb] of Object.entries(VERBS))
      expect(asked.written.stdout).toMatch(new RegExp(`^  ${name} +${verb.summary}$`, 'mu'));
    const bare = keptIo();
    expect(await dispatch([], bare)).toBe(2);
    expect(bare.written).toEqual({ stdout: '', stderr: asked.written.stdout });
  });

  test('prints its version as package.json has it', async () => {
    const { default: manifest } = await import('../../package.json', { with: { type: 'json' } });
    const io = keptIo();
    expect(await dispatch(['version'], io)).toBe(0);
    expect(io.written.stdout).toBe(`sallyport ${manifest.version}\n`);
  });

  test.each([
    ['wrong usage', new UsageError('no such flag'), 2, 'sallyport serve: no such flag\nSee sallyport serve --help.\n'],
    ['a refusal', new Refused('the target\nis closed'), 1, 'sallyport serve: the target is closed\n'],
    ['a bug', new TypeError('x is undefined'), 70, 'sallyport serve: unexpected error: x is undefined (SALLYPORT_DEBUG=1 shows where)\n'],
  ])('%s ends in its own status and without a stack', async (_, error, status, stderr) => {
    const io = keptIo();
    expect(
      await dispatch(
        ['serve'],
        io,
        table(() => Promise.reject(error)),
      ),
    ).toBe(status);
    expect(io.written).toEqual({ stdout: '', stderr });
  });

  test('the stack is shown only when debugging is asked for', async () => {
    const io = keptIo({ env: { SALLYPORT_DEBUG: '1' } });
    expect(
      await dispatch(
        ['serve'],
        io,
        table(() => Promise.reject(new Error('broken'))),
      ),
    ).toBe(70);
    expect(io.written.stderr).toContain('dispatch.test.ts');
  });
});

test.each(Object.keys(VERBS))('sallyport %s has a file of its own, whose help begins with its use', async (name) => {
  const io = keptIo();
  expect(await dispatch([name, '--help'], io)).toBe(0);
  expect(io.written.stdout).toMatch(new RegExp(`^Usage: sallyport ${name}\\b`, 'u'));
});

describe('readArguments', () => {
  test('an unknown flag, a missing value and a stray word are wrong usage', () => {
    const options = { json: { type: 'boolean' }, data: { type: 'string' } } as const;
    expect(readArguments({ args: ['--json', '--data', 'd'], options }).values).toEqual({ json: true, data: 'd' });
    for (const args of [['--jsn'], ['--data'], ['word'], ['--json=yes']])
      expect(() => readArguments({ args, options })).toThrow(UsageError);
  });
});
