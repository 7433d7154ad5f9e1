import { SallyportError } from '../errors.ts';

/** The message names the target and where its credential should come from, never what was found there. */
export class CredentialUnavailable extends SallyportError {
  readonly code = 'credential-unavailable';
}
