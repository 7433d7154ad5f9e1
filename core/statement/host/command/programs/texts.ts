/** Programs that read files and print what they made of them. */
import { CommandNotRead } from '../not-read.ts';
import type { Call } from '../call.ts';
import type { ShapeText } from '../shape.ts';
import { eachOf } from '../value.ts';
import { refuseOtherNames } from './archives.ts';

/** Left out: what follows the links below a folder, which may lead anywhere. */
const GREP_OPTIONS = [
  '-EFGPivwxcLlqshHnoaIUzZbTy -e,--regexp= -f,--file=read -m,--max-count= -A,--after-context= -B,--before-context= -C,--context= -#',
  '-r,--recursive!below --include= --exclude= --exclude-dir= --exclude-from=read --color? --colour?',
  '--extended-regexp --fixed-strings --perl-regexp --basic-regexp --ignore-case --no-ignore-case --invert-match --word-regexp --line-regexp',
  '--count --files-with-matches --files-without-match --quiet --silent --no-messages --line-number --with-filename --no-filename',
  '--only-matching --text --null --null-data --binary-files= --line-buffered --label= --byte-offset',
].join(' ');

const SUMS = '-btz --binary --text --tag --zero';

export const TEXTS: readonly ShapeText[] = [
  {
    names: 'cat',
    options: '-AbeEnstTuv --number --number-nonblank --show-all --show-ends --show-tabs --squeeze-blank',
    operands: 'read*',
    anyName: true,
    knownNames: true,
  },
  { names: 'tac', options: '-br -s= --before --regex --separator=', knownNames: true, operands: 'read*' },
  { names: 'rev', knownNames: true, operands: 'read*' },
  { names: 'head', options: '-qvz -n,--lines= -c,--bytes= -# --quiet --verbose', operands: 'read*', anyName: true, knownNames: true },
  {
    // Left out: what follows a file by its name, which may be a link the next time.
    names: 'tail',
    options: '-qvzf -n,--lines= -c,--bytes= -s,--sleep-interval= -# --follow --pid= --quiet --verbose --max-unchanged-stats=',
    operands: 'read*',
    anyName: true,
    knownNames: true,
  },
  { names: 'nl', options: '-p -b= -d= -f= -h= -i= -l= -n= -s= -v= -w=', knownNames: true, operands: 'read*' },
  { names: 'wc', options: '-clmwL --bytes --chars --lines --words --max-line-length --total=', knownNames: true, operands: 'read*' },
  {
    names: 'grep egrep fgrep',
    options: GREP_OPTIONS,
    knownNames: true,
    operands: 'text read*',
    textUnless: 'e f',
    alone: { role: 'read', only: 'below' },
  },
  { names: 'rg', options: rgOptions(), operands: 'text read*', textUnless: 'e f files type-list', alone: { role: 'read' }, below: true },
  {
    names: 'sort',
    options:
      '-bdfgiMhnRrVcCmsuz -k,--key= -t,--field-separator= -o,--output=write -S,--buffer-size= --parallel= --reverse --numeric-sort --unique --human-numeric-sort --version-sort --stable --check? --ignore-case --ignore-leading-blanks --general-numeric-sort --month-sort --zero-terminated --sort= --merge --debug',
    operands: 'read*',
  },
  // The second operand is written.
  {
    names: 'uniq',
    options: '-cdDiuz -f= -s= -w= --count --repeated --unique --ignore-case --skip-fields= --skip-chars= --check-chars=',
    operands: 'read write',
  },
  {
    names: 'cut',
    options: '-nsz -b,--bytes= -c,--characters= -d,--delimiter= -f,--fields= --complement --only-delimited --output-delimiter=',
    knownNames: true,
    operands: 'read*',
  },
  { names: 'tr', options: '-cCdst --complement --delete --squeeze-repeats --truncate-set1', operands: 'text text' },
  { names: 'paste', options: '-sz -d,--delimiters= --serial', knownNames: true, operands: 'read*' },
  { names: 'join', options: '-iz -a= -e= -j= -o= -t= -v= -1= -2= --header', operands: 'read read' },
  { names: 'fold', options: '-bs -w= -#', knownNames: true, operands: 'read*' },
  { names: 'fmt', options: '-csu -w= -#', operands: 'read*' },
  { names: 'expand unexpand', options: '-ai -t=', operands: 'read*' },
  { names: 'column', options: '-tnxeJ -s= -o= -c= -N= --table --separator= --output-separator= --json', operands: 'read*' },
  { names: 'comm', options: '-123z --total --output-delimiter= --check-order --nocheck-order', operands: 'read read' },
  {
    names: 'diff',
    options:
      '-abBcdeEiHnNpqstuwyTZ -U= --unified? -C= -I= -W= -x= -L= --brief --side-by-side --ignore-all-space --ignore-space-change --ignore-blank-lines --ignore-case --new-file --exclude= --color? --report-identical-files --minimal --strip-trailing-cr --suppress-common-lines --label= --context? --no-dereference',
    operands: 'read read',
    read: readDiff,
  },
  { names: 'cmp', options: '-bls -i= -n= --silent --quiet --verbose --print-bytes', operands: 'read read text text' },
  // With -c they read a list of files.
  { names: 'md5sum sha1sum sha224sum sha256sum sha384sum sha512sum', options: SUMS, knownNames: true, operands: 'read*' },
  { names: 'b2sum', options: `${SUMS} -l=`, knownNames: true, operands: 'read*' },
  { names: 'cksum sum', options: '-rs -a=', knownNames: true, operands: 'read*' },
  { names: 'base64 base32', options: '-di -w,--wrap= --decode --ignore-garbage', operands: 'read' },
  { names: 'xxd', options: '-abeEipru -c= -g= -l= -n= -o= -s=', operands: 'read write', read: readXxd },
  { names: 'od', options: '-abcdfilosxv -A= -j= -N= -S= -t= -w?', operands: 'read*' },
  { names: 'hexdump hd', options: '-bcCdovx -e= -n= -s=', operands: 'read*' },
  { names: 'strings', options: '-afow -n,--bytes= -t= -e= -#', operands: 'read*', read: readStrings },
  { names: 'zcat', operands: 'read*', read: readZcat },
  {
    names: 'file',
    options: '-bhiLkNrsE0 -F= -P= --brief --mime --mime-type --mime-encoding --dereference --no-dereference',
    operands: 'read*',
  },
  {
    names: 'jq',
    options:
      '-rcnsejaSMCR --raw-output --compact-output --null-input --slurp --exit-status --join-output --sort-keys --tab --raw-input --indent=',
    operands: 'text read*',
    read: readJq,
  },
];

function rgOptions(): string {
  return [
    '-FivwxclqsHnoaSNUPu0 -e,--regexp= -f,--file=read -m,--max-count= -A,--after-context= -B,--before-context= -C,--context= -g,--glob=',
    '-t,--type= -T,--type-not= -d,--max-depth= -r,--replace= -j,--threads= -M,--max-columns= -I --iglob= --files --type-list --hidden --no-ignore',
    '--no-ignore-vcs --color= --colors= --heading --no-heading --line-number --no-line-number --column --fixed-strings --ignore-case --smart-case',
    '--case-sensitive --word-regexp --line-regexp --invert-match --count --count-matches --files-with-matches --files-without-match --quiet',
    '--only-matching --with-filename --no-filename --json --multiline --pcre2 --stats --sort= --sortr= --no-messages --text --trim --vimgrep --no-config',
  ].join(' ');
}

/** Not by getopt: it has words behind one dash (`-ps`, `-seek 1`) and gives letters no company. */
function readXxd(call: Call): void {
  for (const value of call.values) {
    if (value.kind !== 'constant' || !value.text.startsWith('-') || value.text === '-') continue;
    if (!/^-(?:[abeEipru]|[cglnos](?:0x[\da-f]+|\d+)?)$/u.test(value.text))
      throw new CommandNotRead(`its option ${value.text} is not understood`);
  }
  call.plain(call.arguments());
}

/** Of two folders it reads what they hold, links included; of a folder and a file, the one of that name. */
function readDiff(call: Call): void {
  const given = call.arguments();
  call.plain(given);
  // All are looked at, since that is how the host is asked about each.
  const folders = given.operands.filter((operand) => operand.kind !== 'constant' || call.reading.isFolder(operand.text, call.place));
  if (folders.length > 0) throw new CommandNotRead('it compares folders');
}

/** As all of binutils, it reads further words from a file that is named so. */
function readStrings(call: Call): void {
  const given = call.arguments();
  if (given.operands.some((operand) => operand.kind === 'constant' && operand.text.startsWith('@')))
    throw new CommandNotRead('it reads what it is called with from a file');
  call.plain(given);
}

function readZcat(call: Call): void {
  const given = call.arguments();
  for (const operand of given.operands.flatMap(eachOf)) refuseOtherNames(operand);
  call.plain(given);
}

/** A filter prints; only a module that it names would be read from elsewhere. */
function readJq(call: Call): void {
  const given = call.arguments();
  const filter = given.operands[0];
  if (filter?.kind !== 'constant' || /\b(?:import|include|modulemeta)\b/u.test(filter.text))
    throw new CommandNotRead('its filter reads modules');
  call.plain(given);
}
