/** Who asks for a session, by what the agent itself has shown: the proxy that hands it on is not asked. */
import type { Config } from '../../core/config/config.ts';
import type { Shown } from '../../core/identity/shown.ts';
import { TokenRefused } from '../../core/identity/token-refused.ts';
import type { Principal } from '../../core/principal.ts';
import { judgeProof } from '../../core/ssh/certificate-proof.ts';
import { findHost } from '../../core/target.ts';

export type VerifyingPorts = {
  /** Verifies an agent's token under that configuration. Throws TokenRefused. */
  readonly verify: (config: Config, token: string) => Promise<Principal>;
  readonly now: () => number;
};

export type WhoAsks =
  | {
      readonly kind: 'known';
      readonly principal: Principal;
      /** The one account of the host that was logged in to; undefined where any of the target's may be asked for. */
      readonly account?: string;
      /** Extensions of certificates that the agent's own did not have. */
      readonly without: readonly string[];
    }
  | { readonly kind: 'refused'; readonly reason: string };

const RESTRICTABLE = ['permit-pty', 'permit-port-forwarding'];

/** Rejects where an issuer does not answer: that says nothing about the token, and whoever asks may ask again. */
export async function whoAsks(ports: VerifyingPorts, config: Config, shown: Shown, target: string): Promise<WhoAsks> {
  if (shown.kind === 'token') {
    try {
      return { kind: 'known', principal: await ports.verify(config, shown.token), without: [] };
    } catch (error) {
      if (!(error instanceof TokenRefused) || error.refusal === 'keys-unavailable') throw error;
      return { kind: 'refused', reason: error.refusal };
    }
  }
  // A signature that an agent gave to log in to a host opens nothing else.
  if (findHost(config.targets, target) === undefined) return { kind: 'refused', reason: 'a certificate is for hosts alone' };
  const answer = judgeProof(shown.proof, {
    authorities: config.sshUserCas,
    agents: config.agents,
    defaultAccount: (name) => findHost(config.targets, name)?.accounts[0],
    nowMs: ports.now(),
  });
  if (answer.kind === 'refused') return answer;
  // The key has signed for one target: whoever holds its signature cannot use it for another.
  if (answer.targetName !== target) return { kind: 'refused', reason: 'the login is for another target' };
  if (answer.account === undefined) return { kind: 'refused', reason: 'the login names no account' };
  const { extensions } = answer.certificate;
  return {
    kind: 'known',
    principal: answer.principal,
    account: answer.account,
    without: RESTRICTABLE.filter((name) => !extensions.has(name)),
  };
}
