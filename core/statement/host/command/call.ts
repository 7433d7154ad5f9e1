/** One program as it is run, handed to the shape that understands it. */
import type { Arguments } from './arguments.ts';
import type { Place, Reading } from './reading.ts';
import type { Shape } from './shape.ts';
import type { Value } from './value.ts';

export type Call = {
  /** Without its folder. */
  readonly name: string;
  /** As it is called. */
  readonly called: string;
  /** All that stands after the name. */
  readonly values: readonly Value[];
  readonly place: Place;
  readonly reading: Reading;
  readonly shape: Shape;
  /** By the shape's options. Throws `CommandNotRead`. */
  readonly arguments: () => Arguments;
  /** Uses the operands and the options' values as the shape says. */
  readonly plain: (given: Arguments) => void;
  /** What policy calls it, where its first words say what it does: `systemctl restart`. */
  readonly named: (program: string) => void;
  /** Reads another program, run by this one. */
  readonly runs: (values: readonly Value[], place: Place) => void;
  /** Reads a command line for a shell that this program starts. */
  readonly runsText: (text: string, place: Place) => void;
};
