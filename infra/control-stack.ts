// What decides and tells: the Lambda functions, the approval workflow, the console and Slack's door. Replaced at will; it keeps nothing.
import { CfnOutput, Duration, Stack, type StackProps } from 'aws-cdk-lib';
import { ComparisonOperator, Metric, Stats } from 'aws-cdk-lib/aws-cloudwatch';
import { type ISubnet, type IVpc, Peer, Port, SecurityGroup } from 'aws-cdk-lib/aws-ec2';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { CfnCodeSigningConfig, CodeSigningConfig, type IFunction } from 'aws-cdk-lib/aws-lambda';
import { ARecord, HostedZone, RecordTarget } from 'aws-cdk-lib/aws-route53';
import { LoadBalancerTarget } from 'aws-cdk-lib/aws-route53-targets';
import { type ITopic, Topic } from 'aws-cdk-lib/aws-sns';
import { type IQueue, Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';
import { acknowledge } from './acknowledge.ts';
import type { Bundles } from './bundle.ts';
import { accessLogBucket } from './constructs/access-log-bucket.ts';
import { alarmTopic } from './constructs/alarm-topic.ts';
import { ApprovalWorkflow } from './constructs/approval-workflow.ts';
import { ConsoleFront } from './constructs/console-front.ts';
import { deployTime } from './constructs/deploy-time.ts';
import { HandlerFunction } from './constructs/handler-function.ts';
import { logGroup } from './constructs/log-group.ts';
import { monthlyBudget } from './constructs/monthly-budget.ts';
import { RunbookAlarm } from './constructs/runbook-alarm.ts';
import { SamlUserPool } from './constructs/saml-user-pool.ts';
import { eachMinute } from './constructs/schedule.ts';
import { ServiceRole } from './constructs/service-role.ts';
import { SlackApi } from './constructs/slack-api.ts';
import { deployablesOf } from './deployables.ts';
import type { FunctionName, Names } from './names.ts';
import { type Made, Place } from './place.ts';
import type { StageProps } from './stages.ts';

/** What the stack itself makes of a place. */
export type ControlMade = Pick<Made, 'noticeTopicArn' | 'checkpointTopicArn' | 'publicUrl'>;

export type ControlStackProps = StackProps & {
  readonly stage: StageProps;
  readonly names: Names;
  readonly bundles: Bundles;
  readonly vpc: IVpc;
  readonly subnets: ISubnet[];
  readonly logsKey: IKey;
  readonly dataKey: IKey;
  readonly made: Omit<Made, keyof ControlMade>;
};

const QUEUE_DAYS = 14;

/** What our functions count that should not happen: who says it, how it is called, its entry in the runbook. */
const OWN_FAULTS = [
  ['seal', 'BrokenJournals', 'journal-broken', 'The records of a writer do not follow each other; they are not sealed further.'],
  ['seal', 'CheckpointsNotHeld', 'checkpoint-not-held', 'A checkpoint did not reach those who keep it outside.'],
  ['sweep', 'WritersEnded', 'writer-died', 'A task died with sessions open; their recordings say how far they are whole.'],
  ['sweep', 'WritersNotEnded', 'writer-not-ended', 'A dead writer could not be fenced and sealed.'],
  ['request-approval', 'ApprovalsDiffering', 'approval-differs', 'A task asked for something else than its statement says.'],
  ['request-approval', 'WorkflowsNotStarted', 'workflow-not-started', 'An approval waits without a workflow; the sweeper repeats it.'],
  ['decide-approval', 'DecisionsNotDelivered', 'decision-not-delivered', 'A workflow could not be told of a decision; the decision holds.'],
  ['close-approval', 'WorkflowsFailed', 'workflow-gave-up', 'A workflow gave up telling people of an approval.'],
] as const;

export class ControlStack extends Stack {
  readonly alarms: ITopic;
  readonly made: ControlMade;
  private readonly functions = new Map<FunctionName, IFunction>();

  constructor(scope: Construct, id: string, props: ControlStackProps) {
    super(scope, id, props);
    const { stage, names } = props;
    const topic = alarmTopic(this, 'AlarmTopic', names.of('alarms'), stage, props.dataKey);
    this.alarms = topic;
    const host = deployTime(this, 'ConsoleHost', stage.domain?.console, {
      description: 'Host name of the console, such as sallyport.bank.example',
      pattern: '[a-z0-9.-]{4,253}',
      says: 'a host name in lower case',
    });
    const notices = new Topic(this, 'Notices', { topicName: names.of('notices'), masterKey: props.dataKey, enforceSSL: true });
    // Mailed to whoever keeps them outside: they show a rewrite of everything else.
    const checkpoints = new Topic(this, 'Checkpoints', { topicName: names.of('checkpoints'), masterKey: props.dataKey, enforceSSL: true });
    this.made = { noticeTopicArn: notices.topicArn, checkpointTopicArn: checkpoints.topicArn, publicUrl: `https://${host}` };
    const deadLetters = this.makeQueue(props);
    const place = new Place(names, stage, { ...props.made, ...this.made });
    this.makeFunctions(props, place, deadLetters);
    this.makeWorkflow(props);
    for (const name of ['seal', 'sweep'] as const)
      eachMinute(this, `Each${pascal(name)}`, names.of(name), this.function(name), deadLetters);
    this.makeConsole(props, host);
    if (stage.slack) {
      const logs = logGroup(this, 'SlackLogs', `/sallyport/${stage.instance}/slack-api`, stage, props.logsKey);
      const { url } = new SlackApi(this, 'SlackApi', { name: names.of('slack'), function: this.function('slack-callback'), logs });
      new CfnOutput(this, 'SlackRequestUrl', { value: url });
    }
    if (stage.saml !== undefined) {
      const pool = new SamlUserPool(this, 'People', { stage, name: names.of('people'), saml: stage.saml });
      new CfnOutput(this, 'PeopleIssuer', { value: pool.issuer });
      new CfnOutput(this, 'PeopleClientId', { value: pool.clientId });
    }
    monthlyBudget(this, 'Budget', names.of('month'), stage, topic);
    this.makeAlarms(props, topic, deadLetters);
    new CfnOutput(this, 'NoticeTopic', { value: notices.topicArn });
    new CfnOutput(this, 'CheckpointTopic', { value: checkpoints.topicArn });
    new CfnOutput(this, 'ConsoleUrl', { value: this.made.publicUrl });
  }

  private function(name: FunctionName): IFunction {
    const found = this.functions.get(name);
    if (found === undefined) throw new Error(`the function ${name} is not in this deployment`);
    return found;
  }

  private makeQueue({ names, dataKey }: ControlStackProps): IQueue {
    const queue = new Queue(this, 'DeadLetters', {
      queueName: names.of('dead-letters'),
      encryption: QueueEncryption.KMS,
      encryptionMasterKey: dataKey,
      enforceSSL: true,
      retentionPeriod: Duration.days(QUEUE_DAYS),
    });
    acknowledge(queue, 'It is itself the queue for what failed; an alarm says when something is in it.', 'AwsSolutions-SQS3');
    return queue;
  }

  private makeFunctions(props: ControlStackProps, place: Place, deadLetters: IQueue): void {
    const { stage } = props;
    const group = new SecurityGroup(this, 'FunctionsGroup', {
      vpc: props.vpc,
      description: 'Functions to AWS and to issuers of tokens',
      allowAllOutbound: false,
    });
    group.addEgressRule(Peer.anyIpv4(), Port.tcp(443), 'AWS endpoints and issuers of tokens, over TLS');
    const profiles = stage.codeSigningProfileVersionArns;
    const codeSigning =
      profiles === undefined
        ? undefined
        : CodeSigningConfig.fromCodeSigningConfigArn(
            this,
            'Signing',
            new CfnCodeSigningConfig(this, 'SigningConfig', {
              allowedPublishers: { signingProfileVersionArns: [...profiles] },
              codeSigningPolicies: { untrustedArtifactOnDeployment: 'Enforce' },
              description: 'Only code that our pipeline signed',
            }).attrCodeSigningConfigArn,
          );
    for (const deployable of deployablesOf(stage)) {
      const made = new HandlerFunction(this, pascal(deployable.name), {
        deployable,
        stage,
        place,
        folder: props.bundles.folderOf(deployable.name),
        vpc: props.vpc,
        subnets: props.subnets,
        securityGroup: group,
        logsKey: props.logsKey,
        environmentKey: props.dataKey,
        deadLetters,
        ...(codeSigning === undefined ? {} : { codeSigning }),
      });
      this.functions.set(deployable.name, made.function);
    }
  }

  private makeWorkflow({ stage, names, logsKey }: ControlStackProps): void {
    const { role } = new ServiceRole(this, 'WorkflowRole', {
      names,
      rolePath: stage.rolePath,
      noun: 'approval-workflow',
      service: 'states.amazonaws.com',
      sourceArn: names.stateMachineArn,
      description: 'Calls the two functions of the approval workflow',
      statements: [
        { actions: ['lambda:InvokeFunction'], resources: [names.functionArn('notify-approvers'), names.functionArn('close-approval')] },
        {
          actions: [
            'logs:CreateLogDelivery',
            'logs:GetLogDelivery',
            'logs:UpdateLogDelivery',
            'logs:DeleteLogDelivery',
            'logs:ListLogDeliveries',
            'logs:PutResourcePolicy',
            'logs:DescribeResourcePolicies',
            'logs:DescribeLogGroups',
          ],
          resources: ['*'],
          wildcardReason: 'Log delivery and X-Ray have no resources to name.',
        },
        {
          actions: ['xray:PutTraceSegments', 'xray:PutTelemetryRecords', 'xray:GetSamplingRules', 'xray:GetSamplingTargets'],
          resources: ['*'],
          wildcardReason: 'Log delivery and X-Ray have no resources to name.',
        },
      ],
    });
    new ApprovalWorkflow(this, 'Approval', {
      name: names.of('approval'),
      role,
      logs: logGroup(this, 'WorkflowLogs', `/aws/vendedlogs/states/${names.of('approval')}`, stage, logsKey),
      notify: this.function('notify-approvers'),
      close: this.function('close-approval'),
    });
  }

  private makeConsole(props: ControlStackProps, host: string): void {
    const { stage, names } = props;
    const certificateArn = deployTime(this, 'ConsoleCertificate', stage.consoleCertificateArn, {
      description: 'ARN of the certificate of ACM for the console',
      pattern: 'arn:aws[a-z-]*:acm:[a-z0-9-]+:\\d{12}:certificate/.+',
      says: 'the ARN of a certificate in ACM',
    });
    const front = new ConsoleFront(this, 'ConsoleFront', {
      stage,
      name: names.of('console'),
      vpc: props.vpc,
      subnets: props.subnets,
      certificateArn,
      host,
      function: this.function('console'),
      accessLogs: accessLogBucket(this, 'ConsoleLogs', names.bucket('console-logs'), stage),
      // The service delivers only to groups with this beginning.
      firewallLogs: logGroup(this, 'FirewallLogs', `aws-waf-logs-${names.of('console')}`, stage, props.logsKey),
    });
    if (stage.domain !== undefined) {
      new ARecord(this, 'ConsoleName', {
        zone: HostedZone.fromHostedZoneAttributes(this, 'Zone', { hostedZoneId: stage.domain.zoneId, zoneName: stage.domain.zoneName }),
        recordName: `${host}.`,
        target: RecordTarget.fromAlias(new LoadBalancerTarget(front.balancer)),
      });
    }
  }

  private makeAlarms({ stage, names }: ControlStackProps, topic: ITopic, deadLetters: IQueue): void {
    const { instance } = stage;
    const minute = Duration.minutes(1);
    const sum = (namespace: string, metricName: string, dimensionsMap: Record<string, string>): Metric =>
      new Metric({ namespace, metricName, dimensionsMap, statistic: Stats.SUM, period: minute });
    const many = { comparison: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD, silence: 'fine', instance, topic } as const;
    for (const { name } of deployablesOf(stage)) {
      new RunbookAlarm(this, `${pascal(name)}Errors`, {
        ...many,
        runbook: 'function-fails',
        of: name,
        says: `The function ${name} fails.`,
        metric: sum('AWS/Lambda', 'Errors', { FunctionName: this.function(name).functionName }),
        threshold: 1,
        periods: name === 'seal' || name === 'sweep' ? 3 : 2,
      });
      new RunbookAlarm(this, `${pascal(name)}Throttles`, {
        ...many,
        runbook: 'function-throttled',
        of: name,
        says: `The function ${name} is asked more often than its reserved concurrency allows.`,
        metric: sum('AWS/Lambda', 'Throttles', { FunctionName: this.function(name).functionName }),
        threshold: 1,
        periods: 2,
      });
    }
    new RunbookAlarm(this, 'CheckpointAge', {
      ...many,
      runbook: 'checkpoint-old',
      says: 'The last signed checkpoint is older than five minutes, or the sealer is silent.',
      metric: new Metric({
        namespace: 'Sallyport',
        metricName: 'CheckpointAge',
        dimensionsMap: { purpose: 'seal' },
        statistic: Stats.MAXIMUM,
        period: minute,
      }),
      threshold: 300,
      periods: 3,
      silence: 'fault',
    });
    for (const [purpose, metricName, runbook, says] of OWN_FAULTS) {
      new RunbookAlarm(this, metricName, {
        ...many,
        runbook,
        says,
        metric: sum('Sallyport', metricName, { purpose }),
        threshold: 1,
        periods: 1,
      });
    }
    new RunbookAlarm(this, 'DeadLettersWait', {
      ...many,
      runbook: 'dead-letters',
      says: 'A scheduled or asynchronous call failed for good.',
      metric: deadLetters.metricApproximateNumberOfMessagesVisible({ period: minute, statistic: Stats.MAXIMUM }),
      threshold: 1,
      periods: 1,
    });
    new RunbookAlarm(this, 'WorkflowFails', {
      ...many,
      runbook: 'approval-workflow-failed',
      says: 'Executions of the approval workflow fail.',
      metric: sum('AWS/States', 'ExecutionsFailed', { StateMachineArn: names.stateMachineArn }),
      threshold: 1,
      periods: 1,
    });
  }
}

function pascal(name: string): string {
  return name
    .split('-')
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('');
}
