// One target's side, deployed into the account that has the database: `npx cdk deploy -c target=<file.json> Target`.
import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { SallyportTarget, type SallyportTargetProps } from './constructs/sallyport-target.ts';

export class TargetStack extends Stack {
  constructor(scope: Construct, id: string, props: StackProps & { readonly target: SallyportTargetProps }) {
    super(scope, id, props);
    const { role } = new SallyportTarget(this, 'Target', props.target);
    new CfnOutput(this, 'RoleArn', { value: role.roleArn });
  }
}
