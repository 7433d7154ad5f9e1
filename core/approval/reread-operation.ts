/** Judges a held operation on a host anew, from the operation alone: what people are asked does not rest on what its holder says of it. */
import { judgeOperation } from '../judging/judge-operation.ts';
import { canonicalJson } from '../evidence/canonical-json.ts';
import type { Bundle } from '../policy/bundle.ts';
import type { ReadExec } from '../statement/host/host-reading.ts';
import type { SshTarget } from '../target.ts';
import type { OperationAsk } from './ask.ts';
import { operationDigest } from './operation-digest.ts';
import { operationRequest } from './operation-request.ts';
import { differing, type Reread } from './reread.ts';

/** Pure. What the host said of its paths is the holder's to know, and is shown with the effects. */
export function rereadOperation(
  ask: OperationAsk,
  parts: {
    readonly bundle: Bundle;
    readonly target: SshTarget;
    readonly readExec: ReadExec;
    /** Keys the digests of requests. */
    readonly key: Uint8Array;
    readonly nowMs: number;
  },
): Reread {
  const { bundle, target, readExec, key, nowMs } = parts;
  const { principal, session, reasonGiven, operation, environment } = ask.raw;
  const differs = differing(ask, bundle);
  const judged = judgeOperation(operation, { principal, target, bundle }, readExec);
  const { decision } = judged;
  if (decision.kind !== 'approve') return differs('reading', `the operation is judged as ${decision.kind}`);
  const digest = operationDigest(key, operation, { principal, target: target.name, environment });
  if (digest !== ask.digest) return differs('digest', 'the digest is not that of the operation');
  if (canonicalJson([decision.demand, decision.policies]) !== canonicalJson([ask.demand, ask.policies]))
    return differs('demand', 'the operation demands another approval');
  const request = operationRequest({
    id: ask.id,
    digest,
    judged: { ...judged, decision },
    environment,
    principal,
    session,
    target: target.name,
    bundle,
    reasonGiven,
    nowMs,
  });
  return { kind: 'asks', request };
}
