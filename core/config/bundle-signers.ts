/** The people who publish and activate bundles: signed in at an issuer of approvers, for one version and one step. */
import { stillFresh, type VerifiedIdToken, type VerifyIdToken } from '../approval/votes.ts';
import type { Config } from './config.ts';
import { bundleNonce } from './published-bundle.ts';

export type BundleStep = 'publish' | 'activate';

/** Where to sign in, and for what. */
export type SignInDemand = { readonly issuer: string; readonly clientId: string; readonly nonce: string };

/** Names in `approverGroups` that, where they are there, say who may do a step besides who may invoke the function. */
const STEP_GROUP = { publish: 'publishers', activate: 'activators' } as const;

/** Undefined where the configuration has no issuer at which people sign in. */
export function signInDemand(
  config: Pick<Config, 'issuers'>,
  step: BundleStep,
  version: string,
  inForce: number,
): SignInDemand | undefined {
  const issuer = config.issuers.find(({ approverClientIds }) => approverClientIds.length > 0);
  // The command's own client comes last, as for approvals.
  const clientId = issuer?.approverClientIds.at(-1);
  if (issuer === undefined || clientId === undefined) return undefined;
  return { issuer: issuer.issuer, clientId, nonce: bundleNonce(step, version, inForce) };
}

export type Signer = { readonly ok: true; readonly person: VerifiedIdToken } | { readonly ok: false; readonly reason: string };

/** Who this ID token says does this step, at `atMs`; `config` is the one whose word on people counts. */
export async function bundleSigner(
  config: Pick<Config, 'approverGroups'>,
  asked: { readonly step: BundleStep; readonly version: string; readonly inForce: number; readonly idToken: string; readonly atMs: number },
  verify: VerifyIdToken,
): Promise<Signer> {
  const { step, version, inForce, idToken, atMs } = asked;
  let person: VerifiedIdToken;
  try {
    person = await verify(idToken, { nonce: bundleNonce(step, version, inForce), atMs });
  } catch {
    // Which check failed helps only a forger; the sign-in can simply be repeated.
    return { ok: false, reason: `the sign-in is not valid to ${step} ${version}: sign in again` };
  }
  const fresh = stillFresh(person, atMs);
  if (!fresh.ok) return fresh;
  const group = config.approverGroups.get(STEP_GROUP[step]);
  if (group !== undefined && !person.groups.includes(group)) return { ok: false, reason: `to ${step} needs the group ${group}` };
  return { ok: true, person };
}
