/** Programs that look at files or change them one by one. Left out everywhere: what follows the links below a folder. */
import { CommandNotRead } from '../not-read.ts';
import type { Call } from '../call.ts';
import type { ShapeText } from '../shape.ts';
import { constant } from '../value.ts';

export const FILES: readonly ShapeText[] = [
  {
    names: 'ls dir vdir',
    options: [
      '-aAbBcCdDfFgGhHiklmnNopqQrsStuUvxXZ1 -I,--ignore= -T= -w,--width= -R,--recursive!below --all --almost-all --author --escape --directory',
      '--classify? --color? --file-type --format= --full-time --group-directories-first --no-group --human-readable --si --inode',
      '--numeric-uid-gid --literal --reverse --size --sort= --time= --time-style= --hide= --indicator-style= --block-size= --quote-name --zero',
    ].join(' '),
    operands: 'list*',
    alone: { role: 'list' },
    anyName: true,
    knownNames: true,
  },
  {
    names: 'stat',
    options: '-ft -c,--format= --printf= --file-system --terse',
    operands: 'list*',
    anyName: true,
    knownNames: true,
    link: true,
  },
  {
    names: 'du',
    options:
      '-0abchklmPsSx -d,--max-depth= -B,--block-size= -t,--threshold= --exclude= --all --apparent-size --human-readable --summarize --total --one-file-system --time? --bytes --si',
    knownNames: true,
    operands: 'list*',
    alone: { role: 'list' },
    below: true,
    link: true,
  },
  {
    names: 'df',
    options:
      '-ahHiklPTv -B,--block-size= -t,--type= -x,--exclude-type= --all --human-readable --inodes --local --total --print-type --output? --sync',
    operands: 'list*',
  },
  {
    names: 'tree',
    options: '-adfiqQpsughDFrtUvxnCASN -L= -I= -P= --dirsfirst --noreport --du --si --prune --sort=',
    operands: 'list*',
    alone: { role: 'list' },
    below: true,
  },
  {
    names: 'readlink realpath',
    options: '-efmnqsvzLP --canonicalize --canonicalize-existing --canonicalize-missing --no-newline --zero --relative-to=list',
    operands: 'list*',
  },
  { names: 'mkdir', options: '-pv -m,--mode= --parents --verbose', operands: 'write*' },
  { names: 'rmdir', options: '-v --verbose --ignore-fail-on-non-empty', operands: 'remove*', link: true },
  {
    names: 'rm',
    options: '-fiIvd -r,-R,--recursive!below --force --verbose --dir --one-file-system --preserve-root --interactive?',
    operands: 'remove*',
    link: true,
    anyName: true,
  },
  { names: 'unlink', operands: 'remove', link: true },
  { names: 'touch', options: '-acm -t= -d,--date= -r,--reference=list --no-create --time=', operands: 'write*' },
  { names: 'truncate', options: '-co -s,--size= -r,--reference=list --no-create', operands: 'write*' },
  { names: 'tee', options: '-aip --append --ignore-interrupts --output-error?', operands: 'write*' },
  {
    names: 'chmod',
    options: '-cfv -R,--recursive!below --reference=list --changes --silent --quiet --verbose --preserve-root',
    operands: 'text attributes*',
    textUnless: 'reference',
  },
  {
    names: 'chown chgrp',
    options: '-cfv -R,--recursive!below --reference=list --from= --changes --silent --quiet --verbose --preserve-root',
    operands: 'text attributes*',
    textUnless: 'reference',
  },
  { names: 'dd', operands: 'text*', read: readDd },
  { names: 'mktemp', options: '-dqut -p= --tmpdir? --directory --quiet --dry-run --suffix=', operands: 'text', read: readMktemp },
];

const DD_TEXTS = new Set(['bs', 'ibs', 'obs', 'cbs', 'count', 'skip', 'seek', 'iseek', 'oseek', 'conv', 'iflag', 'oflag', 'status']);

function readDd({ values, reading, place }: Call): void {
  for (const value of values) {
    const match = value.kind === 'constant' ? /^([a-z]+)=(.*)$/su.exec(value.text) : null;
    const [, key = '', rest = ''] = match ?? [];
    if (key === 'if') reading.file('readFile', constant(rest), place);
    else if (key === 'of') reading.file('writeFile', constant(rest), place);
    else if (!DD_TEXTS.has(key)) throw new CommandNotRead('an operand that is not understood');
  }
}

/** The name is made up; where it is made is known. */
function readMktemp(call: Call): void {
  const { options, operands } = call.arguments();
  const given = options.find(({ option }) => option.name === 'p' || option.name === 'tmpdir')?.value;
  const [template] = operands;
  if (template !== undefined && template.kind !== 'constant') throw new CommandNotRead('its template is not known');
  const named = template?.text.includes('/') === true ? template.text.slice(0, template.text.lastIndexOf('/') + 1) : undefined;
  const temporary = template === undefined || options.some(({ option }) => ['t', 'p', 'tmpdir'].includes(option.name));
  if (temporary && named !== undefined) throw new CommandNotRead('its template names a folder');
  call.reading.file('writeFile', given ?? constant(named ?? (temporary ? '/tmp' : '.')), call.place);
}
