/** The masking plan of a principal on a target: read apart from the proxy, which compares it with its own. */
import { maskingAnswer, type MaskingAnswer } from '../../core/policy/connect-answer.ts';
import { underVersion, type SessionQuestion } from '../evaluate-policy/evaluate-policy.ts';
import type { DecidingPorts } from '../evaluate-policy/ports.ts';

export function lookupMasking(ports: DecidingPorts, question: SessionQuestion): Promise<MaskingAnswer> {
  return underVersion(ports, question, (bundle, principal) => maskingAnswer(bundle, principal, question.target));
}
