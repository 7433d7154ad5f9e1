import { createHash } from 'node:crypto';

/**
 * The `nonce` of a sign-in as operator of the console at this address (no slash at the end): SHA-256 in base64url. What was
 * signed for one approval is no operator's token, an operator's token is no vote, and neither is good at another console.
 */
export function operatorNonce(publicUrl: string): string {
  return createHash('sha256').update(`sallyport operator\n${publicUrl}`).digest('base64url');
}
