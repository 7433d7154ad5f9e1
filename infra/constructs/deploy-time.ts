import { CfnParameter } from 'aws-cdk-lib';
import type { Construct } from 'constructs';

/** What only the account knows: written in the stage, or else asked for at the first `cdk deploy` and remembered by CloudFormation. */
export function deployTime(
  scope: Construct,
  id: string,
  written: string | undefined,
  asked: { readonly description: string; readonly pattern: string; readonly says: string },
): string {
  if (written !== undefined) {
    if (!new RegExp(`^(?:${asked.pattern})$`, 'u').test(written)) throw new Error(`${id} is ${JSON.stringify(written)}: ${asked.says}`);
    return written;
  }
  return new CfnParameter(scope, id, {
    type: 'String',
    description: asked.description,
    allowedPattern: asked.pattern,
    constraintDescription: asked.says,
  }).valueAsString;
}
