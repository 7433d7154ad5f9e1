import { Aws, Duration, RemovalPolicy } from 'aws-cdk-lib';
import { AnyPrincipal, PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import type { Construct } from 'constructs';

const WINDOW_DAYS = 30;

export type DataKeyProps = {
  readonly alias: string;
  /** Services through which principals of this account may use the key. */
  readonly through: readonly ('dynamodb' | 's3' | 'secretsmanager' | 'sns' | 'sqs')[];
  /** Services that use the key for themselves, such as an alarm that publishes to a topic. */
  readonly services?: readonly string[];
  /** CloudWatch log groups of this account are encrypted with it. */
  readonly logs?: boolean;
};

/**
 * A key for data at rest. Who may use a table, bucket, queue or secret of this account may use the key through that service and in
 * no other way, as with a key of AWS's own; but this one is ours, and CloudTrail shows its use.
 */
export function dataKey(scope: Construct, id: string, props: DataKeyProps): Key {
  const key = new Key(scope, id, {
    alias: props.alias,
    description: `Data at rest: ${props.alias}`,
    enableKeyRotation: true,
    // Data without its key is lost: it outlives its stack in every stage.
    removalPolicy: RemovalPolicy.RETAIN,
    pendingWindow: Duration.days(WINDOW_DAYS),
  });
  const use = ['kms:Encrypt', 'kms:Decrypt', 'kms:ReEncryptFrom', 'kms:ReEncryptTo', 'kms:GenerateDataKey', 'kms:DescribeKey'];
  if (props.through.length > 0) {
    key.addToResourcePolicy(
      new PolicyStatement({
        sid: 'ThroughServices',
        principals: [new AnyPrincipal()],
        // DynamoDB works with grants of its own.
        actions: props.through.includes('dynamodb') ? [...use, 'kms:CreateGrant'] : use,
        resources: ['*'],
        conditions: {
          StringEquals: {
            'kms:CallerAccount': Aws.ACCOUNT_ID,
            'kms:ViaService': props.through.map((service) => `${service}.${Aws.REGION}.amazonaws.com`),
          },
        },
      }),
    );
  }
  for (const service of props.services ?? []) {
    // No condition on the account: not every service says for whom it asks the key, and the topic's or queue's own policy does ask.
    key.addToResourcePolicy(
      new PolicyStatement({
        principals: [new ServicePrincipal(service)],
        actions: ['kms:Decrypt', 'kms:GenerateDataKey'],
        resources: ['*'],
      }),
    );
  }
  if (props.logs === true) {
    key.addToResourcePolicy(
      new PolicyStatement({
        sid: 'LogGroups',
        principals: [new ServicePrincipal(`logs.${Aws.REGION}.amazonaws.com`)],
        actions: use,
        resources: ['*'],
        conditions: {
          ArnLike: { 'kms:EncryptionContext:aws:logs:arn': `arn:${Aws.PARTITION}:logs:${Aws.REGION}:${Aws.ACCOUNT_ID}:log-group:*` },
        },
      }),
    );
  }
  return key;
}
