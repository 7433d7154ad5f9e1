/** Takes the words after a program's name apart by its shape, as getopt does (POSIX.1-2017 XBD 12.2, with GNU's long options). */
import { CommandNotRead } from './not-read.ts';
import type { Option, Shape } from './shape.ts';
import { constant, type Value } from './value.ts';

export type GivenOption = { readonly option: Option; readonly value: Value | undefined };

export type Arguments = {
  readonly options: readonly GivenOption[];
  readonly operands: readonly Value[];
};

/** `upToOperand`: the first operand ends the options, as with every program that runs another. Throws `CommandNotRead`. */
export function readArguments(values: readonly Value[], shape: Shape, upToOperand = false): Arguments {
  const options: GivenOption[] = [];
  const operands: Value[] = [];
  for (let index = 0; index < values.length; index += 1) {
    const value = values[index] ?? constant('');
    const next = (): Value => {
      index += 1;
      const found = values[index];
      if (found === undefined) throw new CommandNotRead('an option lacks its value');
      if (found.kind !== 'constant') throw new CommandNotRead('the value of an option is not known');
      return found;
    };
    if (value.kind === 'unknown') {
      if (shape.inert !== true) throw new CommandNotRead('what it is called with is not known');
      operands.push(value);
      if (upToOperand) {
        operands.push(...values.slice(index + 1));
        break;
      }
    } else if (value.kind === 'glob') {
      const given = value.prefix.startsWith('--') ? globOption(value.prefix, shape) : undefined;
      if (given !== undefined) options.push(given);
      else if (mayBeOption(value.prefix) && shape.inert !== true && !(value.names !== undefined && shape.knownNames === true))
        options.push(...namesAsOptions(shape));
      if (given === undefined) operands.push(value);
    } else if (value.text === '--') {
      operands.push(...values.slice(index + 1));
      break;
    } else if (value.text.startsWith('--')) {
      options.push(longOption(value.text, shape, next));
    } else if (value.text.startsWith('-') && value.text !== '-') {
      options.push(...shortOptions(value.text, shape, next));
    } else if (upToOperand) {
      operands.push(...values.slice(index));
      break;
    } else {
      operands.push(value);
    }
  }
  if (shape.inert !== true && operands.some(({ kind }) => kind === 'unknown'))
    throw new CommandNotRead('what it is called with is not known');
  return { options, operands };
}

function mayBeOption(prefix: string): boolean {
  return prefix === '' || prefix.startsWith('-');
}

/** A file may be called as an option is: then all that such options do is done to every operand. */
function namesAsOptions(shape: Shape): readonly GivenOption[] {
  if (shape.anyName !== true) throw new CommandNotRead('a name that matches may be taken for an option: begin the pattern with ./');
  return [...shape.options.values()].filter(({ below }) => below).map((option) => ({ option, value: undefined }));
}

/** `--include=*.ts`: whatever matches is that option again, with another text. */
function globOption(prefix: string, shape: Shape): GivenOption | undefined {
  const option = shape.options.get(/^(--[\w-]+)=/u.exec(prefix)?.[1] ?? '');
  return option?.role === 'text' && option.takes !== 'nothing' ? { option, value: { kind: 'unknown', one: true } } : undefined;
}

function longOption(text: string, shape: Shape, next: () => Value): GivenOption {
  const [name, value] = splitOnce(text);
  const option = shape.options.get(name);
  if (option === undefined) throw new CommandNotRead(`its option ${name} is not understood`);
  if (value !== undefined && option.takes === 'nothing') throw new CommandNotRead(`its option ${name} takes no value`);
  if (value !== undefined) return { option, value: constant(value) };
  return { option, value: option.takes === 'value' ? next() : undefined };
}

function shortOptions(text: string, shape: Shape, next: () => Value): readonly GivenOption[] {
  if (/^-[0-9]+$/u.test(text) && shape.options.has('-#')) return [];
  const given: GivenOption[] = [];
  for (let at = 1; at < text.length; at += 1) {
    const name = `-${text[at] ?? ''}`;
    const option = shape.options.get(name);
    if (option === undefined) throw new CommandNotRead(`its option ${name} is not understood`);
    const attached = text.slice(at + 1);
    if (option.takes === 'nothing') {
      given.push({ option, value: undefined });
      continue;
    }
    const value = attached === '' ? (option.takes === 'value' ? next() : undefined) : constant(attached);
    given.push({ option, value });
    break;
  }
  return given;
}

function splitOnce(text: string): readonly [string, string | undefined] {
  const at = text.indexOf('=');
  return at === -1 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}
