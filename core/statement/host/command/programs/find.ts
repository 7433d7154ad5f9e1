/** `find`: tests and what it prints; what it would run is not looked at. */
import { CommandNotRead } from '../not-read.ts';
import type { Call } from '../call.ts';
import type { ShapeText } from '../shape.ts';
import { constant, type Value } from '../value.ts';

const ALONE = new Set(
  [
    '-depth -d -daystart -mount -xdev -noleaf -ignore_readdir_race -noignore_readdir_race -warn -nowarn -empty',
    '-executable -readable -writable -nogroup -nouser -true -false -print -print0 -ls -prune -quit -delete -a -and -o -or',
    '-not ! ( ) ,',
  ].flatMap((line) => line.split(' ')),
);
const WITH_TEXT = new Set(
  [
    '-name -iname -path -ipath -wholename -iwholename -regex -iregex -regextype -type -xtype -size -fstype -mtime -atime',
    '-ctime -mmin -amin -cmin -user -group -uid -gid -perm -links -inum -lname -ilname -used -maxdepth -mindepth -printf',
    '-newermt -newerat -newerct -context',
  ].flatMap((line) => line.split(' ')),
);
const WITH_FILE = new Set(['-newer', '-anewer', '-cnewer', '-samefile']);
/** Left out: what follows links. */
const BEFORE_PATHS = new Set(['-P', '-O1', '-O2', '-O3']);

export const FINDING: readonly ShapeText[] = [{ names: 'find', read: readFind }];

function readFind({ values, reading, place }: Call): void {
  let at = 0;
  const text = (index: number): string | undefined => {
    const value = values[index];
    return value?.kind === 'constant' ? value.text : undefined;
  };
  while (BEFORE_PATHS.has(text(at) ?? '')) at += 1;
  const paths: Value[] = [];
  for (; at < values.length; at += 1) {
    const value = values[at] ?? constant('');
    // A name that matches may begin the expression.
    if (value.kind === 'unknown' || (value.kind === 'glob' && !/^[\w./]/u.test(value.prefix)))
      throw new CommandNotRead('where it looks is not known');
    if (value.kind === 'constant' && /^(?:-.|[!(),])/u.test(value.text)) break;
    paths.push(value);
  }
  if (paths.length === 0) paths.push(constant('.'));
  for (const path of paths) reading.file('listFiles', path, place, { below: true, link: path.kind === 'glob' });
  for (; at < values.length; at += 1) {
    const test = text(at);
    if (test === undefined) throw new CommandNotRead('what it looks for is not known: quote the pattern');
    if (test === '-delete') for (const path of paths) reading.file('removeFile', path, place, { below: true, link: path.kind === 'glob' });
    if (ALONE.has(test)) continue;
    at += 1;
    const value = values[at];
    if (value?.kind !== 'constant') throw new CommandNotRead('what it looks for is not known: quote the pattern');
    if (WITH_FILE.has(test)) reading.file('listFiles', value, place);
    else if (!WITH_TEXT.has(test)) throw new CommandNotRead(`its ${test} is not understood`);
  }
}
