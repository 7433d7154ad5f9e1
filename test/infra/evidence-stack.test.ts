import { Match } from 'aws-cdk-lib/assertions';
import { beforeAll, describe, expect, test } from 'vitest';
import { DEVELOPMENT, PRODUCTION } from '../../infra/stages.ts';
import { grants, policyLines, type PolicyLine, resources, type Synthesized, synthesize, textOf } from './synthesized.ts';

let production: Synthesized;
let development: Synthesized;
let apart: Synthesized;
beforeAll(() => {
  production = synthesize({ ...PRODUCTION, breakGlassRoleArn: 'arn:aws:iam::111111111111:role/break-glass' });
  development = synthesize(DEVELOPMENT);
  apart = synthesize({
    ...PRODUCTION,
    account: '111111111111',
    organizationId: 'o-abcdefghij',
    logAccount: {
      account: '222222222222',
      signingKeyArn: 'arn:aws:kms:us-east-1:222222222222:key/signing',
      dataKeyArn: 'arn:aws:kms:us-east-1:222222222222:key/data',
    },
  });
});

function policyOf({ templates }: Synthesized, bucket: string): PolicyLine[] {
  const found = resources(templates.evidence, 'AWS::S3::BucketPolicy').find(({ properties }) =>
    textOf(properties['Bucket']).includes(bucket),
  );
  return policyLines(found?.properties['PolicyDocument']);
}

describe('the lock bucket', () => {
  test('production locks each version in COMPLIANCE mode for the days of the stage', () => {
    production.templates.evidence.hasResourceProperties('AWS::S3::Bucket', {
      ObjectLockEnabled: true,
      ObjectLockConfiguration: {
        ObjectLockEnabled: 'Enabled',
        Rule: { DefaultRetention: { Mode: 'COMPLIANCE', Days: PRODUCTION.retention.days } },
      },
      VersioningConfiguration: { Status: 'Enabled' },
      BucketEncryption: {
        ServerSideEncryptionConfiguration: [{ BucketKeyEnabled: true, ServerSideEncryptionByDefault: { SSEAlgorithm: 'aws:kms' } }],
      },
    });
  });

  test('development locks in GOVERNANCE mode, so that it can be taken down', () => {
    development.templates.evidence.hasResourceProperties('AWS::S3::Bucket', {
      ObjectLockConfiguration: { Rule: { DefaultRetention: { Mode: 'GOVERNANCE', Days: DEVELOPMENT.retention.days } } },
    });
  });

  test.each([
    ['nobody deletes', ['s3:DeleteObject', 's3:DeleteObjectVersion'], undefined],
    ['an object is written where there is none', ['s3:PutObject'], { Null: { 's3:if-none-match': 'true' } }],
    [
      'a lock is not shorter',
      ['s3:PutObjectRetention', 's3:PutObject'],
      { NumericLessThan: { 's3:object-lock-remaining-retention-days': String(PRODUCTION.retention.days - 1) } },
    ],
    [
      'a lock is not longer',
      ['s3:PutObjectRetention', 's3:PutObject'],
      { NumericGreaterThan: { 's3:object-lock-remaining-retention-days': String(PRODUCTION.retention.days + 1) } },
    ],
    ['nobody goes round a lock', ['s3:BypassGovernanceRetention'], undefined],
  ])('its policy says that %s', (_, actions, conditions) => {
    const denials = policyOf(production, 'Evidence').filter(({ effect }) => effect === 'Deny');
    expect(denials.map(({ actions, conditions }) => ({ actions, conditions }))).toContainEqual({ actions, conditions });
  });

  test('nobody reaches a bucket without TLS, and none is public', () => {
    for (const { templates } of [production, development]) {
      const buckets = resources(templates.evidence, 'AWS::S3::Bucket');
      expect(buckets.length).toBe(3);
      for (const { properties } of buckets) {
        expect(properties['PublicAccessBlockConfiguration']).toEqual({
          BlockPublicAcls: true,
          BlockPublicPolicy: true,
          IgnorePublicAcls: true,
          RestrictPublicBuckets: true,
        });
      }
      for (const bucket of ['Evidence', 'Staging', 'AccessLogs']) {
        const insecure = policyOf({ ...production, templates }, bucket).find(({ conditions }) =>
          JSON.stringify(conditions ?? {}).includes('aws:SecureTransport'),
        );
        expect(insecure?.effect).toBe('Deny');
      }
    }
  });

  test('its access logs go to another bucket, since a locked one cannot receive any', () => {
    production.templates.evidence.hasResourceProperties('AWS::S3::Bucket', {
      ObjectLockEnabled: true,
      LoggingConfiguration: { DestinationBucketName: { Ref: Match.stringLikeRegexp('^AccessLogs') }, LogFilePrefix: 'evidence/' },
    });
  });
});

describe('the key that signs', () => {
  test('it is an ECDSA key of P-256 that stays when its stack goes', () => {
    production.templates.evidence.hasResource('AWS::KMS::Key', {
      Properties: { KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' },
      DeletionPolicy: 'Retain',
      UpdateReplacePolicy: 'Retain',
    });
  });

  const keyPolicy = ({ templates }: Synthesized): PolicyLine[] => {
    const key = resources(templates.evidence, 'AWS::KMS::Key').find(({ properties }) => properties['KeyUsage'] === 'SIGN_VERIFY');
    return policyLines(key?.properties['KeyPolicy']);
  };

  test('only the role of the sealer signs with it, and administrators do not', () => {
    const signing = keyPolicy(production).filter(
      ({ effect, actions }) => effect === 'Allow' && actions.some((action) => /\*|Sign$/u.test(action)),
    );
    expect(signing).toHaveLength(1);
    expect(JSON.stringify(signing[0]?.conditions)).toContain('sallyport-prod-seal');
  });

  test('nobody disables or deletes it but the break-glass role, and nobody at all where there is none', () => {
    const ending = (policy: PolicyLine[]): PolicyLine[] => policy.filter(({ actions }) => actions.includes('kms:ScheduleKeyDeletion'));
    const role = 'arn:aws:iam::111111111111:role/break-glass';
    expect(ending(keyPolicy(production)).map(({ effect, conditions }) => ({ effect, conditions }))).toEqual([
      { effect: 'Deny', conditions: { ArnNotEquals: { 'aws:PrincipalArn': role } } },
      { effect: 'Allow', conditions: { ArnEquals: { 'aws:PrincipalArn': role } } },
    ]);
    expect(ending(keyPolicy(development)).map(({ effect, conditions }) => ({ effect, conditions }))).toEqual([
      { effect: 'Deny', conditions: undefined },
    ]);
    for (const { actions } of ending(keyPolicy(production))) expect(actions).toContain('kms:DisableKey');
  });
});

describe('evidence in an account of its own', () => {
  test('its policies name the roles of the workload before those exist, inside the organization', () => {
    const admitted = policyOf(apart, 'Evidence').filter(({ effect, actions }) => effect === 'Allow' && actions.includes('s3:PutObject'));
    expect(admitted).toHaveLength(1);
    expect(textOf(JSON.stringify(admitted[0]?.conditions))).toMatch(/role\/sallyport\/sallyport-prod-proxy.*o-abcdefghij/u);
  });

  test('the workload takes its keys from the stage and needs no export of it', () => {
    expect(JSON.stringify(apart.templates.control.toJSON())).toContain('arn:aws:kms:us-east-1:222222222222:key/signing');
    expect(JSON.stringify(apart.templates.control.toJSON())).not.toMatch(/ImportValue[^}]*evidence/iu);
  });

  test('the bucket of evidence carries the number of the log account', () => {
    apart.templates.evidence.hasResourceProperties('AWS::S3::Bucket', { BucketName: 'sallyport-prod-evidence-222222222222-us-east-1' });
  });
});

test('the auditor reads evidence, its locks and the public half of the key, and nothing else', () => {
  const lines = grants(production.templates.evidence, 'auditor');
  expect(lines.flatMap(({ actions }) => actions).toSorted()).toEqual([
    'kms:Decrypt',
    'kms:DescribeKey',
    'kms:GetKeyPolicy',
    'kms:GetPublicKey',
    's3:GetBucketObjectLockConfiguration',
    's3:GetBucketVersioning',
    's3:GetObject',
    's3:GetObjectLegalHold',
    's3:GetObjectRetention',
    's3:GetObjectVersion',
    's3:ListBucket',
    's3:ListBucketVersions',
  ]);
  for (const { resources, actions } of lines) {
    if (actions.some((action) => action.startsWith('s3:')))
      for (const resource of resources) expect(resource).toContain('sallyport-prod-evidence-');
  }
});

test('a minute without a checkpoint in the bucket is a fault, seen in the account of the bucket', () => {
  apart.templates.evidence.hasResourceProperties('AWS::CloudWatch::Alarm', {
    AlarmName: 'sallyport-prod-checkpoint-missing',
    TreatMissingData: 'breaching',
    Threshold: 1,
    ComparisonOperator: 'LessThanThreshold',
    MetricName: 'TriggeredRules',
  });
  apart.templates.evidence.hasResourceProperties('AWS::Events::Rule', {
    EventPattern: Match.objectLike({ detail: Match.objectLike({ object: { key: [{ wildcard: 'checkpoints/*.ckpt' }] } }) }),
  });
  apart.templates.evidence.hasResourceProperties('AWS::S3::Bucket', {
    NotificationConfiguration: { EventBridgeConfiguration: { EventBridgeEnabled: true } },
  });
});
