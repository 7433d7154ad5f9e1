/**
 * Shapes of numbers: US social security numbers, US telephone numbers, payment cards. A
 * shape is a conjunction of words of bits, shifted against each other. Whatever the exact detectors find has its shape here, and
 * needs nothing around it.
 */
import { and, ByteWords, isAny, WORD_BYTES } from './byte-words.ts';
import { call, giveBack, i32, i64, i8x16, sequence, when, whileTrue, type Code, type Variable } from './instructions.ts';
import { bitOf, FOUND_BYTES, KINDS, TEXT_AT, type Kind } from './layout.ts';
import { FunctionScope, type WasmFunction } from './module.ts';

const DIGIT_0 = 0x30;
const BLANK = 0x20;
const DASH = 0x2d;
const PLUS = 0x2b;
const CARD_LEAST_DIGITS = 13;
/** `+1` and ten digits. */
const PLUS_PHONE_DIGITS = 11;

/** A card's first digit is from 2 to 6. */
const beginsCard = (byte: Code): Code => i32.less(i32.subtract(byte, i32.constant(DIGIT_0 + 2)), i32.constant(5));

/** (end of the text, kinds wanted, where to write) → where it wrote to. `cardRun` is the place of the function below. */
export function numberShapes(cardRun: number): WasmFunction {
  const scope = new FunctionScope(['i32', 'i32', 'i32']);
  const [end, wanted, found] = scope.parameters as readonly [Variable, Variable, Variable]; // Three types give three parameters.
  const at = scope.local('i32');
  const nextAt = scope.local('i32');
  const place = scope.local('i32');
  const to = scope.local('i32');
  const ones = scope.local('i64');
  const one = i32.constant(1);

  const write = (kind: Kind, until: Code): Code =>
    sequence(
      i32.store(found.get, i32.constant(KINDS.indexOf(kind))),
      i32.store(found.get, i32.subtract(place.get, i32.constant(TEXT_AT)), 4),
      i32.store(found.get, i32.subtract(until, i32.constant(TEXT_AT)), 8),
      found.set(i32.add(found.get, i32.constant(FOUND_BYTES))),
    );
  /** `body` for each bit of a word, with its byte in `place`. */
  const each = (kind: Kind, value: Code, body: Code): Code =>
    when(
      i32.and(wanted.get, i32.constant(bitOf(kind))),
      sequence(
        ones.set(value),
        whileTrue(
          isAny(ones.get),
          sequence(
            place.set(i32.add(at.get, i64.toI32(i64.trailingZeros(ones.get)))),
            ones.set(i64.and(ones.get, i64.subtract(ones.get, i64.constant(1n)))),
            body,
          ),
        ),
      ),
    );

  const runs = runWords(scope);
  const shapes = shapeWords(scope);
  const afterPlus = i32.equal(i32.load8(i32.subtract(place.get, i32.constant(PLUS_PHONE_DIGITS))), i32.constant(PLUS));
  const goBack = (bytes: number): Code => place.set(i32.subtract(place.get, i32.constant(bytes)));
  const writeShapes = sequence(
    each('us-ssn', shapes.ssn.get, write('us-ssn', i32.add(place.get, one))),
    each('us-phone', shapes.phone.get, write('us-phone', i32.add(place.get, one))),
    each('us-phone', shapes.eleven.first, when(afterPlus, write('us-phone', i32.add(place.get, one)))),
    // Where the digits go on, the run is found below, as far as it goes.
    each(
      'payment-card',
      shapes.thirteen.first,
      sequence(
        goBack(CARD_LEAST_DIGITS - 1),
        when(beginsCard(i32.load8(place.get)), write('payment-card', i32.add(place.get, i32.constant(CARD_LEAST_DIGITS)))),
      ),
    ),
    each(
      'payment-card',
      shapes.joined.first,
      sequence(goBack(CARD_LEAST_DIGITS), to.set(call(cardRun, place.get, end.get)), when(to.get, write('payment-card', to.get))),
    ),
  );
  const readShapes = sequence(shapes.read(at.get), when(isAny(shapes.any), writeShapes), shapes.keep);
  return scope.finish(
    sequence(
      at.set(i32.constant(TEXT_AT)),
      nextAt.set(i32.constant(TEXT_AT)),
      whileTrue(
        i32.less(at.get, end.get),
        sequence(
          runs.read(at.get),
          when(
            isAny(runs.long),
            sequence(
              // Shapes go over the border: those before it are read where they were not.
              when(
                i32.isZero(i32.equal(at.get, nextAt.get)),
                sequence(shapes.read(i32.subtract(at.get, i32.constant(WORD_BYTES))), shapes.keep),
              ),
              readShapes,
              nextAt.set(i32.add(at.get, i32.constant(WORD_BYTES))),
            ),
          ),
          runs.keep,
          at.set(i32.add(at.get, i32.constant(WORD_BYTES))),
        ),
      ),
      giveBack(found.get),
    ),
  );
}

/** Every shape is a run of eleven digits and joints or more: most text has none, and is not looked at further. */
function runWords(scope: FunctionScope) {
  const bytes = new ByteWords(scope);
  const blank = bytes.all(BLANK);
  // From `(` to `9` there is little else: brackets, comma and slash.
  const near = bytes.between(0x28, DIGIT_0 + 9);
  const run = bytes.word(bytes.bits((part) => i8x16.or(near(part), i8x16.equal(part, blank))));
  const run2 = bytes.word(and(run.get, run.behind(1)));
  const run4 = bytes.word(and(run2.get, run2.behind(2)));
  const run8 = bytes.word(and(run4.get, run4.behind(4)));
  return { read: bytes.read, keep: bytes.keep, long: and(run8.get, run8.behind(3)) };
}

function shapeWords(scope: FunctionScope) {
  const bytes = new ByteWords(scope);
  const blank = bytes.all(BLANK);
  const dash = bytes.all(DASH);
  const dot = bytes.all(0x2e);
  const close = bytes.all(0x29);
  const digits = bytes.word(bytes.bits(bytes.between(DIGIT_0, DIGIT_0 + 9)));
  const joints = bytes.word(bytes.bits((part) => i8x16.or(i8x16.equal(part, blank), i8x16.equal(part, dash))));
  const gaps = bytes.word(
    i64.or(
      joints.get,
      bytes.bits((part) => i8x16.or(i8x16.equal(part, dot), i8x16.equal(part, close))),
    ),
  );
  const two = bytes.word(and(digits.get, digits.behind(1)));
  const three = bytes.word(and(two.get, digits.behind(2)));
  const four = bytes.word(and(three.get, digits.behind(3)));
  const eight = bytes.word(and(four.get, four.behind(4)));
  const eleven = bytes.word(and(eight.get, eight.behind(3)));
  // `123-45-6789`
  const ssn = bytes.word(and(four.get, joints.behind(4), two.behind(5), joints.behind(7), three.behind(8)));
  // `212-555-1234`, `(212)555-1234` and `(212) 555-1234`, by what they have in common.
  const phone = bytes.word(and(four.get, gaps.behind(4), three.behind(5), gaps.behind(8), i64.or(three.behind(9), three.behind(10))));
  // A card has thirteen digits, or more bytes than that with single joints among them: a date with an hour behind it has just thirteen.
  const thirteen = bytes.word(and(eight.get, eight.behind(5)));
  const run = bytes.word(i64.or(digits.get, and(joints.get, digits.behind(1))));
  const run2 = bytes.word(and(run.get, run.behind(1)));
  const run4 = bytes.word(and(run2.get, run2.behind(2)));
  const run8 = bytes.word(and(run4.get, run4.behind(4)));
  const joined = bytes.word(and(run8.get, run8.behind(6)));
  return {
    read: bytes.read,
    keep: bytes.keep,
    ssn,
    phone,
    eleven,
    thirteen,
    joined,
    any: [ssn, phone, eleven, joined].map(({ get }) => get).reduce((left, right) => i64.or(left, right)),
  };
}

/**
 * (first digit of a run of digits and single joints, end of the text) → where the run ends, or 0 where it holds no card: none of
 * its digits from 2 to 6 has twelve more behind it. Times of a day, and times in milliseconds, are such runs.
 */
export function cardRun(): WasmFunction {
  const scope = new FunctionScope(['i32', 'i32']);
  const [at, end] = scope.parameters as readonly [Variable, Variable]; // Two types give two parameters.
  const byte = scope.local('i32');
  const digits = scope.local('i32');
  /** Counted from 1. */
  const firstOfCard = scope.local('i32');
  const one = i32.constant(1);
  const isDigit = (value: Code): Code => i32.less(i32.subtract(value, i32.constant(DIGIT_0)), i32.constant(10));
  const isJoint = i32.or(i32.equal(byte.get, i32.constant(BLANK)), i32.equal(byte.get, i32.constant(DASH)));
  const afterDigit = isDigit(i32.load8(i32.subtract(at.get, one)));
  const read = byte.set(i32.load8(at.get));
  const body = sequence(
    read,
    whileTrue(
      i32.and(i32.less(at.get, end.get), i32.or(isDigit(byte.get), i32.and(isJoint, afterDigit))),
      sequence(
        when(
          isDigit(byte.get),
          sequence(
            digits.set(i32.add(digits.get, one)),
            when(i32.and(i32.isZero(firstOfCard.get), beginsCard(byte.get)), firstOfCard.set(digits.get)),
          ),
        ),
        at.set(i32.add(at.get, one)),
        read,
      ),
    ),
    when(
      i32.and(
        i32.greater(firstOfCard.get, i32.constant(0)),
        i32.atLeast(i32.subtract(i32.add(digits.get, one), firstOfCard.get), i32.constant(CARD_LEAST_DIGITS)),
      ),
      giveBack(at.get),
    ),
    giveBack(i32.constant(0)),
  );
  return scope.finish(body);
}
