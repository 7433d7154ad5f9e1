// Watches the evidence itself and not the one who makes it: a checkpoint each minute is an object each minute, seen in the account of the
// bucket, whatever the workload's account says of itself.
import { Aws, Duration } from 'aws-cdk-lib';
import { ComparisonOperator, Metric, Stats } from 'aws-cdk-lib/aws-cloudwatch';
import { CfnRule } from 'aws-cdk-lib/aws-events';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { CfnResourcePolicy, type ILogGroup } from 'aws-cdk-lib/aws-logs';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import { logGroup } from './log-group.ts';
import { RunbookAlarm } from './runbook-alarm.ts';
import type { StageProps } from '../stages.ts';

export type CheckpointWatchProps = {
  readonly stage: StageProps;
  readonly ruleName: string;
  readonly bucketName: string;
  readonly key: IKey;
  readonly topic: ITopic;
};

const SILENT_PERIODS = 5;

export class CheckpointWatch extends Construct {
  constructor(scope: Construct, id: string, props: CheckpointWatchProps) {
    super(scope, id);
    const { stage, ruleName } = props;
    // A list of the checkpoints outside the bucket: it keeps their names and sizes even if somebody rewrites the rest.
    const seen = logGroup(this, 'Seen', `/aws/events/${ruleName}`, stage, props.key);
    const delivery = new CfnResourcePolicy(this, 'Delivery', { policyName: ruleName, policyDocument: deliveryPolicy(seen) });
    const rule = new CfnRule(this, 'Rule', {
      name: ruleName,
      description: 'Each checkpoint that arrives in the evidence bucket',
      eventPattern: {
        source: ['aws.s3'],
        'detail-type': ['Object Created'],
        detail: { bucket: { name: [props.bucketName] }, object: { key: [{ wildcard: 'checkpoints/*.ckpt' }] } },
      },
      targets: [{ id: 'Seen', arn: `arn:${Aws.PARTITION}:logs:${Aws.REGION}:${Aws.ACCOUNT_ID}:log-group:${seen.logGroupName}` }],
    });
    rule.addResourceDependency(delivery);
    new RunbookAlarm(this, 'Missing', {
      runbook: 'checkpoint-missing',
      instance: stage.instance,
      says: 'No checkpoint of the evidence arrived for five minutes.',
      metric: new Metric({
        namespace: 'AWS/Events',
        metricName: 'TriggeredRules',
        dimensionsMap: { RuleName: ruleName },
        statistic: Stats.SUM,
        period: Duration.minutes(1),
      }),
      threshold: 1,
      comparison: ComparisonOperator.LESS_THAN_THRESHOLD,
      periods: SILENT_PERIODS,
      silence: 'fault',
      topic: props.topic,
    });
  }
}

function deliveryPolicy(group: ILogGroup): string {
  const statement = new PolicyStatement({
    principals: [new ServicePrincipal('events.amazonaws.com'), new ServicePrincipal('delivery.logs.amazonaws.com')],
    actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
    resources: [`arn:${Aws.PARTITION}:logs:${Aws.REGION}:${Aws.ACCOUNT_ID}:log-group:${group.logGroupName}:*`],
  });
  return JSON.stringify({ Version: '2012-10-17', Statement: [statement.toStatementJson()] });
}
