import { Aws, Duration, RemovalPolicy } from 'aws-cdk-lib';
import { AccountPrincipal, AnyPrincipal, Effect, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import {
  BlockPublicAccess,
  Bucket,
  BucketEncryption,
  type CfnBucket,
  type IBucket,
  ObjectLockRetention,
  ObjectOwnership,
} from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge.ts';
import type { StageProps } from '../stages.ts';

export type LockBucketProps = {
  readonly stage: StageProps;
  readonly bucketName: string;
  readonly key: IKey;
  readonly accessLogs: IBucket;
  /** Account of the workload, and its roles that write and that read; they need not exist yet. */
  readonly account: string;
  readonly writers: readonly string[];
  readonly readers: readonly string[];
};

// A lock longer than asked would be as wrong as a shorter one: it cannot be taken back.
const SLACK_DAYS = 1;

/** Where sealed evidence stands: each object written once, locked for as long as the stage says, deleted by nobody before. */
export class LockBucket extends Construct {
  readonly bucket: IBucket;

  constructor(scope: Construct, id: string, props: LockBucketProps) {
    super(scope, id);
    const { stage } = props;
    const days = Duration.days(stage.retention.days);
    const bucket = new Bucket(this, 'Bucket', {
      bucketName: props.bucketName,
      versioned: true,
      objectLockEnabled: true,
      objectLockDefaultRetention:
        stage.retention.mode === 'COMPLIANCE' ? ObjectLockRetention.compliance(days) : ObjectLockRetention.governance(days),
      encryption: BucketEncryption.KMS,
      encryptionKey: props.key,
      bucketKeyEnabled: true,
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      serverAccessLogsBucket: props.accessLogs,
      serverAccessLogsPrefix: 'evidence/',
      removalPolicy: RemovalPolicy.RETAIN,
    });
    // By the property and not by CDK's switch, which makes a custom resource for it.
    // `defaultChild` of a Bucket is the CfnBucket it made.
    const resource = bucket.node.defaultChild as CfnBucket;
    resource.notificationConfiguration = { eventBridgeConfiguration: { eventBridgeEnabled: true } };
    // CDK's own class and interface differ in optional properties only, which exactOptionalPropertyTypes tells apart.
    this.bucket = bucket as IBucket;
    for (const statement of this.denials(stage)) this.bucket.addToResourcePolicy(statement);
    for (const statement of this.admissions(props)) this.bucket.addToResourcePolicy(statement);
    acknowledge(
      this.bucket,
      'Whoever needs a second copy in another region replicates from here with its own lock; docs/deploy.md says how. The same account and region is not a copy.',
      'NIST.800.53.R5-S3BucketReplicationEnabled',
    );
  }

  private denials(stage: StageProps): PolicyStatement[] {
    const objects = this.bucket.arnForObjects('*');
    const deny = (sid: string, actions: string[], conditions?: Record<string, unknown>): PolicyStatement =>
      new PolicyStatement({
        sid,
        effect: Effect.DENY,
        principals: [new AnyPrincipal()],
        actions,
        resources: [objects],
        ...(conditions === undefined ? {} : { conditions }),
      });
    return [
      // A delete marker would hide an object, and let a second one be written under its name.
      deny('NobodyDeletes', ['s3:DeleteObject', 's3:DeleteObjectVersion']),
      deny('WrittenOnce', ['s3:PutObject'], { Null: { 's3:if-none-match': 'true' } }),
      deny('NotShorter', ['s3:PutObjectRetention', 's3:PutObject'], {
        NumericLessThan: { 's3:object-lock-remaining-retention-days': String(Math.max(stage.retention.days - SLACK_DAYS, 1)) },
      }),
      deny('NotLonger', ['s3:PutObjectRetention', 's3:PutObject'], {
        NumericGreaterThan: { 's3:object-lock-remaining-retention-days': String(stage.retention.days + SLACK_DAYS) },
      }),
      deny('NoBypass', ['s3:BypassGovernanceRetention']),
    ];
  }

  // Only another account needs to be let in: roles of this one have policies of their own.
  private admissions(props: LockBucketProps): PolicyStatement[] {
    const { stage } = props;
    if (stage.logAccount === undefined) return [];
    const organization = stage.organizationId === undefined ? {} : { StringEquals: { 'aws:PrincipalOrgID': stage.organizationId } };
    const admit = (sid: string, arns: readonly string[], actions: string[], resource: string): PolicyStatement =>
      new PolicyStatement({
        sid,
        principals: [new AccountPrincipal(props.account)],
        actions,
        resources: [resource],
        conditions: { ArnLike: { 'aws:PrincipalArn': [...arns] }, ...organization },
      });
    return [
      admit('Write', props.writers, ['s3:PutObject'], this.bucket.arnForObjects('*')),
      admit('Read', props.readers, ['s3:GetObject'], this.bucket.arnForObjects('*')),
      admit('List', props.readers, ['s3:ListBucket'], this.bucket.bucketArn),
    ];
  }
}

/** The statement for a key that another account's roles use through S3. */
export function useThroughS3(account: string, arns: readonly string[], organizationId: string | undefined): PolicyStatement {
  return new PolicyStatement({
    sid: 'WorkloadThroughS3',
    principals: [new AccountPrincipal(account)],
    actions: ['kms:Decrypt', 'kms:GenerateDataKey'],
    resources: ['*'],
    conditions: {
      ArnLike: { 'aws:PrincipalArn': [...arns] },
      StringEquals: {
        'kms:ViaService': `s3.${Aws.REGION}.amazonaws.com`,
        ...(organizationId === undefined ? {} : { 'aws:PrincipalOrgID': organizationId }),
      },
    },
  });
}
