import type { BoundParameter } from '../../core/approval/digest.ts';
import type { Approve } from '../../core/decision.ts';
import type { TextJudgement } from '../../core/judging/authorize.ts';

/** A statement as it would go upstream, with everything that an approval of it is bound to. */
export type HeldStatement = {
  readonly sql: string;
  readonly judgement: TextJudgement & { kind: 'judged' };
  readonly verdict: Approve;
  readonly parameters: readonly BoundParameter[];
  readonly inTransaction: boolean;
};
