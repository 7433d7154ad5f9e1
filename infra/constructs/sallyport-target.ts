// What an account with databases or hosts gives to Sallyport: a role for one target, taken by one function, with a trail of who it acts for.
import { ArnPrincipal, ManagedPolicy, PolicyStatement, PrincipalWithConditions, Role } from 'aws-cdk-lib/aws-iam';
import { Duration } from 'aws-cdk-lib';
import { Construct } from 'constructs';

export type SallyportTargetProps = {
  readonly instance: string;
  /** Name of the target as in `sallyport.yaml`. */
  readonly target: string;
  readonly rolePath: string;
  /** Role of the `issue-credential` function in the workload's account. */
  readonly issuerRoleArn: string;
  /** As in `sallyport.yaml`; a role that was asked for by anybody else's mistake refuses without it. */
  readonly externalId: string;
  readonly access:
    | { readonly kind: 'rdsIam'; /** `arn:…:rds-db:<region>:<account>:dbuser:<resource id>/<user>` */ readonly databaseUserArn: string }
    | { readonly kind: 'secret'; readonly secretArn: string; /** Key of the secret where it is not AWS's own. */ readonly keyArn?: string }
    | {
        readonly kind: 'instanceConnect';
        readonly instanceArn: string;
        /** Accounts of the instance that agents may ask for, as in `sallyport.yaml`. */
        readonly accounts: readonly string[];
      };
};

const SESSION_HOURS = 1;

export class SallyportTarget extends Construct {
  readonly role: Role;

  constructor(scope: Construct, id: string, props: SallyportTargetProps) {
    super(scope, id);
    const { instance, target, rolePath, externalId } = props;
    const name = `sallyport-${instance}-target-${target}`;
    const issuer = new ArnPrincipal(props.issuerRoleArn);
    this.role = new Role(this, 'Role', {
      roleName: name,
      path: rolePath,
      description: `Sallyport's access to ${target}`,
      maxSessionDuration: Duration.hours(SESSION_HOURS),
      // Without the agent's name as source identity, CloudTrail could not say for whom it was.
      assumedBy: new PrincipalWithConditions(issuer, {
        StringEquals: { 'sts:ExternalId': externalId },
        StringLike: { 'sts:SourceIdentity': '?*' },
      }),
    });
    this.role.assumeRolePolicy?.addStatements(
      new PolicyStatement({
        principals: [issuer],
        actions: ['sts:SetSourceIdentity'],
        conditions: { StringLike: { 'sts:SourceIdentity': '?*' } },
      }),
      new PolicyStatement({
        principals: [issuer],
        actions: ['sts:TagSession'],
        conditions: {
          // A role of one target is of no use for another, whatever the function was told.
          StringEquals: { 'aws:RequestTag/sallyport-target': target },
          'ForAllValues:StringLike': { 'aws:TagKeys': ['sallyport-*'] },
        },
      }),
    );
    const { access } = props;
    new ManagedPolicy(this, 'Policy', {
      managedPolicyName: name,
      path: rolePath,
      roles: [this.role],
      statements: statementsOf(access),
    });
  }
}

function statementsOf(access: SallyportTargetProps['access']): PolicyStatement[] {
  switch (access.kind) {
    case 'rdsIam':
      return [new PolicyStatement({ actions: ['rds-db:connect'], resources: [access.databaseUserArn] })];
    case 'secret':
      return [
        new PolicyStatement({ actions: ['secretsmanager:GetSecretValue'], resources: [access.secretArn] }),
        ...(access.keyArn === undefined ? [] : [new PolicyStatement({ actions: ['kms:Decrypt'], resources: [access.keyArn] })]),
      ];
    case 'instanceConnect':
      return [
        new PolicyStatement({
          actions: ['ec2-instance-connect:SendSSHPublicKey'],
          resources: [access.instanceArn],
          conditions: { StringEquals: { 'ec2:osuser': [...access.accounts] } },
        }),
      ];
  }
}
