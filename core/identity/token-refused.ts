import { SallyportError } from '../errors.ts';

/** Why, for the record of refused sessions only; clients learn no more than that it was refused. */
export type TokenRefusal =
  | 'malformed'
  | 'too-long'
  | 'issuer'
  | 'keys-unavailable'
  | 'algorithm'
  | 'signature'
  | 'audience'
  | 'no-expiry'
  | 'expired'
  | 'not-yet-valid'
  | 'issued-in-future'
  | 'subject'
  | 'actor'
  | 'person'
  | 'groups'
  | 'sender-constrained';

/** A token that proves nothing. The message is the same for every reason, since a reason would help a forger. */
export class TokenRefused extends SallyportError {
  readonly code = 'token-refused';
  readonly refusal: TokenRefusal;

  constructor(refusal: TokenRefusal, options?: ErrorOptions) {
    super('The token was refused', options);
    this.refusal = refusal;
  }
}
