/** Who may open a session on what: the same for every protocol. */
import { principalName, type Principal } from '../../core/principal.ts';
import type { Shown } from '../../core/identity/shown.ts';
import type { Bundle } from '../../core/policy/bundle.ts';
import type { Target } from '../../core/target.ts';
import type { BundleSource, Clock, Control, TokenVerifier } from '../ports.ts';
import type { Opinion, SecondOpinion } from './second-opinion.ts';

export type Admission<T extends Target> =
  | {
      readonly kind: 'admitted';
      readonly principal: Principal;
      readonly target: T;
      readonly bundle: Bundle;
      readonly policies: readonly string[];
    }
  /**
   * `reason` is for the recording and the operator: the client learns only that it was not let in, unless `locked`. `retry`: nobody
   * said no, but nobody could say yes, and the same token may be taken in a moment.
   */
  | {
      readonly kind: 'refused';
      readonly reason: string;
      readonly principal?: string;
      readonly locked?: true;
      readonly retry?: true;
    };

export type AdmissionPorts = {
  readonly tokens: TokenVerifier;
  readonly bundles: BundleSource;
  readonly control: Control;
  readonly clock: Clock;
  /** Absent where everything is one process. */
  readonly secondOpinion?: Pick<SecondOpinion, 'of'>;
};

/** A bundle reaches every process within 5 s; who asks in between waits for the other one. */
const VERSIONS_MEET_MS = 5_000;
const ASK_AGAIN_MS = 500;

/** How somebody has shown who they are: by a token, or by a certificate that the listener has verified and that names a principal. */
export type Identity =
  | (Shown & { readonly kind: 'token' })
  | (Shown & { readonly kind: 'certificate' } & { readonly principal: Principal });

/**
 * Verifies the token, then asks policy whether this principal may connect to the target that `find` has by this name. Never
 * rejects.
 */
export async function admit<T extends Target>(
  ports: AdmissionPorts,
  identity: Identity,
  targetName: string,
  find: (name: string) => T | undefined,
): Promise<Admission<T>> {
  let principal: Principal;
  try {
    principal = identity.kind === 'token' ? await ports.tokens.verify(identity.token) : identity.principal;
  } catch (error) {
    return { kind: 'refused', reason: error instanceof Error ? error.message : 'the token was refused' };
  }
  const name = principalName(principal);
  const untilMs = ports.clock.now() + VERSIONS_MEET_MS;
  for (;;) {
    if (principal.expiresAtMs <= ports.clock.now()) return { kind: 'refused', reason: `the ${identity.kind} has expired`, principal: name };
    const locked = ports.control.refusal(principal);
    if (locked !== undefined) return { kind: 'refused', reason: locked, principal: name, locked: true };
    const target = find(targetName);
    if (target === undefined) return { kind: 'refused', reason: `no target is called "${targetName}"`, principal: name };
    const bundle = ports.bundles.current();
    const decision = bundle.policies.mayConnect(principal, target.name);
    if (decision.kind !== 'permit') return { kind: 'refused', reason: decision.reason, principal: name };
    const opinion = await opinionOn(ports, identity, principal, target.name, bundle);
    switch (opinion.kind) {
      case 'agrees':
        return { kind: 'admitted', principal, target, bundle, policies: decision.policies };
      case 'disagrees':
        return { kind: 'refused', reason: opinion.reason, principal: name };
      case 'unavailable':
        return { kind: 'refused', reason: opinion.reason, principal: name, retry: true };
      case 'other-version':
        if (ports.clock.now() >= untilMs) {
          const reason = `bundle ${bundle.version} is in force here, but ${opinion.version} beside the proxy`;
          return { kind: 'refused', reason, principal: name, retry: true };
        }
        await new Promise<void>((resolve) => {
          ports.clock.after(ASK_AGAIN_MS, resolve);
        });
    }
  }
}

/** Whoever is asked beside the proxy verifies the token or the certificate itself. */
async function opinionOn(
  { secondOpinion }: Pick<AdmissionPorts, 'secondOpinion'>,
  identity: Identity,
  principal: Principal,
  target: string,
  bundle: Bundle,
): Promise<Opinion> {
  if (secondOpinion === undefined) return AGREED;
  return secondOpinion.of(identity, principal, target, bundle);
}

const AGREED: Opinion = { kind: 'agrees' };
