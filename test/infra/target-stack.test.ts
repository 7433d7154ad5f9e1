import { App } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { describe, expect, test } from 'vitest';
import { parseTarget } from '../../infra/parse-target.ts';
import { TargetStack } from '../../infra/target-stack.ts';

const FILE = {
  instance: 'prod',
  target: 'bank',
  rolePath: '/sallyport/',
  issuerRoleArn: 'arn:aws:iam::111111111111:role/sallyport/sallyport-prod-issue-credential',
  externalId: 'bank-7f3a',
  access: { kind: 'rdsIam', databaseUserArn: 'arn:aws:rds-db:us-east-1:333333333333:dbuser:db-ABC/sallyport' },
};

const templateOf = (file: object): Template =>
  Template.fromStack(new TargetStack(new App(), 'Target', { target: parseTarget(JSON.stringify(file)) }));

describe('the role of a target', () => {
  test('only the issuer takes it, with the external id and in the name of somebody', () => {
    const [policy] = Object.values(templateOf(FILE).findResources('AWS::IAM::Role'));
    const issuer = { AWS: FILE.issuerRoleArn };
    expect(policy?.['Properties'].AssumeRolePolicyDocument.Statement).toEqual([
      {
        Action: 'sts:AssumeRole',
        Effect: 'Allow',
        Principal: issuer,
        Condition: { StringEquals: { 'sts:ExternalId': 'bank-7f3a' }, StringLike: { 'sts:SourceIdentity': '?*' } },
      },
      { Action: 'sts:SetSourceIdentity', Effect: 'Allow', Principal: issuer, Condition: { StringLike: { 'sts:SourceIdentity': '?*' } } },
      {
        Action: 'sts:TagSession',
        Effect: 'Allow',
        Principal: issuer,
        Condition: {
          StringEquals: { 'aws:RequestTag/sallyport-target': 'bank' },
          'ForAllValues:StringLike': { 'aws:TagKeys': ['sallyport-*'] },
        },
      },
    ]);
    expect(policy?.['Properties']).toMatchObject({
      RoleName: 'sallyport-prod-target-bank',
      Path: '/sallyport/',
      MaxSessionDuration: 3_600,
    });
  });

  test('it logs in as one database user, and nothing else', () => {
    templateOf(FILE).hasResourceProperties('AWS::IAM::ManagedPolicy', {
      PolicyDocument: {
        Statement: [{ Action: 'rds-db:connect', Effect: 'Allow', Resource: FILE.access.databaseUserArn }],
        Version: Match.anyValue(),
      },
    });
  });

  test('or it reads one secret, with the key of that secret', () => {
    const access = {
      kind: 'secret',
      secretArn: 'arn:aws:secretsmanager:us-east-1:333333333333:secret:bank-AbCdEf',
      keyArn: 'arn:aws:kms:us-east-1:333333333333:key/1',
    };
    templateOf({ ...FILE, access }).hasResourceProperties('AWS::IAM::ManagedPolicy', {
      PolicyDocument: {
        Statement: [
          { Action: 'secretsmanager:GetSecretValue', Effect: 'Allow', Resource: access.secretArn },
          { Action: 'kms:Decrypt', Effect: 'Allow', Resource: access.keyArn },
        ],
        Version: Match.anyValue(),
      },
    });
  });

  test('or it pushes keys for named accounts of one instance', () => {
    const access = {
      kind: 'instanceConnect',
      instanceArn: 'arn:aws:ec2:us-east-1:333333333333:instance/i-0123456789abcdef0',
      accounts: ['deploy', 'ops'],
    };
    templateOf({ ...FILE, access }).hasResourceProperties('AWS::IAM::ManagedPolicy', {
      PolicyDocument: {
        Statement: [
          {
            Action: 'ec2-instance-connect:SendSSHPublicKey',
            Effect: 'Allow',
            Resource: access.instanceArn,
            Condition: { StringEquals: { 'ec2:osuser': access.accounts } },
          },
        ],
        Version: Match.anyValue(),
      },
    });
  });

  const INSTANCE = 'arn:aws:ec2:us-east-1:333333333333:instance/i-0123456789abcdef0';
  test.each([
    ['instanceArn', { ...FILE, access: { kind: 'instanceConnect', instanceArn: INSTANCE.replace(/i-.*/, '*'), accounts: ['deploy'] } }],
    ['accounts', { ...FILE, access: { kind: 'instanceConnect', instanceArn: INSTANCE, accounts: [] } }],
    ['accounts', { ...FILE, access: { kind: 'instanceConnect', instanceArn: INSTANCE, accounts: ['*'] } }],
    ['issuerRoleArn', { ...FILE, issuerRoleArn: '*' }],
    ['externalId', { ...FILE, externalId: undefined }],
    ['databaseUserArn', { ...FILE, access: { kind: 'rdsIam', databaseUserArn: 'arn:aws:rds-db:us-east-1:333333333333:dbuser:*/*' } }],
    ['secretArn', { ...FILE, access: { kind: 'secret', secretArn: 'arn:aws:secretsmanager:us-east-1:333333333333:secret:*' } }],
    ['kind', { ...FILE, access: { kind: 'everything' } }],
    ['target', { ...FILE, target: '../bank' }],
  ])('a file whose %s is missing or too wide is refused by name', (field, file) => {
    expect(() => parseTarget(JSON.stringify(file))).toThrow(`target file: ${field} `);
  });
});
