/** `sed`: scripts of commands that print, delete and replace; what reads, writes or runs something else is refused. */
import { CommandNotRead } from '../not-read.ts';
import type { Call } from '../call.ts';
import type { ShapeText } from '../shape.ts';
import { constant, eachOf } from '../value.ts';

export const EDITING: readonly ShapeText[] = [
  {
    names: 'sed',
    options:
      '-nErsuz -e,--expression= -i,--in-place? -l= --quiet --silent --regexp-extended --separate --unbuffered --null-data --posix --debug',
    operands: 'text*',
    read: readSed,
  },
];

function readSed(call: Call): void {
  const { reading, place } = call;
  const { options, operands } = call.arguments();
  const scripts = options.filter(({ option }) => option.name === 'e').map(({ value }) => value);
  const files = scripts.length > 0 ? operands : operands.slice(1);
  for (const script of scripts.length > 0 ? scripts : operands.slice(0, 1)) {
    if (script?.kind !== 'constant' || !isHarmless(script.text)) throw new CommandNotRead('its script is not understood');
  }
  if (scripts.length === 0 && operands.length === 0) throw new CommandNotRead('its script is missing');
  const inPlace = options.find(({ option }) => option.name === 'i');
  for (const file of files.flatMap(eachOf)) {
    reading.file('readFile', file, place);
    if (inPlace === undefined) continue;
    // The file is replaced by a new one, and a link by a file.
    reading.file('writeFile', file, place);
    reading.file('writeFile', file, place, { link: true });
    const suffix = inPlace.value?.kind === 'constant' ? inPlace.value.text : '';
    if (suffix === '') continue;
    if (file.kind !== 'constant' || !/^[\w.~-]+$/u.test(suffix)) throw new CommandNotRead('the name of its backup is not known');
    reading.file('writeFile', constant(file.text + suffix), place);
  }
}

/** `5`, `$`, `2~3`, `/x/I`, and two of them with a comma. No brackets: programs differ on a slash within them. */
const REGEX = String.raw`/(?:[^/\\\n[]|\\[^\n])*/[IM]*`;
const ADDRESS = String.raw`(?:\d+(?:~\d+)?|\$|${REGEX})`;
const BEFORE = String.raw`(?:${ADDRESS}(?:,[+~]?${ADDRESS})?)?[ \t]*!?[ \t]*`;
const PLAIN_COMMAND = /(?:[pdDPnNgGhHxqQ=lzF]|[qQlL]\d+|[btT:][ \t]*[A-Za-z]\w*|[bt])[ \t]*(?=[;\n}]|$)/uy;
const TEXT_COMMAND = /[aic](?:\\?[ \t]*[^\\\n\s][^\\\n]*)(?=\n|$)/uy;
const BEFORE_COMMAND = new RegExp(`[\\s;]*${BEFORE}`, 'uy');

function isHarmless(script: string): boolean {
  let at = 0;
  let depth = 0;
  const take = (expression: RegExp): string | undefined => {
    expression.lastIndex = at;
    const found = expression.exec(script)?.[0];
    if (found !== undefined) at += found.length;
    return found;
  };
  for (;;) {
    take(/[\s;]*/uy);
    if (at === script.length) return depth === 0;
    if (script[at] === '}') {
      depth -= 1;
      at += 1;
      if (depth < 0 || take(/[ \t]*(?=[;\n}]|$)/uy) === undefined) return false;
      continue;
    }
    take(BEFORE_COMMAND);
    if (script[at] === '{') {
      depth += 1;
      at += 1;
      continue;
    }
    const replaced = script[at] === 's' || script[at] === 'y' ? replacement(script, at) : undefined;
    if (replaced !== undefined) at = replaced;
    else if (take(PLAIN_COMMAND) === undefined && take(TEXT_COMMAND) === undefined) return false;
  }
}

/** Where `s/x/y/g` or `y/x/y/` ends; undefined where it is anything else, or its flags write a file (`w`) or run a command (`e`). */
function replacement(script: string, start: number): number | undefined {
  const delimiter = script[start + 1];
  if (delimiter === undefined || !/^[/|#,:@%!_+=~]$/u.test(delimiter)) return undefined;
  let at = start + 2;
  for (const half of ['pattern', 'text']) {
    for (; script[at] !== delimiter; at += 1) {
      const character = script[at];
      if (character === undefined || character === '\n') return undefined;
      // A delimiter within brackets ends the pattern for one program and not for another.
      if (half === 'pattern' && character === '[') {
        const set = /\[\^?\]?[^\][\n\\]*\]/uy;
        set.lastIndex = at;
        const found = set.exec(script)?.[0];
        if (found === undefined || found.includes(delimiter)) return undefined;
        at += found.length - 1;
      }
      if (character === '\\') {
        at += 1;
        if (script[at] === undefined || script[at] === '\n') return undefined;
      }
    }
    at += 1;
  }
  const flags = script[start] === 's' ? /[gpiIm0-9]*[ \t]*(?=[;\n}]|$)/uy : /[ \t]*(?=[;\n}]|$)/uy;
  flags.lastIndex = at;
  return flags.test(script) ? flags.lastIndex : undefined;
}
