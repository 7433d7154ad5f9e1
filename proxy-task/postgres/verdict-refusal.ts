/** What a client is told of a verdict that does not let its statement run. */
import { looksLikeMask } from '../../core/masking/looks-like-mask.ts';
import type { JudgedStatement, TextJudgement, Verdict } from '../../core/judging/authorize.ts';
import type { HeldStatement } from './held-statement.ts';
import { blockedByPolicy, maskedUse, noSuchName, unjudgeable, type Refusal } from './refusal.ts';

/** Undefined where the verdict lets it run, at once or after approval. */
export function refusalOf(verdict: Verdict): Refusal | undefined {
  switch (verdict.kind) {
    case 'permit':
    case 'approve':
      return undefined;
    case 'block':
      return blockedByPolicy(verdict.reason, verdict.policies);
    case 'misuse': {
      const first = verdict.uses[0];
      return first === undefined
        ? unjudgeable(verdict.reason)
        : maskedUse({ column: first.columnName, use: first.use, allowed: first.allowed });
    }
    case 'unjudgeable':
      return unjudgeable(verdict.reason, verdict.atByte);
  }
}

/** In PostgreSQL's own words where a name is missing: drivers prepare again when they read them. */
export function notJudged({ reason, atByte, missing }: TextJudgement & { kind: 'unjudgeable' }): Refusal {
  return missing === undefined ? unjudgeable(reason, atByte) : noSuchName('statement', missing);
}

/** A bound value that looks like one of our masks, on its way into the column that the mask came from. */
export function maskedParameter(judged: JudgedStatement | undefined, parameters: HeldStatement['parameters']): Refusal | undefined {
  for (const write of judged?.writes ?? []) {
    if (write.parameter === undefined) continue;
    const value = parameters[write.parameter - 1]?.value;
    if (value !== null && value !== undefined && looksLikeMask(Buffer.from(value).toString('utf8'))) {
      return maskedUse({
        column: write.columnName,
        use: 'a write of a value that is itself a mask',
        allowed: 'leaving the column out of the statement',
      });
    }
  }
  return undefined;
}
