// Physical names, known before anything is made: stacks of different lifetimes and accounts name each other without an order.
import { Aws } from 'aws-cdk-lib';
import type { StageProps } from './stages.ts';

export const TABLES = [
  'journal',
  'writers',
  'sessions',
  'control',
  'cancels',
  'requests',
  'decisions',
  'notices',
  'claims',
  'budgets',
  'signin',
  'sshkeys',
  'seal',
] as const;
export type TableName = (typeof TABLES)[number];

export type BucketName = 'evidence' | 'staging' | 'config';

/** Every Lambda function by the folder of its handler. */
export const FUNCTIONS = [
  'evaluate-policy',
  'lookup-masking',
  'issue-credential',
  'request-approval',
  'notify-approvers',
  'decide-approval',
  'close-approval',
  'sweep',
  'seal',
  'publish-bundle',
  'activate-bundle',
  'console',
  'slack-callback',
] as const;
export type FunctionName = (typeof FUNCTIONS)[number];

/** The names of one stage. Accounts that are not written down are CloudFormation's pseudo parameters. */
export class Names {
  private readonly stage: StageProps;

  constructor(stage: StageProps) {
    this.stage = stage;
  }

  /** `sallyport-<instance>-<noun>` */
  of(noun: string): string {
    return `sallyport-${this.stage.instance}-${noun}`;
  }

  get account(): string {
    return this.stage.account ?? Aws.ACCOUNT_ID;
  }

  get evidenceAccount(): string {
    return this.stage.logAccount?.account ?? this.account;
  }

  arn(service: string, resource: string): string {
    return `arn:${Aws.PARTITION}:${service}:${this.stage.region}:${this.account}:${resource}`;
  }

  tableArn(table: TableName): string {
    return this.arn('dynamodb', `table/${this.of(table)}`);
  }

  functionArn(name: FunctionName): string {
    return this.arn('lambda', `function:${this.of(name)}`);
  }

  get stateMachineArn(): string {
    return this.arn('states', `stateMachine:${this.of('approval')}`);
  }

  /** Bucket names are one name space for the whole world. */
  bucket(bucket: BucketName | 'access-logs' | 'config-logs' | 'console-logs' | 'network-logs'): string {
    const account = bucket === 'evidence' || bucket === 'staging' || bucket === 'access-logs' ? this.evidenceAccount : this.account;
    return `${this.of(bucket)}-${account}-${this.stage.region}`;
  }

  bucketArn(bucket: BucketName): string {
    return `arn:${Aws.PARTITION}:s3:::${this.bucket(bucket)}`;
  }

  /** Of a role in the workload account; `role` as a service-role is named, with or without wildcards. */
  roleArn(role: string): string {
    return `arn:${Aws.PARTITION}:iam::${this.account}:role${this.stage.rolePath}${this.of(role)}`;
  }

  /** What the roles of targets are called in every account that has some. */
  get targetRolePattern(): string {
    return `${this.stage.rolePath}${this.of('target')}-*`;
  }
}
