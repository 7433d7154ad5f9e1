// What outlives everything else, and may stand in an account of its own: the sealed evidence, the key that signs it, who may read it.
import { CfnOutput, Duration, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import { AccountPrincipal, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { BlockPublicAccess, Bucket, BucketEncryption, type IBucket, ObjectOwnership } from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import { acknowledge } from './acknowledge.ts';
import { accessLogBucket } from './constructs/access-log-bucket.ts';
import { alarmTopic } from './constructs/alarm-topic.ts';
import { AuditorRole } from './constructs/auditor-role.ts';
import { CheckpointWatch } from './constructs/checkpoint-watch.ts';
import { dataKey } from './constructs/data-key.ts';
import { LockBucket, useThroughS3 } from './constructs/lock-bucket.ts';
import { signingKey } from './constructs/signing-key.ts';
import { evidenceReaders, evidenceWriters, stagingRoles } from './deployables.ts';
import type { Names } from './names.ts';
import type { StageProps } from './stages.ts';

export type EvidenceStackProps = StackProps & { readonly stage: StageProps; readonly names: Names };

const STAGING_DAYS = 30;

export class EvidenceStack extends Stack {
  readonly signingKey: IKey;
  readonly dataKey: IKey;

  constructor(scope: Construct, id: string, props: EvidenceStackProps) {
    super(scope, id, props);
    const { stage, names } = props;
    const arns = (roles: readonly string[]): string[] => roles.map((role) => names.roleArn(role));
    const scoped = {
      account: names.account,
      ...(stage.organizationId === undefined ? {} : { organizationId: stage.organizationId }),
    };

    const key = dataKey(this, 'DataKey', {
      alias: `alias/${names.of('evidence-data')}`,
      through: ['s3', 'sns'],
      services: ['cloudwatch.amazonaws.com'],
      logs: true,
    });
    if (stage.logAccount !== undefined) {
      const roles = new Set([...evidenceWriters(), ...evidenceReaders(), ...stagingRoles()]);
      key.addToResourcePolicy(useThroughS3(names.account, arns([...roles]), stage.organizationId));
    }
    this.dataKey = key;

    this.signingKey = signingKey(this, 'SigningKey', {
      alias: `alias/${names.of('evidence-signing')}`,
      description: 'Signs the checkpoints of the evidence',
      ...scoped,
      signers: arns(['seal']),
      readers: [...arns(['seal']), names.roleArn('auditor')],
      ...(stage.breakGlassRoleArn === undefined ? {} : { breakGlassRoleArn: stage.breakGlassRoleArn }),
    });

    const accessLogs = accessLogBucket(this, 'AccessLogs', names.bucket('access-logs'), stage);
    const { bucket } = new LockBucket(this, 'Evidence', {
      stage,
      bucketName: names.bucket('evidence'),
      key,
      accessLogs,
      account: names.account,
      writers: arns(evidenceWriters()),
      readers: arns(evidenceReaders()),
    });
    this.makeStaging(props, key, accessLogs, arns(stagingRoles()));

    new AuditorRole(this, 'Auditor', { stage, names, dataKey: key, signingKey: this.signingKey });
    new CheckpointWatch(this, 'CheckpointWatch', {
      stage,
      ruleName: names.of('checkpoints'),
      bucketName: names.bucket('evidence'),
      key,
      topic: alarmTopic(this, 'AlarmTopic', names.of('evidence-alarms'), stage, key),
    });

    // A workload in another account writes them into its stage.
    new CfnOutput(this, 'SigningKeyArn', { value: this.signingKey.keyArn });
    new CfnOutput(this, 'DataKeyArn', { value: key.keyArn });
    new CfnOutput(this, 'EvidenceBucketName', { value: bucket.bucketName });
  }

  private makeStaging({ stage, names }: EvidenceStackProps, key: IKey, accessLogs: IBucket, roles: string[]): void {
    const bucket = new Bucket(this, 'Staging', {
      bucketName: names.bucket('staging'),
      versioned: true,
      encryption: BucketEncryption.KMS,
      encryptionKey: key,
      bucketKeyEnabled: true,
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      serverAccessLogsBucket: accessLogs,
      serverAccessLogsPrefix: 'staging/',
      lifecycleRules: [
        {
          prefix: 'large/',
          expiration: Duration.days(STAGING_DAYS),
          noncurrentVersionExpiration: Duration.days(1),
          abortIncompleteMultipartUploadAfter: Duration.days(1),
        },
        // A catalog is put once a version and named by requests for as long as the target does not change: only replaced ones go.
        { prefix: 'catalogs/', noncurrentVersionExpiration: Duration.days(1), abortIncompleteMultipartUploadAfter: Duration.days(1) },
      ],
      removalPolicy: stage.kind === 'production' ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    });
    if (stage.logAccount !== undefined) {
      bucket.addToResourcePolicy(
        new PolicyStatement({
          sid: 'Workload',
          principals: [new AccountPrincipal(names.account)],
          actions: ['s3:PutObject', 's3:GetObject'],
          resources: [bucket.arnForObjects('*')],
          conditions: {
            ArnLike: { 'aws:PrincipalArn': roles },
            ...(stage.organizationId === undefined ? {} : { StringEquals: { 'aws:PrincipalOrgID': stage.organizationId } }),
          },
        }),
      );
    }
    acknowledge(
      bucket,
      'Staged lines are on their way into the lock bucket and expire; a lock or a copy of them would keep what is sealed elsewhere.',
      'NIST.800.53.R5-S3BucketReplicationEnabled',
      'NIST.800.53.R5-S3BucketDefaultLockEnabled',
    );
  }
}
