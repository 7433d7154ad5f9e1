import { SallyportError } from '../errors.ts';

/** Whoever decides about new sessions beside us cannot be reached; live sessions go on, new ones are refused for now. */
export class DecisionUnavailable extends SallyportError {
  readonly code = 'decision-unavailable';
}
