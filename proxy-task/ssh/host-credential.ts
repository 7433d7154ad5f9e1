/** What the gateway logs in to a host with: a private key, alone or with a certificate over it. */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import ssh2 from 'ssh2';
import type { ParsedKey } from 'ssh2';
import { CredentialUnavailable } from '../../core/credential/credential-unavailable.ts';
import { openSshPrivateKey } from '../../core/credential/openssh-private-key.ts';

/** The key as the transport takes it. Throws CredentialUnavailable, whose message has nothing of the key. */
export function readPrivateKey(text: string, target: string): ParsedKey {
  let key: ParsedKey | Error = ssh2.utils.parseKey(text);
  if (key instanceof Error) key = ssh2.utils.parseKey(converted(text, target));
  if (key instanceof Error || !key.isPrivateKey()) throw noKey(target);
  return key;
}

/** PKCS #8 is what most programs write, and the one form that the transport does not read. */
function converted(text: string, target: string): string {
  let key: KeyObject;
  try {
    key = createPrivateKey(text);
  } catch {
    // The cause may hold parts of the key.
    throw noKey(target);
  }
  const kind = key.asymmetricKeyType;
  if (kind === 'rsa') return key.export({ type: 'pkcs1', format: 'pem' }).toString();
  if (kind === 'ec') return key.export({ type: 'sec1', format: 'pem' }).toString();
  if (kind === 'ed25519') return openSshPrivateKey(key);
  throw noKey(target);
}

function noKey(target: string): CredentialUnavailable {
  return new CredentialUnavailable(
    `target "${target}": the credential is no private key that is read here: OpenSSH's form or PEM, of Ed25519, ECDSA or RSA, without a passphrase`,
  );
}
