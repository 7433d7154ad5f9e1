/**
 * Asks the functions beside the proxy whether a session may open and how it is masked, and compares both with the proxy's own reading
 * of the same bundle: the same pure code ran twice, in two places with two roles, and a proxy that reads otherwise lets nobody in.
 */
import { SallyportError } from '../../core/errors.ts';
import type { Shown } from '../../core/identity/shown.ts';
import type { Bundle } from '../../core/policy/bundle.ts';
import { connectAnswer, maskingAnswer, principalKey, type ConnectAnswer, type MaskingAnswer } from '../../core/policy/connect-answer.ts';
import { DecisionUnavailable } from '../../core/policy/decision-unavailable.ts';
import type { Principal } from '../../core/principal.ts';
import type { Clock, ConnectPolicy, MaskingLookup } from '../ports.ts';

export type Opinion =
  | { readonly kind: 'agrees' }
  /** For the recording and the operator. */
  | { readonly kind: 'disagrees'; readonly reason: string }
  | { readonly kind: 'unavailable'; readonly reason: string }
  /** Another bundle is in force there. */
  | { readonly kind: 'other-version'; readonly version: string };

/** Two readings of the same bundle differ: one of them is not the code that was reviewed, or not the bundle. */
export class OpinionsDiffer extends SallyportError {
  readonly code = 'opinions-differ';
}

/** Reconnecting agents ask the same within seconds; a bundle that changes has another key anyway. */
const KEPT_MS = 30_000;
const MAX_KEPT = 4_096;

export class SecondOpinion {
  readonly #policy: ConnectPolicy;
  readonly #masking: MaskingLookup;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #problem: (error: unknown) => void;
  /** When an agreement is asked for again, by version, target and everything that a decision knows of a principal. */
  readonly #agreed = new Map<string, number>();
  readonly #asking = new Map<string, Promise<Opinion | 'token-refused'>>();

  /** `problem` is told of every disagreement and of every answer that did not come. */
  constructor(options: {
    readonly policy: ConnectPolicy;
    readonly masking: MaskingLookup;
    readonly clock: Pick<Clock, 'now'>;
    readonly problem: (error: unknown) => void;
  }) {
    this.#policy = options.policy;
    this.#masking = options.masking;
    this.#clock = options.clock;
    this.#problem = options.problem;
  }

  /** For a principal whom this proxy itself would let in under this bundle. Never rejects. */
  async of(shown: Shown, principal: Principal, target: string, bundle: Bundle): Promise<Opinion> {
    const key = JSON.stringify([bundle.version, target, principalKey(principal)]);
    const nowMs = this.#clock.now();
    if ((this.#agreed.get(key) ?? 0) > nowMs) return { kind: 'agrees' };
    const shared = this.#asking.get(key);
    const first = await (shared ?? this.#start(key, shown, principal, target, bundle));
    // Another token of the same principal was asked about: what is wrong with that one is nothing about this one.
    const opinion = first === 'token-refused' && shared !== undefined ? await this.#ask(shown, principal, target, bundle) : first;
    if (opinion === 'token-refused') return { kind: 'disagrees', reason: `the ${shown.kind} is not accepted beside the proxy` };
    if (opinion.kind === 'agrees') this.#keep(key, Math.min(nowMs + KEPT_MS, principal.expiresAtMs));
    return opinion;
  }

  #start(key: string, shown: Shown, principal: Principal, target: string, bundle: Bundle): Promise<Opinion | 'token-refused'> {
    const asking = this.#ask(shown, principal, target, bundle).finally(() => this.#asking.delete(key));
    this.#asking.set(key, asking);
    return asking;
  }

  async #ask(shown: Shown, principal: Principal, target: string, bundle: Bundle): Promise<Opinion | 'token-refused'> {
    try {
      const [connect, masking] = await Promise.all([
        this.#policy.connect(shown, target, bundle.version),
        this.#masking.plan(shown, target, bundle.version),
      ]);
      const opinion = compared(connect, masking, principal, target, bundle);
      if (opinion !== 'token-refused' && opinion.kind === 'disagrees') this.#problem(new OpinionsDiffer(opinion.reason));
      return opinion;
    } catch (error) {
      this.#problem(error);
      const reason = error instanceof DecisionUnavailable ? error.message : 'new sessions cannot be decided on';
      return { kind: 'unavailable', reason };
    }
  }

  #keep(key: string, untilMs: number): void {
    this.#agreed.delete(key);
    this.#agreed.set(key, untilMs);
    const oldest = this.#agreed.keys().next();
    if (this.#agreed.size > MAX_KEPT && oldest.done !== true) this.#agreed.delete(oldest.value);
  }
}

/** The strictest wins; what is no clear agreement is none. */
function compared(
  connect: ConnectAnswer,
  masking: MaskingAnswer,
  principal: Principal,
  target: string,
  bundle: Bundle,
): Opinion | 'token-refused' {
  if (connect.kind === 'token-refused' || masking.kind === 'token-refused') return 'token-refused';
  if (connect.kind === 'other-version') return connect;
  if (masking.kind === 'other-version') return masking;
  const ownConnect = connectAnswer(bundle, principal, target);
  const ownMasking = maskingAnswer(bundle, principal, target);
  if (ownConnect.kind !== 'decided' || ownMasking.kind !== 'planned') return disagrees('this proxy has no answer of its own');
  if (connect.version !== bundle.version || masking.version !== bundle.version) return disagrees('the answers are of another bundle');
  const self = principalKey(principal);
  if (principalKey(connect.principal) !== self) return disagrees('evaluate-policy reads another principal from the token');
  if (principalKey(masking.principal) !== self) return disagrees('lookup-masking reads another principal from the token');
  if (connect.decision !== 'permit') return disagrees(`evaluate-policy does not permit it: ${connect.reason}`);
  if (connect.policies.join() !== ownConnect.policies.join()) return disagrees('evaluate-policy decides by other policies');
  if (masking.target !== target || masking.digest !== ownMasking.digest) return disagrees('lookup-masking has another masking plan');
  return { kind: 'agrees' };
}

function disagrees(reason: string): Opinion {
  return { kind: 'disagrees', reason };
}
