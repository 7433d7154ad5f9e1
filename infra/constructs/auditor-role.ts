import { AccountRootPrincipal, ManagedPolicy, Role } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { Duration } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import type { Names } from '../names.ts';
import type { StageProps } from '../stages.ts';
import { acknowledgeWildcards, policyStatement, type Statement } from './service-role.ts';

export type AuditorRoleProps = {
  readonly stage: StageProps;
  readonly names: Names;
  readonly dataKey: IKey;
  readonly signingKey: IKey;
};

/** Reads sealed evidence, its locks and the public half of the key that signed it, and nothing else. Taken with MFA. */
export class AuditorRole extends Construct {
  constructor(scope: Construct, id: string, { stage, names, dataKey, signingKey }: AuditorRoleProps) {
    super(scope, id);
    const role = new Role(this, 'Role', {
      roleName: names.of('auditor'),
      path: stage.rolePath,
      description: 'Reads sealed evidence and nothing else',
      assumedBy: new AccountRootPrincipal().withConditions({ Bool: { 'aws:MultiFactorAuthPresent': 'true' } }),
      maxSessionDuration: Duration.hours(4),
    });
    const statements: Statement[] = [
      {
        actions: ['s3:GetObject', 's3:GetObjectVersion', 's3:GetObjectRetention', 's3:GetObjectLegalHold'],
        resources: [`${names.bucketArn('evidence')}/*`],
        wildcardReason: 'An auditor reads all of the evidence bucket; it holds nothing else.',
      },
      {
        actions: ['s3:ListBucket', 's3:ListBucketVersions', 's3:GetBucketObjectLockConfiguration', 's3:GetBucketVersioning'],
        resources: [names.bucketArn('evidence')],
      },
      {
        actions: ['kms:Decrypt'],
        resources: [dataKey.keyArn],
        conditions: { StringEquals: { 'kms:ViaService': `s3.${stage.region}.amazonaws.com` } },
      },
      { actions: ['kms:GetPublicKey', 'kms:DescribeKey', 'kms:GetKeyPolicy'], resources: [signingKey.keyArn] },
    ];
    const policy = new ManagedPolicy(this, 'Policy', {
      managedPolicyName: names.of('auditor'),
      path: stage.rolePath,
      description: 'Reads sealed evidence and nothing else',
      roles: [role],
      statements: statements.map(policyStatement),
    });
    acknowledgeWildcards(policy, statements);
  }
}
