import { Duration } from 'aws-cdk-lib';
import type { ISecurityGroup, ISubnet, IVpc } from 'aws-cdk-lib/aws-ec2';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { Architecture, Code, Function, type ICodeSigningConfig, type IFunction, Runtime, Tracing } from 'aws-cdk-lib/aws-lambda';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge.ts';
import type { Deployable } from '../deployables.ts';
import type { Place } from '../place.ts';
import type { StageProps } from '../stages.ts';
import { logGroup } from './log-group.ts';
import { ServiceRole, type Statement } from './service-role.ts';

export type HandlerFunctionProps = {
  readonly deployable: Deployable;
  readonly stage: StageProps;
  readonly place: Place;
  /** Folder of its bundle. */
  readonly folder: string;
  readonly vpc: IVpc;
  readonly subnets: ISubnet[];
  readonly securityGroup: ISecurityGroup;
  readonly logsKey: IKey;
  readonly environmentKey: IKey;
  /** Where calls go that failed for good. */
  readonly deadLetters?: IQueue;
  readonly codeSigning?: ICodeSigningConfig;
};

/** One Lambda function with a role, a policy and a log group of its own. */
export class HandlerFunction extends Construct {
  readonly function: IFunction;

  constructor(scope: Construct, id: string, props: HandlerFunctionProps) {
    super(scope, id);
    const { deployable, stage, place } = props;
    const name = place.names.of(deployable.name);
    const logs = logGroup(this, 'Logs', `/sallyport/${stage.instance}/${deployable.name}`, stage, props.logsKey);
    const { role } = new ServiceRole(this, 'Access', {
      names: place.names,
      rolePath: stage.rolePath,
      noun: deployable.name,
      service: 'lambda.amazonaws.com',
      description: deployable.description,
      statements: [...deployable.grants(place, stage), ...this.runtimeStatements(props)],
    });
    const made = new Function(this, 'Function', {
      functionName: name,
      description: deployable.description,
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      handler: 'handler.handler',
      code: Code.fromAsset(props.folder),
      role,
      timeout: Duration.seconds(deployable.timeoutSeconds),
      memorySize: deployable.memoryMb,
      reservedConcurrentExecutions: deployable.concurrency,
      environment: place.environment(deployable.environment),
      environmentEncryption: props.environmentKey,
      vpc: props.vpc,
      vpcSubnets: { subnets: props.subnets },
      securityGroups: [props.securityGroup],
      logGroup: logs,
      tracing: Tracing.ACTIVE,
      ...(deployable.deadLetters && props.deadLetters !== undefined ? { deadLetterQueue: props.deadLetters, retryAttempts: 1 } : {}),
      ...(props.codeSigning === undefined ? {} : { codeSigningConfig: props.codeSigning }),
    });
    this.function = made;
    if (!deployable.deadLetters) {
      acknowledge(
        this.function,
        'Its caller waits for the answer and is told of a failure; there is no event that could be lost.',
        'NIST.800.53.R5-LambdaDLQ',
      );
    }
  }

  // What the service does in the function's name, whatever its code does.
  private runtimeStatements({ deployable, stage, place, deadLetters, environmentKey }: HandlerFunctionProps): Statement[] {
    const statements: Statement[] = [
      {
        actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
        resources: [place.names.arn('logs', `log-group:/sallyport/${stage.instance}/${deployable.name}:*`)],
        wildcardReason: 'The streams of its own log group; the service names them.',
      },
      {
        actions: ['xray:PutTraceSegments', 'xray:PutTelemetryRecords'],
        resources: ['*'],
        wildcardReason: 'X-Ray and the network interfaces of a VPC have no resources to name.',
      },
      {
        actions: [
          'ec2:CreateNetworkInterface',
          'ec2:DescribeNetworkInterfaces',
          'ec2:DescribeSubnets',
          'ec2:DeleteNetworkInterface',
          'ec2:AssignPrivateIpAddresses',
          'ec2:UnassignPrivateIpAddresses',
        ],
        resources: ['*'],
        wildcardReason: 'X-Ray and the network interfaces of a VPC have no resources to name.',
      },
      { actions: ['kms:Decrypt'], resources: [environmentKey.keyArn] },
    ];
    if (deployable.deadLetters && deadLetters !== undefined)
      statements.push({ actions: ['sqs:SendMessage'], resources: [deadLetters.queueArn] });
    return statements;
  }
}
