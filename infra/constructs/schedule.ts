import { Duration } from 'aws-cdk-lib';
import { Rule, Schedule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction } from 'aws-cdk-lib/aws-events-targets';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';

/** Calls a function each minute. A call that comes late is dropped: the next minute's does its work too. */
export function eachMinute(scope: Construct, id: string, name: string, target: IFunction, deadLetters: IQueue): void {
  new Rule(scope, id, {
    ruleName: name,
    description: `Each minute: ${name}`,
    schedule: Schedule.rate(Duration.minutes(1)),
    targets: [new LambdaFunction(target, { deadLetterQueue: deadLetters, maxEventAge: Duration.minutes(1), retryAttempts: 1 })],
  });
}
