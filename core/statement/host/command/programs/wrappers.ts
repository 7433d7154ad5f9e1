/** Programs that run another one: what that one does is what counts. */
import { CommandNotRead } from '../not-read.ts';
import { readArguments, type Arguments } from '../arguments.ts';
import { isHarmlessAssignment } from '../environment.ts';
import type { Call } from '../call.ts';
import type { ShapeText } from '../shape.ts';
import { constant, type Value } from '../value.ts';

export const WRAPPERS: readonly ShapeText[] = [
  // Left out: -e edits, -i and -s start a shell, -A asks by a program, -E passes on what is not known, -D and -R move.
  {
    names: 'sudo',
    options: '-nHkSb -u,--user= -g,--group= -p,--prompt= --non-interactive --set-home --reset-timestamp --stdin',
    read: readSudo,
  },
  { names: 'doas', options: '-n -u=', read: readSudo },
  { names: 'env', options: '-i0 -u,--unset= --ignore-environment --null', read: readEnv },
  { names: 'nohup', read: readNohup },
  { names: 'setsid', options: '-fw --fork --wait', read: (call) => through(call, optionsFirst(call), 0) },
  { names: 'nice', options: '-n,--adjustment= -#', read: (call) => through(call, optionsFirst(call), 0) },
  { names: 'ionice', options: '-t -c,--class= -n,--classdata=', read: (call) => through(call, optionsFirst(call), 0) },
  { names: 'stdbuf', options: '-i,--input= -o,--output= -e,--error=', read: (call) => through(call, optionsFirst(call), 0) },
  {
    names: 'timeout',
    options: '-v -k,--kill-after= -s,--signal= --preserve-status --foreground --verbose',
    read: (call) => through(call, optionsFirst(call), 1),
  },
  { names: 'time', options: '-p', read: (call) => through(call, optionsFirst(call), 0) },
  { names: 'exec', read: (call) => through(call, optionsFirst(call), 0) },
  { names: 'builtin', read: (call) => through(call, optionsFirst(call), 0) },
  { names: 'command', options: '-pvV', read: readCommand },
  {
    names: 'xargs',
    options:
      '-0rtx -n,--max-args= -L= --max-lines? -P,--max-procs= -s,--max-chars= -d,--delimiter= -I= --null --no-run-if-empty --verbose --exit',
    read: readXargs,
  },
  { names: 'sh bash dash', read: readShell },
];

function optionsFirst({ values, shape }: Call): Arguments {
  return readArguments(values, { ...shape, inert: true }, true);
}

function through({ runs, place }: Call, { operands }: Arguments, skipped: number, at = place): void {
  if (operands.slice(0, skipped).some((operand) => operand.kind !== 'constant'))
    throw new CommandNotRead('what it is called with is not known');
  if (operands.length > skipped) runs(operands.slice(skipped), at);
  else if (skipped > 0) throw new CommandNotRead('the program that it runs is missing');
}

function readSudo(call: Call): void {
  const { place, reading } = call;
  const given = optionsFirst(call);
  const user = given.options.find(({ option }) => option.name === 'u')?.value;
  const via = `as ${user?.kind === 'constant' ? user.text : 'root'}`;
  reading.add({ action: 'elevate', resource: { type: 'Target', path: [] }, via });
  const [program] = given.operands;
  if (program === undefined) throw new CommandNotRead('the program that it runs is missing');
  if (program.kind === 'constant' && program.text.includes('=')) throw new CommandNotRead('it sets variables for the program');
  // Home folders are those of somebody else within it.
  through(call, given, 0, { ...place, elevated: true, home: undefined });
}

function readEnv(call: Call): void {
  const given = optionsFirst(call);
  const first = given.operands.findIndex((operand) => operand.kind !== 'constant' || !operand.text.includes('='));
  const assignments = first === -1 ? given.operands : given.operands.slice(0, first);
  for (const assignment of assignments) {
    const [, name = '', value = ''] = (assignment.kind === 'constant' ? /^([^=]*)=(.*)$/su.exec(assignment.text) : null) ?? [];
    if (!isHarmlessAssignment(name, value)) throw new CommandNotRead(`the variable ${name} may change what runs`);
  }
  // Without HOME, shells expand it to nothing, and some leave a tilde as it is.
  const without = given.options.some(({ option, value }) => option.name !== 'u' || value?.kind !== 'constant' || value.text === 'HOME');
  const place = without ? { ...call.place, home: undefined } : call.place;
  through(call, { ...given, operands: first === -1 ? [] : given.operands.slice(first) }, 0, place);
}

/** On a terminal it writes a file beside what it runs. */
function readNohup(call: Call): void {
  if (!call.place.piped && !call.place.redirected) call.reading.file('writeFile', constant('nohup.out'), call.place);
  through(call, optionsFirst(call), 0);
}

function readCommand(call: Call): void {
  const given = optionsFirst(call);
  const names = given.options.some(({ option }) => option.name === 'v' || option.name === 'V');
  if (!names) through(call, given, 0);
}

/** What it reads from its input becomes arguments, of which nothing is known. */
function readXargs(call: Call): void {
  const given = optionsFirst(call);
  const replaced = given.options.find(({ option }) => option.name === 'I')?.value;
  const marker = replaced?.kind === 'constant' ? replaced.text : undefined;
  const unknown: Value = { kind: 'unknown', one: false };
  const holds = (operand: Value): boolean => marker !== undefined && operand.kind !== 'unknown' && operand.text.includes(marker);
  const operands =
    marker === undefined ? [...given.operands, unknown] : given.operands.map((operand) => (holds(operand) ? unknown : operand));
  through(call, given.operands.length === 0 ? { ...given, operands: [constant('echo')] } : { ...given, operands }, 0);
}

/** Only a constant that stands in the command: what a shell reads elsewhere is not known. */
function readShell({ values, runsText, place }: Call): void {
  const [flags, script] = values;
  if (flags?.kind !== 'constant' || !/^-[eulx]*c$/u.test(flags.text)) throw new CommandNotRead('what the shell reads is not known');
  if (script?.kind !== 'constant') throw new CommandNotRead('what the shell reads is not known');
  runsText(script.text, place);
}
