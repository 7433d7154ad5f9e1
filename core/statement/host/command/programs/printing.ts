/** Programs that print what they are given, or what the host is: nothing that they are called with makes them do more. */
import { CommandNotRead } from '../not-read.ts';
import type { Call } from '../call.ts';
import type { ShapeText } from '../shape.ts';

export const PRINTING: readonly ShapeText[] = [
  // Every word of these is printed or ignored, whatever it is.
  { names: 'echo true false :', inert: true, read: () => undefined },
  { names: 'printf', inert: true, read: readPrintf },
  { names: 'test [', inert: true, read: readTest },
  { names: 'pwd', options: '-LP' },
  { names: 'sleep', operands: 'text*' },
  { names: 'exit', operands: 'text' },
  { names: 'wait' },
  // Options of the shell that make it stop earlier or say more.
  { names: 'set', options: '-eux -o=', operands: '', read: readSet },
  { names: 'seq', options: '-w -s= -f= -#', operands: 'text*' },
  { names: 'basename', options: '-az -s= --suffix= --multiple --zero', operands: 'text*' },
  { names: 'dirname', options: '-z --zero', operands: 'text*' },
  { names: 'whoami tty logname arch nproc', options: '--all' },
  { names: 'id', options: '-Ggnruza', operands: 'text*' },
  { names: 'groups', operands: 'text*' },
  { names: 'uname', options: '-asnrvmpio --all --kernel-name --kernel-release --machine' },
  { names: 'hostname', options: '-fiIsdAy --fqdn --ip-address --all-ip-addresses --short --long --domain' },
  { names: 'uptime', options: '-ps --pretty --since' },
  {
    names: 'date',
    options: '-uR -I? -d= -r=list --utc --universal --rfc-email --iso-8601? --rfc-3339= --date= --reference=list',
    read: readDate,
  },
  { names: 'printenv', options: '-0 --null', operands: 'text*' },
  { names: 'which', options: '-a', operands: 'text*' },
  { names: 'type', options: '-aptfP', operands: 'text*' },
  { names: 'free', options: '-bkmghtwl -s= -c= --human --bytes --kilo --mega --giga --total --wide --si' },
  {
    names: 'ps',
    options: '-AaefFlLHMTjNcvwy -o= -p= -u= -U= -C= -t= -g= -G= --no-headers --forest --sort= --pid= --ppid= --user= --format= --headers',
    operands: 'text*',
  },
  {
    names: 'pgrep',
    options: '-aflxncvio -u= -U= -P= -t= -g= -d= --full --list-full --list-name --exact --newest --oldest --count',
    operands: 'text',
  },
  { names: 'pidof', options: '-sx', operands: 'text*' },
  { names: 'vmstat', options: '-awntdDsm -S=', operands: 'text*' },
  { names: 'iostat mpstat', options: '-cdhkmxyztNp', operands: 'text*' },
  { names: 'lscpu lsblk', options: '-abflmnpPrStJ -o= --json --output= --list --tree' },
  { names: 'ss', options: '-aelmoipsntuwxHOr46 --listening --tcp --udp --numeric --processes --all --summary', operands: 'text*' },
  { names: 'netstat', options: '-aeglnoprstuwxvWi46 --listening --tcp --udp --numeric --programs --all' },
  { names: 'users who last', options: '-abHmqru -n= -#' },
];

/** `-v`, and `%n` in the format, make bash assign a variable: `PATH`, for one. */
function readPrintf({ values }: Call): void {
  const first = values[0];
  if (first?.kind !== 'constant' || (first.text.startsWith('-') && first.text !== '--'))
    throw new CommandNotRead('what it prints is not a constant format');
  const format = first.text === '--' ? values[1] : first;
  if (format?.kind !== 'constant' || /%[^%A-Za-z]*[hlLjzt]*n/u.test(format.text))
    throw new CommandNotRead('what it prints is not a constant format');
}

const FILE_TESTS = new Set([
  '-b',
  '-c',
  '-d',
  '-e',
  '-f',
  '-g',
  '-G',
  '-h',
  '-k',
  '-L',
  '-N',
  '-O',
  '-p',
  '-r',
  '-s',
  '-S',
  '-u',
  '-w',
  '-x',
]);
const FILE_COMPARISONS = new Set(['-nt', '-ot', '-ef']);
const STRING_TESTS = new Set(['-n', '-z']);
const COMPARISONS = new Set(['=', '==', '!=', '-eq', '-ne', '-lt', '-le', '-gt', '-ge']);

function readTest(call: Call): void {
  const { name, values, reading, place } = call;
  const last = values.at(-1);
  if (name === '[' && (last?.kind !== 'constant' || last.text !== ']')) throw new CommandNotRead('its closing bracket is missing');
  const words = name === '[' ? values.slice(0, -1) : values;
  if (words.some((word) => word.kind !== 'constant')) return readUnknownTest(call, words);
  for (const [index, word] of words.entries()) {
    const text = word.kind === 'constant' ? word.text : '';
    const next = words[index + 1];
    // bash evaluates the names of variables, and commands in them.
    if (text === '-v' || text === '-R') throw new CommandNotRead('it tests a variable');
    if (FILE_TESTS.has(text) && next?.kind === 'constant' && next.text !== '') reading.file('listFiles', next, place);
    if (!FILE_COMPARISONS.has(text)) continue;
    for (const each of [words[index - 1], next]) if (each !== undefined) reading.file('listFiles', each, place);
  }
}

/** A value that is not known is fine only where the number of words tells what is an operator (POSIX.1-2017 XCU test). */
function readUnknownTest({ reading }: Call, words: Call['values']): void {
  const [first, second] = words;
  const single = words.every((word) => word.kind !== 'glob' && (word.kind === 'constant' || word.one));
  if (single && words.length === 2 && first?.kind === 'constant' && STRING_TESTS.has(first.text)) return;
  if (single && words.length === 3 && second?.kind === 'constant' && COMPARISONS.has(second.text)) return;
  reading.opaque('what it tests is not known');
}

function readSet(call: Call): void {
  const given = call.arguments();
  const named = given.options
    .filter(({ option }) => option.name === 'o')
    .map(({ value }) => (value?.kind === 'constant' ? value.text : ''));
  if (named.some((name) => !['pipefail', 'errexit', 'nounset', 'xtrace'].includes(name)))
    throw new CommandNotRead('an option of the shell');
  if (given.options.length === 0) throw new CommandNotRead('an option of the shell');
  call.plain(given);
}

/** An operand without a plus sets the clock. */
function readDate(call: Call): void {
  const { options, operands } = call.arguments();
  if (operands.some((operand) => operand.kind !== 'constant' || !operand.text.startsWith('+')))
    throw new CommandNotRead('it sets the clock');
  call.plain({ options, operands: [] });
}
