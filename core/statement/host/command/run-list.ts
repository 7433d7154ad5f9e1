/** Follows a command line as the shell would run it, and gathers what each program in it can cause. */
import { readArguments, type Arguments } from './arguments.ts';
import { isHarmlessAssignment } from './environment.ts';
import { collapse } from './folders.ts';
import { CommandNotRead } from './not-read.ts';
import type { CommandParser } from './parse-command.ts';
import { shapeOfProgram } from './programs/all.ts';
import type { Place, Reading } from './reading.ts';
import type { Role, Shape } from './shape.ts';
import type { Command, CommandList, Pipeline, Redirect, Word } from './syntax.ts';
import { valueOf, type Value } from './value.ts';

/** Folders that may be the current one, of a line that changes it on some condition. */
const MAX_FOLDERS = 8;
/** Programs that run each other, and shells in shells. */
const MAX_DEPTH = 8;

/** Where the shell may be after it, by how it ended. */
type After = { readonly done: readonly string[]; readonly failed: readonly string[] };

export type Run = { readonly reading: Reading; readonly parser: CommandParser; readonly depth: number };

/** Reads a whole line that starts at a place. */
export function runList(list: CommandList, place: Place, run: Run): After {
  let after: After = { done: place.folders, failed: [] };
  let joined: '&&' | '||' | ';' | '&' = ';';
  for (const { pipeline, joint } of list) {
    const folders = joined === '&&' ? after.done : joined === '||' ? after.failed : union(after.done, after.failed);
    const own = runPipeline(pipeline, { ...place, folders }, run);
    // A background command is its own shell.
    const ended: After = joint === '&' ? { done: folders, failed: [] } : own;
    if (joined === '&&') after = { done: ended.done, failed: union(after.failed, ended.failed) };
    else if (joined === '||') after = { done: union(after.done, ended.done), failed: ended.failed };
    else after = ended;
    if (after.done.length > MAX_FOLDERS || after.failed.length > MAX_FOLDERS) {
      run.reading.opaque('it changes the current folder too often');
      after = { done: [], failed: [] };
    }
    joined = joint;
  }
  return after;
}

function runPipeline({ negated, commands }: Pipeline, place: Place, run: Run): After {
  const [only] = commands;
  if (commands.length === 1 && only !== undefined) {
    const after = runCommand(only, place, run);
    return negated ? { done: after.failed, failed: after.done } : after;
  }
  // Every part of a pipeline is its own shell.
  for (const [index, command] of commands.entries()) {
    const ends = index === commands.length - 1;
    runCommand(command, ends ? place : { ...place, piped: true, redirected: false }, run);
  }
  return { done: place.folders, failed: place.folders };
}

function runCommand(command: Command, outer: Place, run: Run): After {
  run.reading.begin();
  const place = command.redirects.some(isOfOutput) ? { ...outer, redirected: true } : outer;
  const stays: After = { done: place.folders, failed: place.folders };
  for (const redirect of command.redirects) runRedirect(redirect, outer, run);
  if (command.kind !== 'simple') {
    const after = runList(command.body, place, run);
    return command.kind === 'group' ? after : stays;
  }
  for (const { name, value } of command.assignments) {
    runWithin(value, place, run);
    const text = valueOf(value, place.home);
    if (text.kind !== 'constant' || !isHarmlessAssignment(name, text.text)) run.reading.opaque(`the variable ${name} may change what runs`);
  }
  for (const word of command.words) runWithin(word, place, run);
  const values = command.words.map((word) => {
    const value = valueOf(word, place.home);
    return value.kind === 'glob' ? run.reading.withNames(value, place) : value;
  });
  const moved = readCd(values, command.words, place, run);
  if (moved !== undefined) return { done: moved, failed: place.folders };
  if (values.length > 0) runProgram(values, place, run);
  return stays;
}

/** Whether standard output goes into a file that is surely no terminal. */
function isOfOutput({ operator, descriptor, target }: Redirect): boolean {
  const [part, ...more] = target.parts;
  const isFile = more.length > 0 || part?.kind !== 'text' || part.value === '/dev/null' || !part.value.startsWith('/dev/');
  return isFile && ['>', '>>', '>|', '&>', '&>>'].includes(operator) && (descriptor === undefined || descriptor === 1);
}

/** What `$( … )` in a word runs, in a shell of its own whose output is read. */
function runWithin({ runs }: Word, place: Place, run: Run): void {
  for (const list of runs) runList(list, { ...place, piped: true }, run);
  // What follows is another command than the last of those.
  if (runs.length > 0) run.reading.begin();
}

function runRedirect({ operator, target }: Redirect, place: Place, { reading, ...run }: Run): void {
  if (operator === '<<') return;
  runWithin(target, place, { reading, ...run });
  const value = valueOf(target, place.home);
  if (value.kind !== 'constant') return reading.opaque('where it is redirected is not known');
  if (operator === '>&' || operator === '<&') {
    if (!/^(?:\d|-)$/u.test(value.text)) reading.opaque('where it is redirected is not known');
    return;
  }
  // bash opens connections by these names, which are no files.
  if (/^\/dev\/(?:tcp|udp)\//u.test(value.text)) return reading.opaque('it opens a connection');
  if (operator === '<' || operator === '<>') reading.file('readFile', value, place);
  if (operator !== '<') reading.file('writeFile', value, place);
}

/** The folders after `cd`, which changes what every path after it means; undefined where it is another program. */
function readCd(values: readonly Value[], words: readonly Word[], place: Place, { reading }: Run): readonly string[] | undefined {
  const through = values.findIndex((value) => value.kind !== 'constant' || (value.text !== 'command' && value.text !== 'builtin'));
  const called = values[through];
  if (called?.kind !== 'constant' || called.text !== 'cd') return undefined;
  reading.runs('cd');
  const [first, ...more] = values
    .slice(through + 1)
    .filter((value, index) => index > 0 || value.kind !== 'constant' || value.text !== '--');
  const unknown = (why: string): readonly string[] => {
    reading.opaque(why);
    return [];
  };
  if (more.length > 0) return unknown('where it changes to is not known');
  if (first === undefined) return place.home === undefined ? unknown('where it changes to is not known') : [place.home];
  if (first.kind !== 'constant' || first.text === '' || first.text.startsWith('-')) return unknown('where it changes to is not known');
  const upwards = first.text.split('/').includes('..');
  // The shell goes up by name and the host by its links; the name of the home folder may be a link.
  if (upwards && words.some(({ parts }) => parts.some(({ kind }) => kind === 'home'))) return unknown('it goes up from the home folder');
  const found = reading.absolute(first.text, place).map((path) => (upwards ? collapse(path) : path));
  if (found.length === 0) return unknown('the current folder is not known');
  return found;
}

/** Reads one program with its arguments. */
function runProgram(values: readonly Value[], place: Place, run: Run): void {
  const { reading, parser, depth } = run;
  const [first, ...rest] = values;
  if (depth > MAX_DEPTH) return reading.opaque('it is nested too deeply');
  if (first?.kind !== 'constant') return reading.opaque('which program runs is not known');
  const called = first.text;
  if (called === '' || called.includes('\0')) return reading.opaque('which program runs is not known');
  const found = shapeOfProgram(called);
  if (found === undefined) {
    reading.runs(called);
    return reading.opaque(`what ${called} does is not understood`);
  }
  const { name, shape } = found;
  // What would only be printed then prints the names that match.
  if (shape.inert === true)
    for (const value of rest)
      if (value.kind === 'glob' && value.names === undefined) reading.file('listFiles', value, place, { link: true });
  let named = called;
  const call = {
    name,
    called,
    values: rest,
    place,
    reading,
    shape,
    named: (program: string) => {
      named = program;
    },
    arguments: () => readArguments(rest, shape),
    plain: (given: Arguments) => usePlainly(given, shape, place, reading),
    runs: (inner: readonly Value[], at: Place) => runProgram(inner, at, { ...run, depth: depth + 1 }),
    runsText: (text: string, at: Place) => runText(text, at, { reading, parser, depth: depth + 1 }),
  };
  try {
    if (shape.read !== undefined) shape.read(call);
    else call.plain(call.arguments());
  } catch (error) {
    if (!(error instanceof CommandNotRead)) throw error;
    reading.opaque(`${called}: ${error.message}`);
  }
  reading.runs(named);
}

function runText(text: string, place: Place, run: Run): void {
  if (run.depth > MAX_DEPTH) return run.reading.opaque('it is nested too deeply');
  const parsed = run.parser.parse(text);
  if (parsed.kind === 'opaque') run.reading.opaque(parsed.reason);
  else runList(parsed.list, place, run);
}

function usePlainly({ options, operands }: Arguments, shape: Shape, place: Place, reading: Reading): void {
  const has = (name: string): boolean => options.some(({ option }) => option.name === name);
  const below = shape.below === true || options.some(({ option }) => option.below);
  for (const { option, value } of options) if (value !== undefined && option.role !== 'text') use(option.role, value, place, reading, {});
  const roles = shape.textUnless.some(has) ? shape.operands.slice(1) : shape.operands;
  for (const [index, operand] of operands.entries()) {
    const role = roles[index] ?? shape.rest;
    if (role === undefined) throw new CommandNotRead('it is called with more than is understood');
    // A pattern of names may be several operands, and then the next is not what it seems.
    if (operand.kind === 'glob' && shape.rest !== role && shape.inert !== true)
      throw new CommandNotRead('a pattern of names stands where one text does: quote it');
    use(role, operand, place, reading, { below, link: shape.link === true });
  }
  const { alone } = shape;
  const reads = operands.length <= (roles.length > 0 && roles[0] === 'text' ? 1 : 0);
  if (alone !== undefined && reads && (alone.only === undefined || below))
    use(alone.role, { kind: 'constant', text: '.' }, place, reading, { below });
}

const ACTIONS = { read: 'readFile', list: 'listFiles', write: 'writeFile', remove: 'removeFile', attributes: 'setAttributes' } as const;

function use(role: Role, value: Value, place: Place, reading: Reading, how: { readonly below?: boolean; readonly link?: boolean }): void {
  // A dash is standard input for those that read; a value that is not known is only ever printed.
  if (role === 'text' || (value.kind === 'constant' && value.text === '-' && role === 'read')) return;
  reading.file(ACTIONS[role], value, place, how);
}

function union(one: readonly string[], other: readonly string[]): readonly string[] {
  return [...new Set([...one, ...other])];
}
