/** Verifiers of agents' and approvers' tokens that follow the configuration: who is taken out of it is believed no longer. */
import { approverIssuers, idTokenVerifier } from '../console/id-token-verifier.ts';
import type { VerifyIdToken } from '../core/approval/votes.ts';
import type { Config } from '../core/config/config.ts';
import { JoseTokenVerifier } from '../proxy-task/adapters/jose-token-verifier.ts';
import type { TokenVerifier } from '../proxy-task/ports.ts';

export type IssuerVerifiers = { readonly tokens: TokenVerifier; readonly verifyIdToken: VerifyIdToken };

type Built = IssuerVerifiers & { readonly config: Config; readonly from: string };

/** `config` is asked at every token; keys are kept as long as the issuers stay what they are. */
export function issuerVerifiers(config: () => Config, nowMs: () => number): IssuerVerifiers {
  let built: Built | undefined;
  const current = (): Built => {
    const now = config();
    if (built?.config === now) return built;
    const { issuers, agents } = now;
    const from = JSON.stringify([issuers, agents]);
    const verifiers =
      built?.from === from
        ? built
        : { tokens: new JoseTokenVerifier({ issuers, agents, now: nowMs }), verifyIdToken: idTokenVerifier(approverIssuers(issuers)) };
    built = { ...verifiers, config: now, from };
    return built;
  };
  return {
    tokens: { verify: (token) => current().tokens.verify(token) },
    verifyIdToken: (idToken, expected) => current().verifyIdToken(idToken, expected),
  };
}
