/** An error of the Amazon States Language: what `Retry` and `Catch` compare, and what a failed execution names. */
export class StateFailure extends Error {
  readonly errorName: string;
  readonly causeText: string;

  constructor(errorName: string, causeText: string) {
    super(`${errorName}: ${causeText}`);
    this.errorName = errorName;
    this.causeText = causeText;
  }
}

/** The definition uses something that this interpreter does not know: never guessed, always an error of the test. */
export class UnknownToInterpreter extends Error {}
