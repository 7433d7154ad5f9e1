import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { AccountPrincipal, AccountRootPrincipal, AnyPrincipal, Effect, PolicyDocument, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { Key, KeySpec, KeyUsage } from 'aws-cdk-lib/aws-kms';
import type { Construct } from 'constructs';

export type SigningKeyProps = {
  readonly alias: string;
  readonly description: string;
  /** Account of the roles below, which need not exist yet: policies name them by `aws:PrincipalArn`. */
  readonly account: string;
  readonly organizationId?: string;
  readonly signers: readonly string[];
  /** Roles that may read the public half. */
  readonly readers: readonly string[];
  /** The one role that may disable or delete the key; nobody where absent. */
  readonly breakGlassRoleArn?: string;
};

const WINDOW_DAYS = 30;

// Everything but use: signing is not among them, and neither is what would stop it.
const ADMINISTRATION = [
  'kms:CreateAlias',
  'kms:UpdateAlias',
  'kms:DeleteAlias',
  'kms:DescribeKey',
  'kms:EnableKey',
  'kms:GetKeyPolicy',
  'kms:GetPublicKey',
  'kms:GetKeyRotationStatus',
  'kms:ListAliases',
  'kms:ListGrants',
  'kms:ListKeyPolicies',
  'kms:ListResourceTags',
  'kms:PutKeyPolicy',
  'kms:TagResource',
  'kms:UntagResource',
  'kms:UpdateKeyDescription',
  'kms:CancelKeyDeletion',
];
const ENDING = ['kms:DisableKey', 'kms:ScheduleKeyDeletion', 'kms:DeleteImportedKeyMaterial'];

/**
 * A key that signs (ECC_NIST_P256, so ECDSA_SHA_256). Signing is for the named roles alone: an administrator of the account manages the
 * key, but neither signs with it nor ends it. An administrator can still change this policy; CloudTrail shows it, and a service control
 * policy forbids it (`infra/policies`).
 */
export function signingKey(scope: Construct, id: string, props: SigningKeyProps): Key {
  const { breakGlassRoleArn } = props;
  const organization = props.organizationId === undefined ? {} : { StringEquals: { 'aws:PrincipalOrgID': props.organizationId } };
  const roles = (sid: string, arns: readonly string[], actions: string[]): PolicyStatement =>
    new PolicyStatement({
      sid,
      principals: [new AccountPrincipal(props.account)],
      actions,
      resources: ['*'],
      conditions: { ArnLike: { 'aws:PrincipalArn': arns }, ...organization },
    });
  const statements = [
    new PolicyStatement({ sid: 'Administration', principals: [new AccountRootPrincipal()], actions: ADMINISTRATION, resources: ['*'] }),
    roles('Sign', props.signers, ['kms:Sign', 'kms:GetPublicKey']),
    roles('ReadPublicHalf', props.readers, ['kms:GetPublicKey']),
    new PolicyStatement({
      sid: 'NobodyEndsIt',
      effect: Effect.DENY,
      principals: [new AnyPrincipal()],
      actions: ENDING,
      resources: ['*'],
      ...(breakGlassRoleArn === undefined ? {} : { conditions: { ArnNotEquals: { 'aws:PrincipalArn': breakGlassRoleArn } } }),
    }),
  ];
  if (breakGlassRoleArn !== undefined) {
    statements.push(
      new PolicyStatement({
        sid: 'BreakGlass',
        principals: [new AccountRootPrincipal()],
        actions: ENDING,
        resources: ['*'],
        conditions: { ArnEquals: { 'aws:PrincipalArn': breakGlassRoleArn } },
      }),
    );
  }
  return new Key(scope, id, {
    alias: props.alias,
    description: props.description,
    keySpec: KeySpec.ECC_NIST_P256,
    keyUsage: KeyUsage.SIGN_VERIFY,
    policy: new PolicyDocument({ statements }),
    removalPolicy: RemovalPolicy.RETAIN,
    pendingWindow: Duration.days(WINDOW_DAYS),
  });
}
