/** `cp` and `mv`: what is there before them decides whether the last operand is a folder, so both ways count. */
import { CommandNotRead } from '../not-read.ts';
import type { Arguments } from '../arguments.ts';
import type { Call } from '../call.ts';
import type { FileAction } from '../reading.ts';
import type { ShapeText } from '../shape.ts';
import { constant, eachOf, type Value } from '../value.ts';

// Links, backups under other names and parts of the source's path are left out.
const BOTH = '-finuvT -t,--target-directory= --force --interactive --no-clobber --update? --verbose --no-target-directory';

export const COPYING: readonly ShapeText[] = [
  {
    names: 'cp',
    options: `${BOTH} -pxH --remove-destination -a,--archive!below -r,-R,--recursive!below --preserve? --one-file-system --reflink? --sparse=`,
    operands: 'text*',
    read: readCp,
  },
  { names: 'mv', options: BOTH, operands: 'text*', read: readMv },
];

type Move = { readonly sources: readonly Value[]; readonly target: Value; readonly into: 'folder' | 'file' | 'either' };

function moveOf({ options, operands }: Arguments): Move {
  const folder = options.find(({ option }) => option.name === 't')?.value;
  const asFile = options.some(({ option }) => option.name === 'T' || option.name === 'no-target-directory');
  if (folder !== undefined) return { sources: operands, target: folder, into: 'folder' };
  const target = operands.at(-1);
  const sources = operands.slice(0, -1);
  if (target?.kind !== 'constant' || sources.length === 0) throw new CommandNotRead('its last operand is not known');
  if (asFile) return { sources, target, into: 'file' };
  const many = sources.length > 1 || sources.some(({ kind }) => kind !== 'constant') || target.text.endsWith('/');
  return { sources, target, into: many ? 'folder' : 'either' };
}

function readCp(call: Call): void {
  const { reading, place } = call;
  const given = call.arguments();
  const below = given.options.some(({ option }) => option.below);
  // What is written is written through links that stand below the new place, unless they are removed first.
  const replaces = given.options.some(({ option }) => option.name === 'remove-destination');
  if (below && !replaces) throw new CommandNotRead('it writes through links that it finds: add --remove-destination');
  const move = spread(moveOf(given));
  for (const source of move.sources) reading.file('readFile', source, place, { below });
  const forces = given.options.some(({ option }) => option.name === 'f' || option.name === 'force');
  writes(call, move, ['writeFile'], { below, replaces: replaces || forces });
  if (below) moves(call, move);
}

/** What was at the new place is gone, as with any write. */
function readMv(call: Call): void {
  const { reading, place } = call;
  const move = spread(moveOf(call.arguments()));
  for (const source of move.sources) reading.file('renameFile', source, place, { link: true });
  writes(call, move, ['renameFile', 'writeFile'], { below: false, replaces: false });
  moves(call, move);
}

/** Names that match are sources of their own. */
function spread(move: Move): Move {
  return { ...move, sources: move.sources.flatMap(eachOf) };
}

/** A folder that is moved or copied takes its links along, and a link comes as one. */
function moves({ reading, place }: Call, { sources, target, into }: Move): void {
  const folder = target.kind === 'constant' ? target.text : '';
  for (const source of sources) {
    const name = source.kind === 'constant' ? nameOf(source.text) : undefined;
    // What it holds comes directly into the folder.
    if (name === undefined) reading.moves(source, target, place);
    else if (into !== 'file') reading.moves(source, constant(`${folder}/${name}`), place);
    if (into !== 'folder') reading.moves(source, target, place);
  }
}

type Manner = { readonly below: boolean; readonly replaces: boolean };

function writes({ reading, place }: Call, { sources, target, into }: Move, actions: readonly FileAction[], manner: Manner): void {
  const { below, replaces } = manner;
  // A link that is copied or moved onto is followed by one program and replaced by the other, so both count.
  const touch = (value: Value): void => {
    for (const action of actions) {
      reading.file(action, value, place, { below });
      if (action === 'renameFile' || replaces) reading.file(action, value, place, { below, link: true });
    }
  };
  if (into === 'file') return touch(target);
  const folder = target.kind === 'constant' ? target.text : '';
  for (const source of sources) {
    const name = source.kind === 'constant' ? nameOf(source.text) : undefined;
    if (name === undefined) {
      for (const action of actions) reading.file(action, target, place, { below: true });
      continue;
    }
    touch(constant(`${folder}/${name}`));
  }
  if (into === 'either') touch(target);
}

/** The name that the source will have in a folder; undefined where all that it holds goes there. */
function nameOf(path: string): string | undefined {
  const trimmed = path.replace(/\/+$/u, '');
  const name = trimmed.slice(trimmed.lastIndexOf('/') + 1);
  return name === '' || name === '.' || name === '..' ? undefined : name;
}
