import { SallyportError } from '../errors.ts';

/** The message names the target and where its credential should come from, never what was found there. */
export class CredentialUnavailable extends SallyportError {
  readonly code = 'credential-unavailable';
  /** Whether the same login may get one in a moment: nobody refused, but nobody answered either. */
  readonly retry: boolean;

  constructor(message: string, options: ErrorOptions & { readonly retry?: boolean } = {}) {
    super(message, options);
    this.retry = options.retry ?? false;
  }
}
