// What a deployable is told of its surroundings, and what its role names: the one list behind environment and policies.
import { Aws } from 'aws-cdk-lib';
import type { Statement } from './constructs/service-role.ts';
import { type BucketName, type FunctionName, type Names, TABLES, type TableName } from './names.ts';
import { REQUESTS_INDEX } from './tables.ts';

/** What only exists once its stack was made. */
export type Made = {
  readonly evidenceKeyArn: string;
  readonly evidenceDataKeyArn: string;
  readonly bundleKeyArn: string;
  readonly secretsArn: string;
  readonly tlsSecretArn: string;
  /** Absent in a stage without SSH. */
  readonly sshHostKeySecretArn?: string;
  /** As above. */
  readonly sshCaKeyArn?: string;
  /** Absent in a stage without Slack. */
  readonly slackSecretArn?: string;
  readonly noticeTopicArn: string;
  readonly checkpointTopicArn: string;
  readonly publicUrl: string;
};

const SLACK_VARIABLE = 'SALLYPORT_SLACK_SECRET_ARN';
const SSH_VARIABLE = 'SALLYPORT_SSH_HOST_KEY_SECRET_ARN';
const SSH_CA_VARIABLE = 'SALLYPORT_SSH_CA_KEY_ARN';
/** Of what a stage may do without. */
const OPTIONAL: ReadonlySet<string> = new Set([SLACK_VARIABLE, SSH_VARIABLE, SSH_CA_VARIABLE]);

/** Roles may be granted before what they use is made, but where a value is a token of another stack. */
export class Place {
  readonly names: Names;
  private readonly instance: string;
  private readonly region: string;
  private readonly made: Made;

  constructor(names: Names, stage: { readonly instance: string; readonly region: string }, made: Made) {
    this.names = names;
    this.instance = stage.instance;
    this.region = stage.region;
    this.made = made;
  }

  /** The values of `SALLYPORT_…` variables that every deployable may ask for. */
  environment(variables: readonly string[]): Record<string, string> {
    const known = this.variables();
    if (this.made.slackSecretArn !== undefined) known[SLACK_VARIABLE] = this.made.slackSecretArn;
    if (this.made.sshHostKeySecretArn !== undefined) known[SSH_VARIABLE] = this.made.sshHostKeySecretArn;
    if (this.made.sshCaKeyArn !== undefined) known[SSH_CA_VARIABLE] = this.made.sshCaKeyArn;
    return Object.fromEntries(
      variables.flatMap((name) => {
        const value = known[name];
        if (value === undefined && !OPTIONAL.has(name)) throw new Error(`nothing in this deployment is called ${name}`);
        return value === undefined ? [] : [[name, value]];
      }),
    );
  }

  private variables(): Record<string, string> {
    const { names, made } = this;
    const environment: Record<string, string> = {
      SALLYPORT_INSTANCE: this.instance,
      SALLYPORT_EVIDENCE_BUCKET: names.bucket('evidence'),
      SALLYPORT_STAGING_BUCKET: names.bucket('staging'),
      SALLYPORT_CONFIG_BUCKET: names.bucket('config'),
      SALLYPORT_EVIDENCE_KEY_ARN: made.evidenceKeyArn,
      SALLYPORT_BUNDLE_KEY_ARN: made.bundleKeyArn,
      SALLYPORT_SECRETS_ARN: made.secretsArn,
      SALLYPORT_TLS_SECRET_ARN: made.tlsSecretArn,
      SALLYPORT_NOTICE_TOPIC_ARN: made.noticeTopicArn,
      SALLYPORT_CHECKPOINT_TOPIC_ARN: made.checkpointTopicArn,
      SALLYPORT_STATE_MACHINE_ARN: names.stateMachineArn,
      SALLYPORT_PUBLIC_URL: made.publicUrl,
      SALLYPORT_FN_EVALUATE_POLICY: names.of('evaluate-policy'),
      SALLYPORT_FN_LOOKUP_MASKING: names.of('lookup-masking'),
      SALLYPORT_FN_ISSUE_CREDENTIAL: names.of('issue-credential'),
      SALLYPORT_FN_REQUEST_APPROVAL: names.of('request-approval'),
      SALLYPORT_FN_NOTIFY_APPROVERS: names.of('notify-approvers'),
      SALLYPORT_FN_DECIDE_APPROVAL: names.of('decide-approval'),
    };
    for (const table of TABLES) environment[`SALLYPORT_${table.toUpperCase()}_TABLE`] = names.of(table);
    return environment;
  }

  /** Actions of DynamoDB on one table; `keys` narrows them to items by their partition key. */
  table(table: TableName, actions: readonly string[], keys?: readonly string[]): Statement {
    return {
      actions: actions.map((action) => `dynamodb:${action}`),
      resources: [this.names.tableArn(table)],
      ...(keys === undefined ? {} : { conditions: { 'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': [...keys] } } }),
    };
  }

  /** The list of requests, newest first. */
  requestsIndex(): Statement {
    return { actions: ['dynamodb:Query'], resources: [`${this.names.tableArn('requests')}/index/${REQUESTS_INDEX}`] };
  }

  objects(bucket: BucketName, actions: readonly string[], prefix: string, reason: string): Statement {
    return {
      actions: actions.map((action) => `s3:${action}`),
      resources: [`${this.names.bucketArn(bucket)}/${prefix}*`],
      wildcardReason: reason,
    };
  }

  object(bucket: BucketName, actions: readonly string[], key: string): Statement {
    return { actions: actions.map((action) => `s3:${action}`), resources: [`${this.names.bucketArn(bucket)}/${key}`] };
  }

  /** S3 says that an object is not there only to whoever may list; to others it says 403 either way. */
  absence(bucket: BucketName): Statement {
    return { actions: ['s3:ListBucket'], resources: [this.names.bucketArn(bucket)] };
  }

  /** What S3 asks of whoever puts (`GenerateDataKey`) or gets (`Decrypt`) an object under the evidence's data key. */
  evidenceDataKey(...actions: readonly ('kms:Decrypt' | 'kms:GenerateDataKey')[]): Statement {
    return {
      actions,
      resources: [this.made.evidenceDataKeyArn],
      conditions: { StringEquals: { 'kms:ViaService': `s3.${this.region}.amazonaws.com` } },
    };
  }

  evidenceKey(...actions: readonly ('kms:Sign' | 'kms:GetPublicKey')[]): Statement {
    return { actions, resources: [this.made.evidenceKeyArn] };
  }

  bundleKey(...actions: readonly ('kms:Sign' | 'kms:GetPublicKey')[]): Statement {
    return { actions, resources: [this.made.bundleKeyArn] };
  }

  /** Nothing in a stage without Slack. */
  slackSecret(): readonly Statement[] {
    const arn = this.made.slackSecretArn;
    return arn === undefined ? [] : [{ actions: ['secretsmanager:GetSecretValue'], resources: [arn] }];
  }

  /** What logins by SSH need; nothing in a stage without it. */
  sshDoor(): readonly Statement[] {
    const arn = this.made.sshHostKeySecretArn;
    if (arn === undefined) return [];
    return [{ actions: ['secretsmanager:GetSecretValue'], resources: [arn] }, this.table('sshkeys', ['GetItem', 'DeleteItem'])];
  }

  /** Certificates for hosts; nothing in a stage without SSH. */
  sshAuthority(): readonly Statement[] {
    const arn = this.made.sshCaKeyArn;
    return arn === undefined ? [] : [{ actions: ['kms:Sign', 'kms:GetPublicKey'], resources: [arn] }];
  }

  secret(which: 'secretsArn' | 'tlsSecretArn'): Statement {
    return { actions: ['secretsmanager:GetSecretValue'], resources: [this.made[which]] };
  }

  invoke(...functions: readonly FunctionName[]): Statement {
    return { actions: ['lambda:InvokeFunction'], resources: functions.map((name) => this.names.functionArn(name)) };
  }

  startApproval(): Statement {
    return { actions: ['states:StartExecution'], resources: [this.names.stateMachineArn] };
  }

  /** Task tokens name their execution themselves; IAM sees the state machine. */
  answerTasks(...actions: readonly ('states:SendTaskSuccess' | 'states:SendTaskFailure')[]): Statement {
    return { actions, resources: [this.names.stateMachineArn] };
  }

  publish(topic: 'noticeTopicArn' | 'checkpointTopicArn'): Statement {
    return { actions: ['sns:Publish'], resources: [this.made[topic]] };
  }

  /** Roles of targets, in the accounts that have some, and only with the trail that the trust policies ask for. */
  assumeTargets(accounts: readonly string[]): Statement {
    const where = accounts.length === 0 ? [this.names.account] : accounts;
    return {
      actions: ['sts:AssumeRole', 'sts:SetSourceIdentity', 'sts:TagSession'],
      resources: where.map((account) => `arn:${Aws.PARTITION}:iam::${account}:role${this.names.targetRolePattern}`),
      wildcardReason: 'Targets come and go; each has a role of this name that trusts this function with its external id.',
    };
  }
}
