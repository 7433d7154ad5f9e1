/**
 * Shapes of programs as data: which options they have, and what their operands are. What a shape does not name is not understood,
 * abbreviated long options included. Options are those of the GNU and BSD programs that hosts have; one that does more than read,
 * write or print as the shape says is left out on purpose.
 *
 * A shape's options are words: `-alh` are three flags, `-n=` takes a text, `-o=write` a path that is written, `-C?` a text that is
 * attached or missing, `--color?` likewise after `=`; `-r,--recursive!below` is one option with two names that reaches below the
 * operands; `-#` is a number such as `-20`.
 */
import type { Call } from './call.ts';

export const ROLES = ['text', 'read', 'list', 'write', 'remove', 'attributes'] as const;
export type Role = (typeof ROLES)[number];

export type Option = {
  /** The first of its names, without dashes. */
  readonly name: string;
  readonly takes: 'nothing' | 'value' | 'attached';
  readonly role: Role;
  readonly below: boolean;
};

export type ShapeText = {
  readonly names: string;
  readonly options?: string;
  /** `text read*`: the first is a text, the others are read. More than these are not understood. */
  readonly operands?: string;
  /** Options with which the first operand, a text, is missing: `e f`. */
  readonly textUnless?: string;
  /** What is done to the current folder where no operand is given: always, or with an option that reaches below. */
  readonly alone?: { readonly role: Role; readonly only?: 'below' };
  /** It reaches below its operands without any option. */
  readonly below?: boolean;
  /** Operands are used as the links that they are. */
  readonly link?: boolean;
  /** Names of files may be taken for options without harm: none of its options leads out of the current folder. */
  readonly anyName?: boolean;
  /**
   * Where it is known which names match, none of them is taken for an option. For programs that only read and print: a name that
   * somebody makes in the moment between would have them read or print otherwise, and nothing else.
   */
  readonly knownNames?: boolean;
  /** Nothing that it is given makes it do anything but print. */
  readonly inert?: boolean;
  /** What it is called with may be more than the above can say. */
  readonly read?: (call: Call) => void;
};

export type Shape = Omit<ShapeText, 'names' | 'options' | 'operands' | 'textUnless'> & {
  readonly options: ReadonlyMap<string, Option>;
  readonly operands: readonly Role[];
  /** The role of every operand after those. */
  readonly rest: Role | undefined;
  readonly textUnless: readonly string[];
};

/** Every shape by each of its names. Throws a plain `Error` where a table is wrong. */
export function shapesOf(texts: readonly ShapeText[]): ReadonlyMap<string, Shape> {
  const shapes = new Map<string, Shape>();
  for (const text of texts) {
    const shape = shapeOf(text);
    for (const name of words(text.names)) {
      if (shapes.has(name)) throw new Error(`two shapes are called ${name}`);
      shapes.set(name, shape);
    }
  }
  return shapes;
}

export function shapeOf({ names, options = '', operands = '', textUnless = '', ...rest }: ShapeText): Shape {
  const roles = words(operands);
  const last = roles.at(-1);
  const repeats = last?.endsWith('*') === true;
  return {
    ...rest,
    options: new Map(words(options).flatMap((token) => optionsOf(token, names))),
    operands: (repeats ? roles.slice(0, -1) : roles).map((role) => roleOf(role, names)),
    rest: repeats ? roleOf(last.slice(0, -1), names) : undefined,
    textUnless: words(textUnless),
  };
}

function optionsOf(token: string, where: string): readonly (readonly [string, Option])[] {
  const match = /^(-[^=?!]+)(=[a-z]*|\?)?(!below)?$/u.exec(token);
  const [, dashed = '', value, mark] = match ?? [];
  if (match === null) throw new Error(`${where}: no option is written ${token}`);
  const names =
    dashed.includes(',') || dashed.startsWith('--')
      ? dashed.split(',')
      : dashed
          .slice(1)
          .split('')
          .map((letter) => `-${letter}`);
  const takes = value === undefined ? 'nothing' : value === '?' ? 'attached' : 'value';
  const role = value === undefined || value === '?' || value === '=' ? 'text' : roleOf(value.slice(1), where);
  const grouped = dashed.includes(',');
  return names.map((name) => {
    const of = grouped ? (names[0] ?? name) : name;
    return [name, { name: of.replace(/^--?/u, ''), takes, role, below: mark !== undefined }] as const;
  });
}

function roleOf(text: string, where: string): Role {
  const role = ROLES.find((each) => each === text);
  if (role === undefined) throw new Error(`${where}: there is no role ${text}`);
  return role;
}

function words(text: string): readonly string[] {
  return text.split(/\s+/u).filter((word) => word !== '');
}
