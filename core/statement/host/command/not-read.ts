import { SallyportError } from '../../../errors.ts';

/** A command line has something that is not read; whoever reads it takes the whole line as opaque. `at` is in UTF-16 units. */
export class CommandNotRead extends SallyportError {
  readonly code = 'command-not-read';
  readonly at: number | undefined;

  constructor(message: string, at?: number) {
    super(message);
    this.at = at;
  }
}
