/** Makes the files of a configuration a signed bundle that can be activated. It changes nothing that is in force. */
import { bundleSigner, signInDemand, type SignInDemand } from '../../core/config/bundle-signers.ts';
import type { ConfigError } from '../../core/config/config-error.ts';
import { unfitForAws } from '../../core/config/fit-for-aws.ts';
import {
  BUNDLE_FORMAT,
  BundleRefused,
  bundleText,
  filesDigest,
  MAX_BUNDLE_BYTES,
  readPublished,
  SEED_PUBLISHER,
  type PublishedBundle,
} from '../../core/config/published-bundle.ts';
import { carriesNoRule } from '../../core/config/read-config.ts';
import type { PublishPorts } from './ports.ts';

export type PublishRequest = {
  readonly files: Readonly<Record<string, string>>;
  /** Issued to the publisher for this version; without it the answer says where to get one. */
  readonly idToken?: string;
  /** The first bundle of an instance, by whoever deployed it: nobody can sign in yet. */
  readonly seed?: boolean;
};

export type PublishAnswer =
  | { readonly kind: 'invalid'; readonly errors: readonly ConfigError[] }
  | { readonly kind: 'sign-in'; readonly version: string; readonly signIn: SignInDemand }
  | { readonly kind: 'refused'; readonly reason: string }
  /** `already`: the same content had been published before, by whom it says. */
  | { readonly kind: 'published'; readonly version: string; readonly publishedBy: string; readonly already: boolean };

/** Throws BundleRefused where what stands in the bucket or the table cannot be trusted, and what the ports throw. */
export async function publishBundle(ports: PublishPorts, request: PublishRequest): Promise<PublishAnswer> {
  const files = Object.fromEntries(Object.entries(request.files).filter(([path]) => !carriesNoRule(path)));
  const bytes = Object.entries(files).reduce((sum, [path, text]) => sum + Buffer.byteLength(path) + Buffer.byteLength(text), 0);
  if (bytes > MAX_BUNDLE_BYTES) return { kind: 'refused', reason: `the files have ${bytes} bytes, more than ${MAX_BUNDLE_BYTES}` };
  const reading = readPublished(files);
  if ('errors' in reading) return { kind: 'invalid', errors: reading.errors };
  const { config } = reading;
  const unfit = unfitForAws(files, config);
  if (unfit.length > 0) return { kind: 'invalid', errors: unfit };

  const inForce = await ports.inForce();
  if (request.seed === true) {
    if (inForce !== undefined)
      return { kind: 'refused', reason: `bundle ${inForce.pointer.version} is in force: only the first bundle is a seed` };
    return store(ports, files, config.version, SEED_PUBLISHER);
  }
  // Whose word counts is said by the bundle in force, not by the one that asks to follow it.
  const trusted = inForce?.config ?? config;
  const v = inForce?.v ?? 0;
  const signIn = signInDemand(trusted, 'publish', config.version, v);
  if (signIn === undefined) return { kind: 'refused', reason: 'no issuer has approverClientIds, so nobody can sign in to publish' };
  const { idToken } = request;
  if (idToken === undefined) return { kind: 'sign-in', version: config.version, signIn };
  const asked = { step: 'publish', version: config.version, inForce: v, idToken, atMs: ports.now() } as const;
  const signer = await bundleSigner(trusted, asked, ports.verifier(trusted));
  if (!signer.ok) return { kind: 'refused', reason: signer.reason };
  return store(ports, files, config.version, signer.person.person);
}

async function store(
  ports: PublishPorts,
  files: Readonly<Record<string, string>>,
  version: string,
  publishedBy: string,
): Promise<PublishAnswer> {
  const content = { version, files, publishedBy, publishedAtMs: ports.now() };
  const signature = (await ports.sign(bundleText(content))).toString('base64');
  const bundle: PublishedBundle = { format: BUNDLE_FORMAT, ...content, signature };
  if ((await ports.put(version, JSON.stringify(bundle))) === 'stored') return { kind: 'published', version, publishedBy, already: false };
  const { bundle: known } = await ports.open(version);
  // A version is 64 bits of a hash: whoever found two contents of one version must not have the one pass for the other.
  if (filesDigest(known.files) !== filesDigest(files)) throw new BundleRefused(`other files were published as ${version}`);
  return { kind: 'published', version, publishedBy: known.publishedBy, already: true };
}
