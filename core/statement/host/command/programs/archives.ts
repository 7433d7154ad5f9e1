/** `tar` and `gzip`. */
import { CommandNotRead } from '../not-read.ts';
import { readArguments, type Arguments } from '../arguments.ts';
import type { Call } from '../call.ts';
import type { ShapeText } from '../shape.ts';
import { constant, eachOf, type Value } from '../value.ts';

/** Left out: what runs other programs (`--to-command`, `-I`, `--checkpoint-action`) and what leaves the folder (`-P`). */
const TAR = [
  '-c,--create -t,--list -x,--extract,--get -f,--file= -C,--directory= -zjJvakpmOS --gzip --bzip2 --xz --zstd --auto-compress --verbose --exclude=',
  '--strip-components= --no-same-owner --no-same-permissions --same-permissions --preserve-permissions --keep-old-files --wildcards',
  '--numeric-owner --owner= --group= --mtime= --sort= --to-stdout --exclude-vcs --one-file-system --touch',
].join(' ');

export const ARCHIVES: readonly ShapeText[] = [
  { names: 'tar', options: TAR, operands: 'text*', read: readTar },
  {
    names: 'gzip gunzip',
    options:
      '-cdfklnqtv123456789 --stdout --to-stdout --decompress --uncompress --force --keep --list --quiet --test --verbose --fast --best',
    operands: 'text*',
    read: readGzip,
  },
];

function readTar(call: Call): void {
  const { reading, place } = call;
  const { options, operands } = readArguments(tarValues(call.values), call.shape);
  const named = (name: string): readonly (Value | undefined)[] =>
    options.filter(({ option }) => option.name === name).map(({ value }) => value);
  const modes = ['c', 't', 'x'].filter((mode) => named(mode).length > 0);
  const [archive, ...archives] = named('f');
  const [folder, ...folders] = named('C');
  if (modes.length !== 1 || archives.length > 0 || folders.length > 0) throw new CommandNotRead('its options are unusual');
  // Without a name it is what the host was built with; with a colon it is on another host.
  if (archive?.kind !== 'constant' || archive.text.includes(':')) throw new CommandNotRead('where its archive is, is not known');
  if (folder !== undefined && folder.kind !== 'constant') throw new CommandNotRead('its folder is not known');
  const inside = { ...place, folders: folder === undefined ? place.folders : reading.absolute(folder.text, place) };
  // A date that begins so is a file whose date it takes.
  if (named('mtime').some((value) => value?.kind !== 'constant' || /^[./]/u.test(value.text)))
    throw new CommandNotRead('its date is not known');
  const isStream = archive.text === '-';
  if (modes[0] === 'c') {
    if (!isStream) reading.file('writeFile', archive, place);
    const packed = operands.flatMap(eachOf);
    if (packed.some((operand) => operand.kind !== 'constant' || operand.text.startsWith('@')))
      throw new CommandNotRead('what it packs is not known');
    // The shell matched them where it was, not where tar then is.
    if (folder !== undefined && operands.some(({ kind }) => kind === 'glob')) throw new CommandNotRead('what it packs is not known');
    for (const operand of packed) reading.file('readFile', operand, inside, { below: true });
    return;
  }
  if (!isStream) reading.file('readFile', archive, place);
  const prints = modes[0] === 't' || named('O').length + named('to-stdout').length > 0;
  if (!prints) {
    // A file of the archive is written through a link that stands where its folder would be.
    reading.opaque('tar: it writes through links that it finds');
    reading.file('writeFile', constant('.'), inside, { below: true });
    reading.fills(constant('.'), inside);
    // The archive chooses the names: hooks of a repository among them.
    for (const path of inside.folders) {
      const real = reading.resolve(`${path}/.`);
      if (real !== undefined) {
        const parts = real.split('/').filter((part) => part !== '');
        reading.add({ action: 'writeLogin', resource: { type: 'File', path: parts }, via: 'everything below it' });
      }
    }
  }
}

/** The old way: letters without a dash, then what they take, in their order. */
function tarValues(values: readonly Value[]): readonly Value[] {
  const [letters, ...rest] = values;
  if (letters?.kind !== 'constant' || !/^[a-zA-Z]+$/u.test(letters.text)) return values;
  const taking = letters.text.split('').filter((letter) => letter === 'f' || letter === 'C');
  const flags = letters.text
    .split('')
    .filter((letter) => letter !== 'f' && letter !== 'C')
    .map((letter) => constant(`-${letter}`));
  if (rest.length < taking.length) throw new CommandNotRead('an option lacks its value');
  return [
    ...flags,
    ...taking.flatMap((letter, index) => [constant(`-${letter}`), rest[index] ?? constant('')]),
    ...rest.slice(taking.length),
  ];
}

function readGzip(call: Call): void {
  const { reading, place, name } = call;
  const { options, operands } = call.arguments();
  const has = (...names: readonly string[]): boolean => options.some(({ option }) => names.includes(option.name));
  const prints = has('c', 'stdout', 'to-stdout', 't', 'test', 'l', 'list');
  const unpacks = name === 'gunzip' || has('d', 'decompress', 'uncompress');
  for (const operand of operands.flatMap(eachOf)) {
    if (unpacks || has('t', 'test', 'l', 'list')) refuseOtherNames(operand);
    reading.file('readFile', operand, place);
    if (prints || isStream(operand)) continue;
    if (operand.kind !== 'constant') throw new CommandNotRead('which files it replaces is not known');
    if (unpacks && !/[^/]\.gz$/u.test(operand.text)) throw new CommandNotRead('what it unpacks into is not known');
    const made = unpacks ? operand.text.slice(0, -'.gz'.length) : `${operand.text}.gz`;
    if (!has('k', 'keep')) reading.file('removeFile', operand, place, { link: true });
    reading.file('writeFile', constant(made), place);
    // What stands there is taken away first, be it a link.
    reading.file('writeFile', constant(made), place, { link: true });
  }
}

/** What is unpacked and not there is looked for under other names, with an end that says that it is packed. */
export function refuseOtherNames(operand: Value): void {
  if (operand.kind === 'constant' && operand.text !== '-' && !/[^/]\.gz$/u.test(operand.text))
    throw new CommandNotRead('it may read a file of another name: write the .gz');
}

function isStream(operand: Arguments['operands'][number]): boolean {
  return operand.kind === 'constant' && operand.text === '-';
}
