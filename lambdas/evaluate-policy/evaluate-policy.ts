/** May the agent with this token open a session on this target: decided apart from the proxy, under the bundle it names. */
import { TokenRefused } from '../../core/identity/token-refused.ts';
import { connectAnswer, type ConnectAnswer, type OtherVersion, type TokenNotTaken } from '../../core/policy/connect-answer.ts';
import type { Bundle } from '../../core/policy/bundle.ts';
import type { Principal } from '../../core/principal.ts';
import type { DecidingPorts } from './ports.ts';

export type SessionQuestion = {
  readonly token: string;
  readonly target: string;
  /** The bundle under which the proxy would open the session. */
  readonly version: string;
};

export function evaluatePolicy(ports: DecidingPorts, question: SessionQuestion): Promise<ConnectAnswer> {
  return underVersion(ports, question, (bundle, principal) => connectAnswer(bundle, principal, question.target));
}

/** Verifies the token itself; answers only under the version that is asked for. */
export async function underVersion<A>(
  ports: DecidingPorts,
  question: SessionQuestion,
  answer: (bundle: Bundle, principal: Principal) => A,
): Promise<A | OtherVersion | TokenNotTaken> {
  const { config, bundle } = await ports.inForce();
  if (bundle.version !== question.version) return { kind: 'other-version', version: bundle.version };
  let principal: Principal;
  try {
    principal = await ports.verify(config, question.token);
  } catch (error) {
    // An issuer that does not answer says nothing about the token: whoever asks may ask again.
    if (!(error instanceof TokenRefused) || error.refusal === 'keys-unavailable') throw error;
    return { kind: 'token-refused', reason: error.refusal };
  }
  if (principal.expiresAtMs <= ports.now()) return { kind: 'token-refused', reason: 'expired' };
  return answer(bundle, principal);
}
