/**
 * Shapes of words: where an IBAN, an e-mail address, a private key, a JSON web token or an AWS access key may be, by the few bytes
 * that they begin with or have in their middle. Four bytes at each of sixteen places are compared at once.
 */
import { call, giveBack, i32, i8x16, sequence, when, whileTrue, type Code, type Variable } from './instructions.ts';
import { bitOf, CLASS, CLASSES_AT, FOUND_BYTES, KINDS, TEXT_AT, type Kind } from './layout.ts';
import { FunctionScope, type WasmFunction } from './module.ts';

const PLACES = 16;
/** Twice as many are looked at before it is asked whether there was anything. */
const STEP_BYTES = 2 * PLACES;
const IBAN_LEAST = 15;
const DOT = 0x2e;
const BLANK = 0x20;

const one = i32.constant(1);

/** (end of the text, kinds wanted, where to write) → where it wrote to. The others are the places of the functions below. */
export function wordShapes(others: { readonly isIban: number; readonly isEmail: number }): WasmFunction {
  const scope = new FunctionScope(['i32', 'i32', 'i32']);
  const [end, wanted, found] = scope.parameters as readonly [Variable, Variable, Variable]; // Three types give three parameters.
  const at = scope.local('i32');
  const ones = scope.local('i32');
  const place = scope.local('i32');
  const first = new Places(scope, at.get, 0);
  const second = new Places(scope, at.get, PLACES);

  const write = (kind: Kind): Code =>
    sequence(
      i32.store(found.get, i32.constant(KINDS.indexOf(kind))),
      i32.store(found.get, i32.subtract(place.get, i32.constant(TEXT_AT)), 4),
      i32.store(found.get, i32.subtract(place.get, i32.constant(TEXT_AT - 1)), 8),
      found.set(i32.add(found.get, i32.constant(FOUND_BYTES))),
    );
  const eachOf = (kind: Kind, is: Code, offset: number, check?: number): Code =>
    when(
      i32.and(wanted.get, i32.constant(bitOf(kind))),
      sequence(
        ones.set(i8x16.bitmask(is)),
        whileTrue(
          ones.get,
          sequence(
            place.set(i32.add(i32.add(at.get, i32.constant(offset)), i32.trailingZeros(ones.get))),
            ones.set(i32.and(ones.get, i32.subtract(ones.get, one))),
            check === undefined ? write(kind) : when(call(check, place.get, end.get), write(kind)),
          ),
        ),
      ),
    );
  const look = (places: Places, offset: number): Code =>
    sequence(
      when(i8x16.anyTrue(places.isAt.get), eachOf('email', places.isAt.get, offset, others.isEmail)),
      when(i8x16.anyTrue(places.isIban.get), eachOf('iban', places.isIban.get, offset, others.isIban)),
      when(
        i8x16.anyTrue(places.isToken.get),
        sequence(
          eachOf('private-key', places.is('PRIV'), offset),
          eachOf('jwt', places.is('eyJ'), offset),
          eachOf('aws-access-key', i8x16.or(places.is('AKIA'), places.is('ASIA')), offset),
        ),
      ),
    );
  return scope.finish(
    sequence(
      at.set(i32.constant(TEXT_AT)),
      whileTrue(
        i32.less(at.get, end.get),
        sequence(
          first.read,
          second.read,
          when(i8x16.anyTrue(i8x16.or(first.any, second.any)), sequence(look(first, 0), look(second, PLACES))),
          at.set(i32.add(at.get, i32.constant(STEP_BYTES))),
        ),
      ),
      giveBack(found.get),
    ),
  );
}

/** Sixteen places of a text, and what begins there. */
class Places {
  /** Computes what follows. */
  readonly read: Code;
  readonly isAt: Variable;
  readonly isIban: Variable;
  /** What begins a key or a token has this in common, in fewer comparisons; so has `API`. */
  readonly isToken: Variable;
  private readonly scope: FunctionScope;
  private readonly ahead: readonly Variable[];

  constructor(scope: FunctionScope, address: Code, offset: number) {
    this.scope = scope;
    this.ahead = [0, 1, 2, 3].map(() => scope.local('v128'));
    this.isAt = scope.local('v128');
    this.isIban = scope.local('v128');
    this.isToken = scope.local('v128');
    const { between } = this;
    const capitals = i8x16.and(between(0, 'A', 'Z'), between(1, 'A', 'Z'));
    const digits = i8x16.and(between(2, '0', '9'), between(3, '0', '9'));
    const beginning = i8x16.or(i8x16.or(this.equal(0, 'P'), this.equal(0, 'A')), this.equal(0, 'e'));
    this.read = sequence(
      ...this.ahead.map((bytes, index) => bytes.set(i8x16.load(address, offset + index))),
      this.isAt.set(this.equal(0, '@')),
      this.isIban.set(i8x16.and(capitals, digits)),
      this.isToken.set(i8x16.and(beginning, between(2, 'I', 'J'))),
    );
  }

  get any(): Code {
    return i8x16.or(i8x16.or(this.isAt.get, this.isIban.get), this.isToken.get);
  }

  /** Where up to four characters stand. */
  is(characters: string): Code {
    return Array.from(characters, (character, index) => this.equal(index, character)).reduce((left, right) => i8x16.and(left, right));
  }

  private equal(index: number, character: string): Code {
    return i8x16.equal(this.bytes(index), this.scope.all(character.charCodeAt(0)));
  }

  /** As one comparison of signed bytes. */
  private readonly between = (index: number, low: string, high: string): Code => {
    const lowest = this.scope.all(low.charCodeAt(0) + 128);
    const values = this.scope.all(high.charCodeAt(0) - low.charCodeAt(0) + 1 - 128);
    return i8x16.lessSigned(i8x16.subtract(this.bytes(index), lowest), values);
  };

  /** Those that follow each place at this distance. */
  private bytes(index: number): Code {
    const bytes = this.ahead[index];
    if (bytes === undefined) throw new Error('shapes are compared by four bytes at most');
    return bytes.get;
  }
}

const isYes = (value: Code): Code => i32.greater(value, i32.constant(0));
const isOf = (kind: keyof typeof CLASS, byte: Code): Code => i32.and(i32.load8(byte, CLASSES_AT), i32.constant(CLASS[kind]));

/** (first letter, end of the text) → whether fifteen capitals and digits with single blanks follow, or the text ends before. */
export function isIban(): WasmFunction {
  const scope = new FunctionScope(['i32', 'i32']);
  const [at, end] = scope.parameters as readonly [Variable, Variable]; // Two types give two parameters.
  const count = scope.local('i32');
  const isPart = isYes(isOf('upperOrDigit', i32.load8(at.get)));
  const isJoint = i32.and(i32.equal(i32.load8(at.get), i32.constant(BLANK)), isYes(isOf('upperOrDigit', i32.load8(at.get, 1))));
  return scope.finish(
    sequence(
      whileTrue(
        i32.and(i32.less(count.get, i32.constant(IBAN_LEAST)), i32.or(isPart, isJoint)),
        sequence(count.set(i32.add(count.get, isPart)), at.set(i32.add(at.get, one))),
      ),
      giveBack(i32.or(i32.equal(count.get, i32.constant(IBAN_LEAST)), i32.atLeast(i32.add(at.get, one), end.get))),
    ),
  );
}

/** (the `@`, end of the text) → whether there is a local part, and a domain with a dot and two bytes behind it, or the text ends before. */
export function isEmail(): WasmFunction {
  const scope = new FunctionScope(['i32', 'i32']);
  const [at, end] = scope.parameters as readonly [Variable, Variable]; // Two types give two parameters.
  const inDomain = (offset: number): Code => isOf('domain', i32.load8(at.get, offset));
  const isDot = i32.equal(i32.load8(at.get), i32.constant(DOT));
  const step = at.set(i32.add(at.get, one));
  return scope.finish(
    sequence(
      when(i32.isZero(isOf('localPart', i32.load8(i32.subtract(at.get, one)))), giveBack(i32.constant(0))),
      step,
      when(i32.isZero(inDomain(0)), giveBack(i32.atLeast(at.get, end.get))),
      // A dot just behind the `@` does not count.
      step,
      whileTrue(inDomain(0), sequence(when(isDot, when(i32.and(inDomain(1), inDomain(2)), giveBack(one))), step)),
      giveBack(i32.atLeast(at.get, end.get)),
    ),
  );
}
