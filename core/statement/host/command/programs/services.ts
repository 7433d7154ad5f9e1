/** Programs that speak to a service of the host. What they do is in their first operand, so it is part of the program's name. */
import { CommandNotRead } from '../not-read.ts';
import type { Call } from '../call.ts';
import type { ShapeText } from '../shape.ts';
import type { Value } from '../value.ts';

const SYSTEMCTL = [
  '-alq -n,--lines= -o,--output= -t,--type= -p,--property= --no-pager --full --state= --all --failed --quiet --plain --no-legend --value --no-block',
  '--no-ask-password --now --user --system --reverse --after --before --show-types',
].join(' ');

/** Verbs that print on a pager, and those that change something. */
const PRINTS = new Set([
  'status',
  'list-units',
  'list-unit-files',
  'list-timers',
  'list-sockets',
  'list-dependencies',
  'list-jobs',
  'show',
  'cat',
]);
const ANSWERS = new Set(['is-active', 'is-enabled', 'is-failed', 'is-system-running', 'get-default', '--version']);
const CHANGES = new Set(
  [
    'start stop restart reload try-restart reload-or-restart try-reload-or-restart enable disable reenable mask unmask',
    'daemon-reload reset-failed',
  ].flatMap((line) => line.split(' ')),
);

export const SERVICES: readonly ShapeText[] = [
  { names: 'systemctl', options: SYSTEMCTL, operands: 'text*', read: readSystemctl },
  { names: 'service', operands: 'text text', read: readService },
  {
    names: 'journalctl',
    options:
      '-afklmqrx -b? -n= --lines? -u,--unit= -p,--priority= -o,--output= -S,--since= -U,--until= -g,--grep= -t,--identifier= --no-pager --follow --reverse --dmesg --quiet --utc --user --system --no-hostname --disk-usage --list-boots --no-full --all --boot? --case-sensitive?',
    operands: 'text*',
    read: readJournalctl,
  },
  {
    names: 'dmesg',
    options: '-HTxtkuPwde -l,--level= -f,--facility= --color? --ctime --reltime --nopager --time-format= --kernel --human --decode',
    read: readDmesg,
  },
  {
    names: 'docker podman',
    options:
      '-aqst -n,--tail= --all --quiet --no-trunc --size --filter= --format= --last= --follow --since= --until= --timestamps --digests --no-stream',
    operands: 'text*',
    read: (call) => readVerb(call, new Set(['ps', 'images', 'version', 'info', 'logs', 'stats'])),
  },
  {
    names: 'kubectl',
    options:
      '-A -n,--namespace= -o,--output= -l,--selector= -w -L= -c,--container= -p --all-namespaces --show-labels --no-headers --sort-by= --field-selector= --watch --tail= --since= --previous --timestamps --follow --all-containers',
    operands: 'text*',
    read: (call) => readVerb(call, new Set(['get', 'describe', 'logs', 'top', 'version', 'api-resources'])),
  },
  // Anything more reads settings of the repository, and those name programs.
  { names: 'git', options: '--version', operands: 'text', read: readGit },
];

function readSystemctl(call: Call): void {
  const { called } = call;
  const { options, operands } = call.arguments();
  const [verb, ...units] = textsOf(operands);
  // A path would be taken as the unit's file.
  if (units.some((unit) => unit.includes('/'))) throw new CommandNotRead('it names a file as its unit');
  const name = verb ?? 'list-units';
  const takes = (known: string): boolean => options.some(({ option }) => option.name === known);
  if (PRINTS.has(name)) refusePager(call, takes('no-pager'));
  else if (!ANSWERS.has(name) && !CHANGES.has(name)) throw new CommandNotRead(`its ${name} is not understood`);
  call.named(`${called} ${name}`);
}

function readService(call: Call): void {
  const { called } = call;
  const [name = '', verb = ''] = textsOf(call.arguments().operands);
  if (name.includes('/') || !/^(?:status|start|stop|restart|reload|force-reload)$/u.test(verb))
    throw new CommandNotRead('what it does is not understood');
  call.named(`${called} ${verb}`);
}

function readJournalctl(call: Call): void {
  const { options, operands } = call.arguments();
  const fields = textsOf(operands);
  // Without a number it would not take the next word, which then is not what it seems.
  if (options.some(({ option, value }) => option.name === 'n' && !isCount(value)))
    throw new CommandNotRead('its number of lines is missing');
  if (fields.some((field) => !/^[A-Z_]+=/u.test(field) && field !== '+')) throw new CommandNotRead('what it looks for is not understood');
  refusePager(
    call,
    options.some(({ option }) => option.name === 'no-pager'),
  );
}

/** `-H` and nothing else starts a pager. */
function readDmesg(call: Call): void {
  const { options } = call.arguments();
  const has = (...names: readonly string[]): boolean => options.some(({ option }) => names.includes(option.name));
  if (has('H', 'human')) refusePager(call, has('P', 'nopager'));
}

function readVerb(call: Call, verbs: ReadonlySet<string>): void {
  const { options, operands } = call.arguments();
  const [verb = ''] = textsOf(operands);
  const [first] = call.values;
  // What stands before the verb is for another program than what stands after it.
  if (first?.kind !== 'constant' || first.text !== verb) throw new CommandNotRead('its first word is no verb');
  const outputs = options.filter(({ option }) => option.name === 'o').map(({ value }) => (value?.kind === 'constant' ? value.text : ''));
  if (outputs.some((output) => !/^(?:wide|json|yaml|name|jsonpath=.*|custom-columns=.*)$/su.test(output)))
    throw new CommandNotRead('its output is not understood');
  if (!verbs.has(verb)) throw new CommandNotRead(`its ${verb === '' ? 'use without a verb' : verb} is not understood`);
  call.named(`${call.called} ${verb}`);
}

function readGit(call: Call): void {
  const { values } = call;
  const only = values.length === 1 && values[0]?.kind === 'constant' ? values[0].text : '';
  if (only !== '--version' && only !== 'version') throw new CommandNotRead('what it does depends on settings of the repository');
}

/** On a terminal it would start a pager, in which anything can be run. Whether there is one is not known. */
function refusePager({ place }: Call, without: boolean): void {
  if (!without && !place.piped) throw new CommandNotRead('it starts a pager on a terminal: add --no-pager, or pass its output to cat');
}

function isCount(value: Value | undefined): boolean {
  return value?.kind === 'constant' && /^(?:\+?[0-9]+|all)$/u.test(value.text);
}

function textsOf(operands: Call['values']): readonly string[] {
  return operands.map((operand) => {
    if (operand.kind !== 'constant') throw new CommandNotRead('what it is called with is not known');
    return operand.text;
  });
}
