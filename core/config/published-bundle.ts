/**
 * A published bundle: the files of a configuration as one signed object, named by its version. It is signed by the key for bundles
 * (ECDSA P-256), which only `publish-bundle` and `activate-bundle` may use, so that whoever can write the bucket or the control
 * table can still put nothing in force.
 */
import { createHash, createPublicKey, verify, type KeyObject } from 'node:crypto';
import { SallyportError } from '../errors.ts';
import { canonicalJson } from '../evidence/canonical-json.ts';
import type { PersonKey } from '../principal.ts';
import type { BundlePointer } from '../state/control.ts';
import type { ConfigError } from './config-error.ts';
import { formatConfigError } from './config-error.ts';
import type { Config } from './config.ts';
import { readConfig } from './read-config.ts';

export const BUNDLE_FORMAT = 'sallyport-bundle/1';

/** A Lambda takes 6 MB; a configuration that people review is far smaller. */
export const MAX_BUNDLE_BYTES = 4 * 1024 * 1024;

/** Of the object that holds it: JSON escapes and the signature come on top of the files. */
const MAX_OBJECT_BYTES = 2 * MAX_BUNDLE_BYTES;

/** Who a bundle says it is from when the deployer published it before anybody could sign in. */
export const SEED_PUBLISHER = 'seed';

export type BundleContent = {
  readonly version: string;
  /** Path below the configuration directory → text. */
  readonly files: Readonly<Record<string, string>>;
  readonly publishedBy: PersonKey;
  readonly publishedAtMs: number;
};

export type PublishedBundle = BundleContent & {
  readonly format: typeof BUNDLE_FORMAT;
  /** ECDSA P-256 over SHA-256 of `bundleText`, DER, base64. */
  readonly signature: string;
};

/** The object is missing, was changed, is not signed by our key, or does not hold what its name says. */
export class BundleRefused extends SallyportError {
  readonly code = 'bundle-refused';
}

/** Where the object of a version stands in the configuration's bucket. */
export function bundleKey(version: string): string {
  return `bundles/${version}.json`;
}

/** Whether its store says that this may be the object of a bundle, before any of it is read. */
export function isBundleLength(bytes: number | undefined): boolean {
  return bytes !== undefined && bytes <= MAX_OBJECT_BYTES;
}

/** The public key for bundles from its DER, as KMS gives it. Throws BundleRefused. */
export function bundlePublicKey(der: Uint8Array | undefined): KeyObject {
  if (der === undefined) throw new BundleRefused('KMS gave no public key for bundles');
  const key = createPublicKey({ key: Buffer.from(der), format: 'der', type: 'spki' });
  if (key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') throw new BundleRefused('the key for bundles is not of the curve P-256');
  return key;
}

/** Versions come from a table and from people: nothing else becomes part of an object's name. */
export function isBundleVersion(text: string): boolean {
  return /^b-[0-9a-f]{16}$/.test(text);
}

/** SHA-256 (hex) of all files: the version names the content for people, this one for checks. */
export function filesDigest(files: Readonly<Record<string, string>>): string {
  return createHash('sha256').update(canonicalJson(files)).digest('hex');
}

/** What is signed for a bundle: short, since KMS takes 4,096 bytes, and whole by its digest. */
export function bundleText({ version, files, publishedBy, publishedAtMs }: BundleContent): string {
  return `${BUNDLE_FORMAT}\npublished\n${version}\n${filesDigest(files)}\n${JSON.stringify(publishedBy)}\n${publishedAtMs}\n`;
}

/** What is signed for an activation: a pointer without it, or of other content, puts nothing in force. */
export function activationText({ version, digest, activatedBy, activatedAtMs }: Omit<BundlePointer, 'signature'>): string {
  return `${BUNDLE_FORMAT}\nactivated\n${version}\n${digest}\n${JSON.stringify(activatedBy)}\n${activatedAtMs}\n`;
}

/**
 * The `nonce` of the ID token by which a person publishes a version, or activates it. The sign-in is for this version, this step and
 * the state it was read in (`inForce`: version of the pointer's item), so that it can be used neither for another nor once more.
 */
export function bundleNonce(step: 'publish' | 'activate', version: string, inForce: number): string {
  return createHash('sha256').update(`${BUNDLE_FORMAT}\n${step}\n${version}\n${inForce}`).digest('base64url');
}

/** Reads an object as it came from the bucket. Throws BundleRefused. */
export function parseBundle(text: string): PublishedBundle {
  const { format, version, files, publishedBy, publishedAtMs, signature } = recordOf(parsed(text, 'the published bundle'));
  const content = textsOf(files);
  if (
    format !== BUNDLE_FORMAT ||
    typeof version !== 'string' ||
    content === undefined ||
    typeof publishedBy !== 'string' ||
    typeof publishedAtMs !== 'number' ||
    typeof signature !== 'string'
  ) {
    throw new BundleRefused('the object is no published bundle of a format that is known');
  }
  return { format, version, files: content, publishedBy, publishedAtMs, signature };
}

/** Whether the key for bundles signed this text. */
export function isSigned(text: string, signature: string, key: KeyObject): boolean {
  try {
    return verify('sha256', Buffer.from(text), key, Buffer.from(signature, 'base64'));
  } catch {
    // Bytes that are no signature at all are no signature of this text.
    return false;
  }
}

/**
 * The configuration in a bundle, after every check: the signature, that the object is the one asked for, that its content has this
 * version, and that it validates. Throws BundleRefused.
 */
export function openBundle(text: string, version: string, key: KeyObject): { readonly bundle: PublishedBundle; readonly config: Config } {
  const bundle = parseBundle(text);
  if (!isSigned(bundleText(bundle), bundle.signature, key))
    throw new BundleRefused(`the bundle ${version} is not signed by the key for bundles`);
  if (bundle.version !== version) throw new BundleRefused(`the object of ${version} holds ${bundle.version}`);
  const reading = readPublished(bundle.files);
  if ('errors' in reading)
    throw new BundleRefused(`the bundle ${version} does not validate: ${reading.errors.map(formatConfigError).join(' ')}`);
  if (reading.config.version !== version) throw new BundleRefused(`the content of ${version} has the version ${reading.config.version}`);
  return { bundle, config: reading.config };
}

/** Checks and reads the files of a bundle. `${NAME}` has no environment here: only its default counts. */
export function readPublished(
  files: Readonly<Record<string, string>>,
): { readonly config: Config } | { readonly errors: readonly ConfigError[] } {
  return readConfig(new Map(Object.entries(files)), {});
}

/** Reads the control table's item. Throws BundleRefused where it was not signed as an activation. */
export function openPointer(value: unknown, key: KeyObject): BundlePointer {
  const { version, digest, activatedBy, activatedAtMs, signature } = recordOf(value);
  if (
    typeof version !== 'string' ||
    !isBundleVersion(version) ||
    typeof digest !== 'string' ||
    typeof activatedBy !== 'string' ||
    typeof activatedAtMs !== 'number' ||
    typeof signature !== 'string'
  ) {
    throw new BundleRefused('the item that names the bundle in force has not its shape');
  }
  const pointer = { version, digest, activatedBy, activatedAtMs, signature };
  if (!isSigned(activationText(pointer), signature, key))
    throw new BundleRefused(`the activation of ${version} is not signed by the key for bundles`);
  return pointer;
}

function parsed(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new BundleRefused(`${what} is not JSON`, { cause });
  }
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};
}

/** The files of an event or an object: a record of texts, or undefined. */
export function textsOf(value: unknown): Readonly<Record<string, string>> | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const entries = Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string');
  return entries.length === Object.keys(value).length ? Object.fromEntries(entries) : undefined;
}
