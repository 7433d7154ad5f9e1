// Live state: who is connected, what is asked and decided, which configuration is in force. Outlives functions and tasks.
import { readFileSync } from 'node:fs';
import { CfnOutput, Duration, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import { CfnConformancePack } from 'aws-cdk-lib/aws-config';
import { Repository, RepositoryEncryption, TagMutability } from 'aws-cdk-lib/aws-ecr';
import { type IKey, Key } from 'aws-cdk-lib/aws-kms';
import { BlockPublicAccess, Bucket, BucketEncryption, ObjectOwnership } from 'aws-cdk-lib/aws-s3';
import { CfnSecret } from 'aws-cdk-lib/aws-secretsmanager';
import type { Construct } from 'constructs';
import { acknowledge } from './acknowledge.ts';
import { accessLogBucket } from './constructs/access-log-bucket.ts';
import { dataKey } from './constructs/data-key.ts';
import { signingKey } from './constructs/signing-key.ts';
import type { Names } from './names.ts';
import type { StageProps } from './stages.ts';
import { makeTables } from './tables.ts';

export type StateStackProps = StackProps & { readonly stage: StageProps; readonly names: Names };

export class StateStack extends Stack {
  readonly dataKey: IKey;
  readonly bundleKeyArn: string;
  readonly secretsArn: string;
  readonly tlsSecretArn: string;
  readonly slackSecretArn: string | undefined;
  readonly sshHostKeySecretArn: string | undefined;
  /** Signs certificates for hosts; absent in a stage without SSH. */
  readonly sshCaKeyArn: string | undefined;

  constructor(scope: Construct, id: string, props: StateStackProps) {
    super(scope, id, props);
    const { stage, names } = props;
    this.dataKey =
      stage.keys?.dataKeyArn === undefined
        ? dataKey(this, 'DataKey', {
            alias: `alias/${names.of('state')}`,
            through: ['dynamodb', 's3', 'secretsmanager', 'sns', 'sqs'],
            services: ['cloudwatch.amazonaws.com', 'events.amazonaws.com', 'budgets.amazonaws.com'],
          })
        : Key.fromKeyArn(this, 'DataKey', stage.keys.dataKeyArn);
    this.bundleKeyArn =
      stage.keys?.bundleKeyArn ??
      signingKey(this, 'BundleKey', {
        alias: `alias/${names.of('bundles')}`,
        description: 'Signs published configurations and their activation',
        account: names.account,
        ...(stage.organizationId === undefined ? {} : { organizationId: stage.organizationId }),
        signers: [names.roleArn('publish-bundle'), names.roleArn('activate-bundle')],
        readers: [names.roleArn('*')],
        ...(stage.breakGlassRoleArn === undefined ? {} : { breakGlassRoleArn: stage.breakGlassRoleArn }),
      }).keyArn;
    makeTables(this, names, this.dataKey, stage.kind === 'production');
    this.makeConfigBucket(props);

    // Made without a value: random bytes in a template would be no secret. docs/deploy.md fills them before the first start.
    this.secretsArn = this.makeSecret(names.of('keys'), 'Keys for digests and masks: {"digest","maskHash","maskTokenize"}').ref;
    this.tlsSecretArn =
      stage.tlsSecretArn ?? this.makeSecret(names.of('tls'), 'What the gateway presents: {"certificate","privateKey"} as PEM').ref;
    this.slackSecretArn = stage.slack
      ? this.makeSecret(names.of('slack'), 'Slack app: {"botToken","signingSecret","channel"}').ref
      : undefined;

    this.sshHostKeySecretArn = stage.ssh
      ? this.makeSecret(names.of('ssh-host-key'), 'The key by which SSH clients know the gateway, as ssh-keygen -t ed25519 writes it').ref
      : undefined;

    this.sshCaKeyArn = stage.ssh
      ? (stage.keys?.sshCaKeyArn ??
        signingKey(this, 'SshCaKey', {
          alias: `alias/${names.of('ssh-ca')}`,
          description: 'Signs the certificates with which the gateway logs in to hosts',
          account: names.account,
          ...(stage.organizationId === undefined ? {} : { organizationId: stage.organizationId }),
          signers: [names.roleArn('issue-credential')],
          readers: [names.roleArn('issue-credential')],
          ...(stage.breakGlassRoleArn === undefined ? {} : { breakGlassRoleArn: stage.breakGlassRoleArn }),
        }).keyArn)
      : undefined;

    if (stage.conformancePack) {
      new CfnConformancePack(this, 'Conformance', {
        conformancePackName: names.of('ffiec'),
        templateBody: readFileSync(new URL('./conformance/ffiec.yaml', import.meta.url), 'utf8'),
      });
    }
    if (stage.imageRepositoryArn === undefined) {
      const repository = new Repository(this, 'Images', {
        repositoryName: names.of('proxy'),
        imageTagMutability: TagMutability.IMMUTABLE,
        imageScanOnPush: true,
        encryption: RepositoryEncryption.KMS,
        encryptionKey: this.dataKey,
        removalPolicy: RemovalPolicy.RETAIN,
      });
      new CfnOutput(this, 'ImageRepository', { value: repository.repositoryUri });
    }
  }

  private makeConfigBucket({ stage, names }: StateStackProps): void {
    const bucket = new Bucket(this, 'Config', {
      bucketName: names.bucket('config'),
      versioned: true,
      encryption: BucketEncryption.KMS,
      encryptionKey: this.dataKey,
      bucketKeyEnabled: true,
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      serverAccessLogsBucket: accessLogBucket(this, 'ConfigLogs', names.bucket('config-logs'), stage),
      lifecycleRules: [{ abortIncompleteMultipartUploadAfter: Duration.days(1) }],
      removalPolicy: RemovalPolicy.RETAIN,
    });
    acknowledge(
      bucket,
      'Bundles are named by their content and signed, and git has the text of each: a lock or a copy would add nothing.',
      'NIST.800.53.R5-S3BucketDefaultLockEnabled',
      'NIST.800.53.R5-S3BucketReplicationEnabled',
    );
  }

  private makeSecret(name: string, description: string): CfnSecret {
    const secret = new CfnSecret(this, `${name.slice(name.lastIndexOf('-') + 1)}Secret`, {
      name,
      description,
      kmsKeyId: this.dataKey.keyArn,
    });
    secret.applyRemovalPolicy(RemovalPolicy.RETAIN);
    acknowledge(
      secret,
      'Filled and renewed by people or a certificate pipeline: new keys for digests would make every waiting approval void. docs/deploy.md says how they are rotated.',
      'AwsSolutions-SMG4',
      'NIST.800.53.R5-SecretsManagerRotationEnabled',
    );
    return secret;
  }
}
