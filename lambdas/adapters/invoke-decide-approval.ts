/** Votes go to the one function that may write decisions. */
import { InvokeCommand, type LambdaClient } from '@aws-sdk/client-lambda';
import type { Ballot } from '../../console/ports.ts';
import { readBallotAnswer, type BallotAnswer } from '../../core/approval/ballot-answer.ts';
import { DecisionUnavailable, type DecideApproval } from '../console/ports.ts';

export class InvokeDecideApproval implements DecideApproval {
  readonly #lambda: LambdaClient;
  readonly #functionName: string;

  constructor(lambda: LambdaClient, functionName: string) {
    this.#lambda = lambda;
    this.#functionName = functionName;
  }

  async decide(id: string, ballot: Ballot): Promise<BallotAnswer> {
    const { answer, reason, channel, idToken } = ballot;
    const { FunctionError, Payload } = await this.#lambda.send(
      new InvokeCommand({
        FunctionName: this.#functionName,
        Payload: Buffer.from(JSON.stringify({ id, ballot: { answer, reason, channel, idToken } })),
      }),
    );
    // Its words may repeat what it was given; they are in its own log.
    if (FunctionError !== undefined || Payload === undefined) throw new DecisionUnavailable('the function that decides has failed');
    const said = readBallotAnswer(parsed(Buffer.from(Payload).toString('utf8')));
    if (said === undefined) throw new DecisionUnavailable('the function that decides answered something else than an outcome');
    return said;
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // No JSON is no outcome: the caller says so.
    return undefined;
  }
}
