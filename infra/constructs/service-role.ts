// Every role of ours: named, on the stage's path, with what it may do in one customer managed policy that we wrote ourselves.
import { Aws, Stack } from 'aws-cdk-lib';
import { type IRole, ManagedPolicy, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge.ts';
import type { Names } from '../names.ts';

export type Statement = {
  readonly actions: readonly string[];
  readonly resources: readonly string[];
  /** By operator, then by condition key. */
  readonly conditions?: Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>;
  /** Why a wildcard stands in the resources. Required where one does. */
  readonly wildcardReason?: string;
};

export type ServiceRoleProps = {
  readonly names: Names;
  readonly rolePath: string;
  /** The role is called `sallyport-<instance>-<noun>`. */
  readonly noun: string;
  readonly service: string;
  /** Narrows which resource of the service may take the role: the confused deputy otherwise. */
  readonly sourceArn?: string;
  readonly description: string;
  readonly statements: readonly Statement[];
};

export class ServiceRole extends Construct {
  /** Not to be extended by constructs that it is handed to: what they would add stands in its statements. */
  readonly role: IRole;

  constructor(scope: Construct, id: string, props: ServiceRoleProps) {
    super(scope, id);
    const { names, noun, rolePath } = props;
    const made = new Role(this, 'Role', {
      roleName: names.of(noun),
      path: rolePath,
      description: props.description,
      assumedBy: new ServicePrincipal(props.service, {
        conditions:
          props.sourceArn === undefined
            ? {}
            : { StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID }, ArnLike: { 'aws:SourceArn': props.sourceArn } },
      }),
    });
    if (props.statements.length > 0) {
      const policy = new ManagedPolicy(this, 'Policy', {
        managedPolicyName: names.of(noun),
        path: rolePath,
        description: props.description,
        roles: [made],
        statements: props.statements.map(policyStatement),
      });
      acknowledgeWildcards(policy, props.statements);
    }
    this.role = made.withoutPolicyUpdates();
  }
}

/** As the policy has it. */
export function policyStatement({ actions, resources, conditions }: Statement): PolicyStatement {
  return new PolicyStatement({ actions: [...actions], resources: [...resources], ...(conditions === undefined ? {} : { conditions }) });
}

/** Each wildcard is acknowledged with the reason that its own statement gives; one without a reason fails synthesis. */
export function acknowledgeWildcards(policy: Construct, statements: readonly Statement[]): void {
  for (const { actions, resources, wildcardReason } of statements) {
    for (const resource of resources.filter((each) => each.includes('*'))) {
      if (wildcardReason === undefined)
        throw new Error(`${policy.node.path}: ${actions.join(', ')} on ${resource} without a reason for the wildcard`);
      acknowledge(policy, wildcardReason, `AwsSolutions-IAM5[Resource::${findingName(policy, resource)}]`);
    }
  }
}

// cdk-nag names a finding by the resource as the template has it: what is only known when deploying stands there as `<Name>`.
function findingName(scope: Construct, resource: string): string {
  return flatten(Stack.of(scope).resolve(resource));
}

function flatten(node: unknown): string {
  if (typeof node === 'string') return node;
  if (typeof node !== 'object' || node === null) return '';
  if ('Ref' in node) return `<${flatten(node.Ref)}>`;
  if ('Fn::Join' in node && Array.isArray(node['Fn::Join'])) {
    const join: readonly unknown[] = node['Fn::Join'];
    return Array.isArray(join[1]) ? join[1].map(flatten).join(flatten(join[0])) : '';
  }
  if ('Fn::GetAtt' in node && Array.isArray(node['Fn::GetAtt'])) return `<${node['Fn::GetAtt'].map(flatten).join('.')}>`;
  return JSON.stringify(node);
}
