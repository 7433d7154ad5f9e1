/** The key by which clients know this gateway. */
import { generateKeyPairSync } from 'node:crypto';
import ssh2 from 'ssh2';
import { fingerprint, parsePublicKey } from '../../core/config/ssh-public-key.ts';
import { openSshPrivateKey } from '../../core/credential/openssh-private-key.ts';
import { SallyportError } from '../../core/errors.ts';

/** A host key that is none, or of a kind that is not used. The message repeats nothing of it. */
export class HostKeyUnusable extends SallyportError {
  readonly code = 'host-key-unusable';
}

export type HostKey = {
  /** In OpenSSH's own form. */
  readonly privateKey: string;
  /** `ssh-ed25519 AAAA…`: what follows the name in a line of `known_hosts`. */
  readonly publicKey: string;
  /** `SHA256:…` */
  readonly fingerprint: string;
};

const TYPE = 'ssh-ed25519';

/** The key in this text, with what clients pin. Throws HostKeyUnusable. */
export function readHostKey(text: string, where: string): HostKey {
  const key = ssh2.utils.parseKey(text);
  if (key instanceof Error || !key.isPrivateKey() || key.type !== TYPE)
    throw new HostKeyUnusable(`${where} is no private ${TYPE} key without a passphrase: make one with ssh-keygen -t ed25519 -N ''`);
  const publicKey = `${TYPE} ${key.getPublicSSH().toString('base64')}`;
  const blob = parsePublicKey(publicKey)?.blob;
  if (blob === undefined) throw new HostKeyUnusable(`${where} holds a key that cannot be shown`);
  return { privateKey: text, publicKey, fingerprint: fingerprint(blob) };
}

/** A new one. ssh2's own generator drops zeros at the beginning of a key, and makes a broken one now and then. */
export function makeHostKey(): HostKey {
  return readHostKey(openSshPrivateKey(generateKeyPairSync('ed25519').privateKey), 'the new host key');
}

/** The line for `known_hosts`: other ports than 22 are written with brackets. */
export function knownHostsLine(host: string, port: number, publicKey: string): string {
  return `${port === 22 ? host : `[${host}]:${port}`} ${publicKey}`;
}
