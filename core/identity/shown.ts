/** What an agent has shown, handed on to whoever verifies it again: nobody beside the proxy takes its word. */
import { decodeProof, encodeProof, type CertificateProof } from '../ssh/certificate-proof.ts';

export type Shown =
  | { readonly kind: 'token'; readonly token: string }
  /** On hosts only. */
  | { readonly kind: 'certificate'; readonly proof: CertificateProof };

const MAX_TOKEN_CHARACTERS = 16_384;

/** As fields of a request: `token`, or `certificate`. */
export function shownFields(shown: Shown): Readonly<Record<string, unknown>> {
  return shown.kind === 'token' ? { token: shown.token } : { certificate: encodeProof(shown.proof) };
}

/** Undefined where a request has neither of them, both, or one that cannot be read. */
export function readShown({ token, certificate }: Readonly<Record<string, unknown>>): Shown | undefined {
  if (certificate === undefined) {
    return typeof token === 'string' && token !== '' && token.length <= MAX_TOKEN_CHARACTERS ? { kind: 'token', token } : undefined;
  }
  const proof = token === undefined ? decodeProof(certificate) : undefined;
  return proof === undefined ? undefined : { kind: 'certificate', proof };
}
