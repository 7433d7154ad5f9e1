/** May the agent who has shown this open a session on this target: decided apart from the proxy, under the bundle it names. */
import type { Shown } from '../../core/identity/shown.ts';
import { connectAnswer, type ConnectAnswer, type OtherVersion, type TokenNotTaken } from '../../core/policy/connect-answer.ts';
import type { Bundle } from '../../core/policy/bundle.ts';
import type { Principal } from '../../core/principal.ts';
import type { DecidingPorts } from './ports.ts';
import { whoAsks } from './who-asks.ts';

export type SessionQuestion = {
  readonly shown: Shown;
  readonly target: string;
  /** The bundle under which the proxy would open the session. */
  readonly version: string;
};

export function evaluatePolicy(ports: DecidingPorts, question: SessionQuestion): Promise<ConnectAnswer> {
  return underVersion(ports, question, (bundle, principal) => connectAnswer(bundle, principal, question.target));
}

/** Verifies what was shown itself; answers only under the version that is asked for. */
export async function underVersion<A>(
  ports: DecidingPorts,
  question: SessionQuestion,
  answer: (bundle: Bundle, principal: Principal) => A,
): Promise<A | OtherVersion | TokenNotTaken> {
  const { config, bundle } = await ports.inForce();
  if (bundle.version !== question.version) return { kind: 'other-version', version: bundle.version };
  const asks = await whoAsks(ports, config, question.shown, question.target);
  if (asks.kind === 'refused') return { kind: 'token-refused', reason: asks.reason };
  if (asks.principal.expiresAtMs <= ports.now()) return { kind: 'token-refused', reason: 'expired' };
  return answer(bundle, asks.principal);
}
