/** Asks `evaluate-policy` and `lookup-masking` about a session that is about to open. */
import { shownFields, type Shown } from '../../core/identity/shown.ts';
import { readConnectAnswer, readMaskingAnswer } from '../../core/policy/connect-answer.ts';
import { DecisionUnavailable } from '../../core/policy/decision-unavailable.ts';
import type { ConnectPolicy, MaskingLookup } from '../ports.ts';
import { invokeLambda } from './invoke-lambda.ts';

/** Both are asked at once; with the second try and the upstream's login a client still waits less than drivers do. */
const TIMEOUT_MS = 3_000;

export class LambdaPolicy implements ConnectPolicy, MaskingLookup {
  readonly #evaluate: ReturnType<typeof invokeLambda>;
  readonly #lookup: ReturnType<typeof invokeLambda>;

  constructor(functions: { readonly evaluatePolicy: string; readonly lookupMasking: string }) {
    this.#evaluate = invokeLambda(functions.evaluatePolicy, TIMEOUT_MS);
    this.#lookup = invokeLambda(functions.lookupMasking, TIMEOUT_MS);
  }

  connect(shown: Shown, target: string, version: string): ReturnType<ConnectPolicy['connect']> {
    return answered('evaluate-policy', readConnectAnswer, () =>
      this.#evaluate({ kind: 'connect', ...shownFields(shown), target, version }),
    );
  }

  plan(shown: Shown, target: string, version: string): ReturnType<MaskingLookup['plan']> {
    return answered('lookup-masking', readMaskingAnswer, () => this.#lookup({ ...shownFields(shown), target, version }));
  }
}

async function answered<A>(name: string, read: (value: unknown) => A | undefined, ask: () => Promise<unknown>): Promise<A> {
  let value: unknown;
  try {
    value = await ask();
  } catch (cause) {
    throw new DecisionUnavailable(`${name} gives no answer (${cause instanceof Error ? cause.name : 'unknown'})`, { cause });
  }
  const answer = read(value);
  if (answer === undefined) throw new DecisionUnavailable(`${name} gives an answer that is not understood`);
  return answer;
}
