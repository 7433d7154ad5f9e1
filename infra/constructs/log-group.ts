import { RemovalPolicy } from 'aws-cdk-lib';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import type { StageProps } from '../stages.ts';

/** A log group of the stage: encrypted with a key of ours, kept as long as the stage says. */
export function logGroup(scope: Construct, id: string, name: string, stage: StageProps, key: IKey): LogGroup {
  const retention = Object.values(RetentionDays).find((days) => Number(days) === stage.logRetentionDays);
  if (typeof retention !== 'number')
    throw new Error(`CloudWatch keeps no logs for ${stage.logRetentionDays} days; take one of its own terms`);
  return new LogGroup(scope, id, {
    logGroupName: name,
    encryptionKey: key,
    retention,
    removalPolicy: stage.kind === 'production' ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
  });
}
