/**
 * Signed tree heads: C2SP tlog-checkpoint in a C2SP signed-note, with ECDSA P-256 over SHA-256 (signature type 0x02, whose
 * key id is the start of the SHA-256 of the SubjectPublicKeyInfo). Read strictly: exactly one signature, exactly one way to
 * write it, no extension lines, so that no byte of a checkpoint can change unseen.
 */
import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto';

/** Who signs checkpoints: a local key on one machine, KMS on AWS. */
export interface Signer {
  /** `keyFingerprint` of the public key. */
  readonly keyId: string;
  readonly publicKeyPem: string;
  /** ECDSA P-256 over SHA-256 of the bytes, DER. */
  sign(bytes: Buffer): Promise<Buffer>;
}

export type TreeHead = {
  /** `sallyport/<instance>` */
  readonly origin: string;
  readonly size: number;
  readonly root: Buffer;
};

export type Checkpoint = TreeHead & {
  /** First eight hex digits of the fingerprint of the key that signed. */
  readonly keyHint: string;
  readonly signature: Buffer;
  /** What is signed. */
  readonly text: string;
};

/** A key that checkpoints may be signed with. */
export type TrustedKey = { readonly fingerprint: string; readonly key: KeyObject };

const DASH = '\u2014';

export function treeHeadText(head: TreeHead): string {
  return `${head.origin}\n${head.size}\n${head.root.toString('base64')}\n`;
}

export function checkpointNote(head: TreeHead, keyId: string, signature: Buffer): string {
  const signed = Buffer.concat([Buffer.from(keyId.slice(0, 8), 'hex'), signature]);
  return `${treeHeadText(head)}\n${DASH} ${head.origin} ${signed.toString('base64')}\n`;
}

/** Undefined where the text is not exactly a checkpoint as `checkpointNote` writes it. */
export function parseCheckpoint(note: string): Checkpoint | undefined {
  const match = /^([^\s+]+)\n(0|[1-9]\d{0,14})\n([A-Za-z0-9+/]{43}=)\n\n\u2014 ([^\s+]+) ([A-Za-z0-9+/]+={0,2})\n$/u.exec(note);
  if (match === null) return undefined;
  const [, origin = '', size = '', root = '', name = '', signed = ''] = match;
  const bytes = Buffer.from(signed, 'base64');
  const head = { origin, size: Number(size), root: Buffer.from(root, 'base64') };
  const keyHint = bytes.subarray(0, 4).toString('hex');
  const signature = bytes.subarray(4);
  if (name !== origin || checkpointNote(head, keyHint, signature) !== note) return undefined;
  return { ...head, keyHint, signature, text: treeHeadText(head) };
}

/** SHA-256 of the SubjectPublicKeyInfo, hex: what people pin, and the name of the key's file. */
export function keyFingerprint(key: KeyObject): string {
  return createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('hex');
}

/** Reads a public key in PEM; undefined where it is none, or not P-256. */
export function trustedKey(pem: string): TrustedKey | undefined {
  try {
    const key = createPublicKey(pem);
    if (key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') return undefined;
    return { fingerprint: keyFingerprint(key), key };
  } catch {
    return undefined;
  }
}

/** The key among these that signed, or undefined. */
export function signedBy(checkpoint: Checkpoint, keys: readonly TrustedKey[]): TrustedKey | undefined {
  return keys.find(
    ({ fingerprint, key }) =>
      fingerprint.startsWith(checkpoint.keyHint) && verify('sha256', Buffer.from(checkpoint.text), key, checkpoint.signature),
  );
}
