/** Where a text has an ESC: in the output of programs there is mostly none, in colours and in compressed bytes there are many. */
import { giveBack, i32, i8x16, sequence, whileTrue, type Variable } from './instructions.ts';
import { TEXT_AT } from './layout.ts';
import { FunctionScope, type WasmFunction } from './module.ts';

export const ESC = 0x1b;
const PLACES = 16;
const PLACE_BYTES = 4;

/** (end of the text, where to write) → where it wrote to: places in the text, an i32 for each. */
export function escapes(): WasmFunction {
  const scope = new FunctionScope(['i32', 'i32']);
  const [end, found] = scope.parameters as readonly [Variable, Variable]; // Two types give two parameters.
  const at = scope.local('i32');
  const ones = scope.local('i32');
  const one = i32.constant(1);
  const place = i32.add(i32.subtract(at.get, i32.constant(TEXT_AT)), i32.trailingZeros(ones.get));
  return scope.finish(
    sequence(
      at.set(i32.constant(TEXT_AT)),
      whileTrue(
        i32.less(at.get, end.get),
        sequence(
          ones.set(i8x16.bitmask(i8x16.equal(i8x16.load(at.get), scope.all(ESC)))),
          whileTrue(
            ones.get,
            sequence(
              i32.store(found.get, place),
              found.set(i32.add(found.get, i32.constant(PLACE_BYTES))),
              ones.set(i32.and(ones.get, i32.subtract(ones.get, one))),
            ),
          ),
          at.set(i32.add(at.get, i32.constant(PLACES))),
        ),
      ),
      giveBack(found.get),
    ),
  );
}
