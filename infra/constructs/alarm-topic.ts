import { Aws } from 'aws-cdk-lib';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import type { Construct } from 'constructs';
import type { StageProps } from '../stages.ts';

/** Where alarms go: encrypted, over TLS only. A pager or chat subscribes beside the mail addresses of the stage. */
export function alarmTopic(scope: Construct, id: string, name: string, stage: StageProps, key: IKey): Topic {
  const topic = new Topic(scope, id, { topicName: name, masterKey: key, enforceSSL: true });
  // A policy of its own takes the place of the one that lets the account's services publish.
  topic.addToResourcePolicy(
    new PolicyStatement({
      sid: 'Alarms',
      principals: [new ServicePrincipal('cloudwatch.amazonaws.com')],
      actions: ['sns:Publish'],
      resources: [topic.topicArn],
      conditions: { StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID } },
    }),
  );
  for (const address of stage.alarmEmails) topic.addSubscription(new EmailSubscription(address));
  return topic;
}
