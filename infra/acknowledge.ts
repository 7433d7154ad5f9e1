import { Validations } from 'aws-cdk-lib';
import type { IConstruct } from 'constructs';

/** Says why findings of cdk-nag on a resource are as they should be. The reason stands beside the resource. */
export function acknowledge(construct: IConstruct, reason: string, ...findings: readonly string[]): void {
  for (const id of findings) Validations.of(construct).acknowledge({ id, reason });
}

/** For a load balancer of a development stage. */
export const TAKEN_DOWN = [
  'A development stage is taken down with its stacks; production has the protection.',
  'NIST.800.53.R5-ELBDeletionProtectionEnabled',
] as const;
