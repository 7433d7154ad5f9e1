import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { BlockPublicAccess, Bucket, BucketEncryption, type IBucket, ObjectOwnership } from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import { acknowledge } from '../acknowledge.ts';
import type { StageProps } from '../stages.ts';

/** Where S3 and load balancers deliver their access logs. Delivery writes with S3's own keys only. */
export function accessLogBucket(scope: Construct, id: string, name: string, stage: StageProps): IBucket {
  const bucket = new Bucket(scope, id, {
    bucketName: name,
    encryption: BucketEncryption.S3_MANAGED,
    blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
    enforceSSL: true,
    minimumTLSVersion: 1.2,
    versioned: true,
    objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
    lifecycleRules: [
      {
        expiration: Duration.days(stage.logRetentionDays),
        noncurrentVersionExpiration: Duration.days(7),
        abortIncompleteMultipartUploadAfter: Duration.days(1),
      },
    ],
    removalPolicy: RemovalPolicy.RETAIN,
  });
  acknowledge(
    bucket,
    'It holds access logs; logging the access to logs into itself would never end.',
    'AwsSolutions-S1',
    'NIST.800.53.R5-S3BucketLoggingEnabled',
  );
  acknowledge(
    bucket,
    'Load balancers and S3 deliver logs only to buckets with keys of S3 (SSE-S3).',
    'NIST.800.53.R5-S3DefaultEncryptionKMS',
  );
  acknowledge(
    bucket,
    'Access logs are secondary: what must not be lost is evidence, in its own bucket; a second region would double their cost.',
    'NIST.800.53.R5-S3BucketReplicationEnabled',
  );
  // CDK's own class and interface differ in optional properties only, which exactOptionalPropertyTypes tells apart.
  return bucket as IBucket;
}
