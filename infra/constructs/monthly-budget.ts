import { Aws } from 'aws-cdk-lib';
import { CfnBudget } from 'aws-cdk-lib/aws-budgets';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { Topic } from 'aws-cdk-lib/aws-sns';
import type { Construct } from 'constructs';
import type { StageProps } from '../stages.ts';

const FORECAST_PERCENT = 100;
const SPENT_PERCENT = 80;

/** Says through the alarm topic when the month has cost, or will cost, more than the stage expects. */
export function monthlyBudget(scope: Construct, id: string, name: string, stage: StageProps, topic: Topic): void {
  topic.addToResourcePolicy(
    new PolicyStatement({
      sid: 'Budgets',
      principals: [new ServicePrincipal('budgets.amazonaws.com')],
      actions: ['sns:Publish'],
      resources: [topic.topicArn],
      conditions: { StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID } },
    }),
  );
  const notify = (notificationType: 'ACTUAL' | 'FORECASTED', threshold: number): CfnBudget.NotificationWithSubscribersProperty => ({
    notification: { notificationType, threshold, thresholdType: 'PERCENTAGE', comparisonOperator: 'GREATER_THAN' },
    subscribers: [{ subscriptionType: 'SNS', address: topic.topicArn }],
  });
  new CfnBudget(scope, id, {
    budget: {
      budgetName: name,
      budgetType: 'COST',
      timeUnit: 'MONTHLY',
      budgetLimit: { amount: stage.monthlyBudgetUsd, unit: 'USD' },
      // The tag must be activated as a cost allocation tag first; docs/deploy.md says so.
      costFilters: { TagKeyValue: [`user:application$${stage.tags['application'] ?? 'sallyport'}`] },
    },
    notificationsWithSubscribers: [notify('ACTUAL', SPENT_PERCENT), notify('FORECASTED', FORECAST_PERCENT)],
  });
}
