import type { Approve } from '../decision.ts';
import type { TextJudgement } from '../judging/authorize.ts';
import type { BoundParameter } from './digest.ts';

/** A statement as it would go upstream and as it was judged: what an approval of it is made from. */
export type AskedStatement = {
  readonly sql: string;
  readonly judgement: TextJudgement & { kind: 'judged' };
  readonly verdict: Approve;
  readonly parameters: readonly BoundParameter[];
};

/** The texts that it EXECUTEs, in order. */
export function executedText(statement: AskedStatement): string {
  return statement.judgement.statements
    .map((judged) => judged.executes ?? '')
    .filter((text) => text !== '')
    .join(';\n');
}
