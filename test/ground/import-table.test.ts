import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { breaches } from './import-table.ts';
import { readTree } from './tree.ts';

const SWITCH = "export function all(x: 'a' | 'b'): number {\n  switch (x) {\n    case 'a':\n      return 1;\n";
const ROOT = join(import.meta.dirname, '../..');

/** What the table says of one file, beside the files that it may import. */
function say(file: string, text: string, others: Readonly<Record<string, string>> = {}): string[] {
  const files = new Map(Object.entries({ ...others, [file]: text }));
  return breaches({ files, dependencies: ['pg', 'yaml', '@aws-sdk/client-s3', 'hono'], devDependencies: ['vitest'] }).map(
    (each) => each.says,
  );
}

test('the working tree keeps the import table', () => {
  const tree = readTree(ROOT);
  expect(tree.files.size).toBeGreaterThan(30);
  expect(breaches(tree)).toEqual([]);
});

describe('an import that the table does not have is reported', () => {
  test.each([
    ['core/a.ts', "import { readFileSync } from 'node:fs';"],
    ['core/a.ts', "import fs from 'fs';"],
    ['core/a.ts', "import { request } from 'https';"],
    ['core/a.ts', "export * from 'node:net';"],
    ['core/a.ts', "export { Socket } from 'node:net';"],
    ['core/a.ts', "import type { Socket } from 'node:net';"],
    ['core/a.ts', "export type A = import('node:net').Socket;"],
    ['core/a.ts', "export const a = () => import('node:net');"],
    ['core/a.ts', 'export const a = () => import(`node:net`);'],
    ['core/a.ts', "import net = require('node:net'); net.connect(1);"],
    ['core/a.ts', "import '../proxy-task/main.ts';"],
    ['core/a.ts', "import { Client } from 'pg';"],
    ['core/deep/er/a.ts', "import { x } from '../../../standalone/x.ts';"],
    ['core/a.ts', "import { randomBytes } from 'node:crypto';"],
    ['core/a.ts', "import { createHash, randomUUID as id } from 'node:crypto';"],
    ['core/a.ts', "import * as crypto from 'node:crypto';"],
    ['proxy-task/pipeline/a.ts', "import { s3 } from '../adapters/s3-recorder.ts';"],
    ['proxy-task/pipeline/a.ts', "import { S3Client } from '@aws-sdk/client-s3';"],
    ['proxy-task/adapters/a.ts', "import { b } from './b.ts';"],
    ['proxy-task/postgres/relay.ts', "import { b } from '../adapters/b.ts';"],
    ['proxy-task/postgres/relay.ts', "import { S3Client } from '@aws-sdk/client-s3';"],
    ['proxy-task/postgres/messages/bind.ts', "import { connect } from 'node:net';"],
    ['proxy-task/postgres/session-machine.ts', "import { setTimeout } from 'node:timers/promises';"],
    ['lambdas/seal-heads/seal-heads.ts', "import { b } from '../adapters/b.ts';"],
    ['lambdas/seal-heads/handler.ts', "import { b } from '../../proxy-task/pipeline/b.ts';"],
    ['console/a.ts', "import { b } from '../standalone/b.ts';"],
    ['infra/app.ts', "import { b } from '../core/b.ts';"],
    ['standalone/a.ts', "import { b } from '../test/support/b.ts';"],
    ['cli/a.ts', "import { S3Client } from '@aws-sdk/client-s3';"],
    ['elsewhere/a.ts', 'export {};'],
  ])('%s: %s', (file, text) => {
    expect(say(file, text)).toHaveLength(1);
  });

  test('a package that package.json does not declare, or declares for development only', () => {
    expect(say('standalone/a.ts', "import x from 'left-pad';")).toEqual(['left-pad is not among the dependencies of package.json']);
    expect(say('standalone/a.ts', "import { test } from 'vitest';")).toEqual(['vitest is not among the dependencies of package.json']);
    expect(say('test/a.test.ts', "import { test } from 'vitest';")).toEqual([]);
  });

  test('a wire file that reaches a socket through another file', () => {
    const others = {
      'proxy-task/postgres/relay.ts': "import './deep.ts';",
      'proxy-task/postgres/deep.ts': "import { connect } from 'node:net'; connect(1);",
    };
    expect(say('proxy-task/postgres/frames.ts', "import { relay } from './relay.ts';", others)).toEqual([
      'wire messages and machines may not import ./relay.ts, which reaches node:net in proxy-task/postgres/deep.ts',
    ]);
  });

  test('an adapter that imports another one, but not a part of itself', () => {
    const others = {
      'proxy-task/adapters/b.ts': "import type { Recorder } from '../ports.ts';",
      'proxy-task/adapters/keys.ts': 'export const key = 1;',
    };
    expect(say('proxy-task/adapters/a.ts', "import { b } from './b.ts';", others)).toHaveLength(1);
    expect(say('proxy-task/adapters/a.ts', "import { key } from './keys.ts';", others)).toEqual([]);
  });

  test('an adapter that speaks to AWS, imported on one machine', () => {
    const others = {
      'proxy-task/adapters/s3.ts': "import { S3Client } from '@aws-sdk/client-s3';",
      'proxy-task/adapters/file.ts': 'export {};',
    };
    expect(say('standalone/a.ts', "import { s3 } from '../proxy-task/adapters/s3.ts';", others)).toHaveLength(1);
    expect(say('standalone/a.ts', "import { file } from '../proxy-task/adapters/file.ts';", others)).toEqual([]);
  });

  test('an import whose name is computed', () => {
    expect(say('standalone/a.ts', 'export const a = (name: string) => import(name);')).toHaveLength(1);
    expect(
      say('standalone/a.ts', 'declare const require: (name: string) => unknown; export const a = (name: string) => require(name);'),
    ).toHaveLength(1);
  });
});

describe('core is pure', () => {
  test.each([
    'export const a = process.env;',
    'export const a = Date.now();',
    "export const a = Date['now']();",
    'export const a = new Date();',
    'export const { now } = Date;',
    'const Clock = Date; export const a = new Clock();',
    'export const a = Math.random();',
    "export const a = Math['random']();",
    'export const { random } = Math;',
    'setTimeout(() => {}, 1);',
    'queueMicrotask(() => {});',
    'export const a = { f: setImmediate };',
    'export const a = { setInterval };',
    'export const a = performance.now();',
    'export const a = new Intl.DateTimeFormat().format();',
    'export const a = Reflect.construct(Date, []);',
    'export const a = new (Date)();',
    'export const a = globalThis;',
    'export const a = crypto.randomUUID();',
    "console.log('x');",
    "export const a = fetch('x');",
    'export const a = import.meta.url;',
    "export const a = eval('1');",
    "export const a = new Function('1');",
    "export const a = typeof process === 'undefined';",
  ])('%s is reported', (text) => {
    expect(say('core/a.ts', text)).toHaveLength(1);
    expect(say('standalone/a.ts', text)).toEqual([]);
  });

  test.each([
    "import { createHash } from 'node:crypto'; export const a = createHash('sha256');",
    "import { parse } from 'yaml'; import { b } from './b.ts'; export const a = parse(b);",
    '// process.env, Date.now() and setTimeout\nexport const a = "process.env";',
    'export const a = (clock: { now(): number }) => clock.now();',
    'export const a = new Date(0).toISOString();',
    'export const a = Date.UTC(2026, 1);',
    'export const a = (x: unknown) => x instanceof Date;',
    'export const a = (x: Date) => x.getTime();',
    'export const a = Math.max(1, 2);',
    'export type A = { process: string; fetch(): void };',
    'export const a = { process: 1, console: 2 }.process;',
    'export class A extends Error { constructor() { super(); this.name = new.target.name; } }',
  ])('%s is not', (text) => {
    expect(say('core/a.ts', text, { 'core/b.ts': 'export const b = "";' })).toEqual([]);
  });
});

describe('wire messages and machines', () => {
  test.each([
    'export async function a() {}',
    'export const a = Promise.resolve();',
    'export const a = async () => {};',
    'export type A = Promise<void>;',
  ])('a promise is reported: %s', (text) => {
    expect(say('proxy-task/postgres/messages/a.ts', text).length).toBeGreaterThan(0);
    expect(say('proxy-task/postgres/relay.ts', text)).toEqual([]);
  });
});

describe('an assertion needs its reason', () => {
  test.each([
    'export const a = JSON.parse("1") as number;',
    'const x: unknown = 1;\n\nexport const a =\n  x as number;',
    '// Said of something else.\n\nexport const a = JSON.parse("1") as number;',
  ])('%s is reported', (text) => {
    expect(say('cli/a.ts', text)).toEqual(['`as` needs a comment with its reason']);
  });

  test.each([
    'export const a = [1] as const;',
    'export const a = JSON.parse("1") as number; // It is a number because it was written so.',
    '// It is a number because it was written so.\nexport const a = JSON.parse("1") as number;',
    '// Both are numbers because they were written so.\nexport const a = JSON.parse("1") as number;\nexport const b = JSON.parse("1") as number;',
    "import { b as c } from './b.ts'; export { c as d };",
  ])('%s is not', (text) => {
    expect(say('cli/a.ts', text)).toEqual([]);
  });
});

describe('npm run lint', () => {
  let copy = '';
  beforeAll(() => {
    copy = mkdtempSync(join(tmpdir(), 'sallyport-lint-'));
    for (const path of ['.oxlintrc.json', 'tsconfig.json', 'package.json']) cpSync(join(ROOT, path), join(copy, path));
    mkdirSync(join(copy, 'core'));
    symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  });
  afterAll(() => rmSync(copy, { recursive: true, force: true }));

  const run = (program: string, args: readonly string[]): { status: number; output: string } => {
    try {
      return { status: 0, output: execFileSync(program, args, { cwd: copy, encoding: 'utf8' }) };
    } catch (error) {
      if (!(error instanceof Error && 'status' in error && 'stdout' in error)) throw error;
      return { status: Number(error.status), output: String(error.stdout) };
    }
  };
  const plant = (files: Readonly<Record<string, string>>): void => {
    rmSync(join(copy, 'core'), { recursive: true });
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(copy, path)), { recursive: true });
      writeFileSync(join(copy, path), text);
    }
  };

  test('the import check names file, line and breach, and fails', () => {
    plant({ 'core/planted.ts': 'export const fine = 1;\nexport const now = Date.now();\n' });
    const checked = run(process.execPath, ['--import', import.meta.resolve('tsx'), join(ROOT, 'test/ground/check-imports.ts'), copy]);
    expect(checked.output).toContain('core/planted.ts:2: core may not use Date.now\n');
    expect(checked.status).toBe(1);
  });

  test('the linter passes a clean file and reports each breach of a rule', () => {
    // One run for all: starting the type checker is what takes the time.
    const planted: readonly (readonly [rule: string, text: string])[] = [
      ['typescript(no-floating-promises)', 'declare function go(): Promise<void>;\ngo();\n'],
      ['typescript(no-misused-promises)', 'export const all = [1].filter(() => Promise.resolve(true));\n'],
      ['typescript(no-explicit-any)', 'export function all(x: any): number {\n  return Number(x);\n}\n'],
      ['typescript(no-non-null-assertion)', 'export function all(x?: string): string {\n  return x!;\n}\n'],
      ['typescript(no-unsafe-assignment)', 'export const { length } = JSON.parse("[]");\n'],
      ['typescript(switch-exhaustiveness-check)', `${SWITCH}  }\n  return 2;\n}\n`],
      ['typescript(switch-exhaustiveness-check)', `${SWITCH}    default:\n      return 2;\n  }\n}\n`],
      ['typescript(consistent-type-imports)', "import { Other } from './other.ts';\nexport type All = Other;\n"],
      ['import(no-cycle)', "import { other } from './other.ts';\nexport const all = other;\n"],
      ['eslint(eqeqeq)', 'export function all(x: string): boolean {\n  return x == "";\n}\n'],
      ['eslint(no-console)', 'console.log("x");\n'],
      ['', 'export const fine = 1;\n'],
    ];
    const other = (rule: string): string =>
      rule === 'import(no-cycle)' ? "import { all } from './planted.ts';\nexport const other = all;\n" : 'export type Other = 1;\n';
    plant(
      Object.fromEntries(
        planted.flatMap(([rule, text], index) => [
          [`core/${index}/planted.ts`, text],
          [`core/${index}/other.ts`, other(rule)],
        ]),
      ),
    );
    const linted = run(join(ROOT, 'node_modules/.bin/oxlint'), ['--deny-warnings', '--format', 'unix', 'core']);
    const reported = planted.map((_, index) => linted.output.split('\n').filter((line) => line.startsWith(`core/${index}/planted.ts:`)));
    expect(reported.map((lines, index) => lines.some((line) => line.includes(planted[index]?.[0] ?? '')))).toEqual(
      planted.map(([rule]) => rule !== ''),
    );
    expect(linted.status).toBe(1);
  });

  test('the linter ends well where there is nothing to report', () => {
    plant({ 'core/planted.ts': 'export const fine = 1;\n' });
    expect(run(join(ROOT, 'node_modules/.bin/oxlint'), ['--deny-warnings', 'core'])).toMatchObject({ status: 0 });
  });
});
