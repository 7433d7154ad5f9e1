/** Detectors on a file that passes: nothing is changed, matches are counted, also those that packets cut. */
import type { DetectorSet } from './detectors.ts';
import { StreamRedactor } from './stream-redactor.ts';

export class StreamScanner {
  private readonly redactor: StreamRedactor;
  private count = 0;

  constructor(set: DetectorSet) {
    this.redactor = new StreamRedactor(set);
  }

  /** Matches so far. */
  get found(): number {
    return this.count;
  }

  /** The next bytes of the file; how many matches are certain now that were not before. */
  scan(bytes: Buffer): number {
    const { detected } = this.redactor.push(bytes);
    this.count += detected;
    return detected;
  }

  /** How many more there would be if the file ended here. */
  ending(): number {
    return this.redactor.ending();
  }

  /** The end of the file: matches in what was not certain yet. */
  finish(): number {
    const { detected } = this.redactor.flush();
    this.count += detected;
    return detected;
  }
}
