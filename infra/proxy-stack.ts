// The data path: tasks behind the NLB, what they may do, how many there are, and what tells when they are not well.
import { CfnParameter, Duration, Fn, Stack, type StackProps } from 'aws-cdk-lib';
import { Metric, Stats } from 'aws-cdk-lib/aws-cloudwatch';
import { type ISubnet, type IVpc, Peer, Port, SecurityGroup } from 'aws-cdk-lib/aws-ec2';
import {
  AvailabilityZoneRebalancing,
  Cluster,
  ContainerDefinition,
  ContainerImage,
  ContainerInsights,
  CpuArchitecture,
  FargatePlatformVersion,
  FargateService,
  FargateTaskDefinition,
  type ICluster,
  LinuxParameters,
  LogDriver,
  OperatingSystemFamily,
  PropagatedTagSource,
} from 'aws-cdk-lib/aws-ecs';
import {
  type INetworkLoadBalancer,
  NetworkListener,
  type NetworkLoadBalancer,
  NetworkTargetGroup,
  Protocol,
  TargetType,
} from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { ARecord, HostedZone, RecordTarget } from 'aws-cdk-lib/aws-route53';
import { LoadBalancerTarget } from 'aws-cdk-lib/aws-route53-targets';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import type { Construct } from 'constructs';
import { acknowledge } from './acknowledge.ts';
import { deployTime } from './constructs/deploy-time.ts';
import { logGroup } from './constructs/log-group.ts';
import { ProxyWatch } from './constructs/proxy-watch.ts';
import { ServiceRole } from './constructs/service-role.ts';
import { POSTGRES, SSH } from './network-stack.ts';
import type { Names } from './names.ts';
import type { Place } from './place.ts';
import { PROXY_ENVIRONMENT, proxyGrants } from './constructs/proxy-role.ts';
import type { StageProps } from './stages.ts';

export type ProxyStackProps = StackProps & {
  readonly stage: StageProps;
  readonly names: Names;
  readonly place: Place;
  readonly vpc: IVpc;
  readonly subnets: ISubnet[];
  readonly gateway: NetworkLoadBalancer;
  readonly gatewayGroup: SecurityGroup;
  readonly gatewayCidrs: readonly string[];
  readonly logsKey: IKey;
  readonly alarms: ITopic;
};

const HEALTH_PORT = 8079;
const CPU_UNITS = 1_024;
const MEMORY_MIB = 4_096;
/** Fargate's longest: the last step of a drain, after sessions had their transactions' ends. */
const STOP_SECONDS = 120;
/** One slice of scale-in protection: ECS lets sessions of a task that leaves end by themselves for as long, then sends SIGTERM. */
const DEREGISTRATION_SECONDS = 1_800;
const IDLE_SECONDS = 6_000;
const CPU_PERCENT = 60;

export class ProxyStack extends Stack {
  constructor(scope: Construct, id: string, props: ProxyStackProps) {
    super(scope, id, props);
    const { stage, names } = props;
    const clusterName = names.of('proxy');
    // CDK's own class and interface differ in optional properties only, which exactOptionalPropertyTypes tells apart.
    const cluster = new Cluster(this, 'Cluster', {
      clusterName,
      vpc: props.vpc,
      containerInsightsV2: ContainerInsights.ENHANCED,
    }) as ICluster;
    const group = this.makeGroup(props);
    const task = this.makeTask(props, clusterName);
    const service = new FargateService(this, 'Service', {
      serviceName: clusterName,
      cluster,
      taskDefinition: task,
      platformVersion: FargatePlatformVersion.VERSION1_4,
      desiredCount: stage.tasks.min,
      minHealthyPercent: 100,
      maxHealthyPercent: 200,
      assignPublicIp: false,
      enableExecuteCommand: false,
      enableECSManagedTags: true,
      propagateTags: PropagatedTagSource.SERVICE,
      availabilityZoneRebalancing: AvailabilityZoneRebalancing.ENABLED,
      circuitBreaker: { enable: true, rollback: true },
      healthCheckGracePeriod: Duration.seconds(60),
      vpcSubnets: { subnets: props.subnets },
      securityGroups: [group],
    });
    this.makeListeners(props, service);
    this.makeScaling(props, service);
    new ProxyWatch(this, 'Watch', {
      stage,
      names,
      topic: props.alarms,
      service,
      gateway: props.gateway,
    });
    if (stage.domain !== undefined) {
      new ARecord(this, 'GatewayName', {
        zone: HostedZone.fromHostedZoneAttributes(this, 'Zone', { hostedZoneId: stage.domain.zoneId, zoneName: stage.domain.zoneName }),
        recordName: `${stage.domain.gateway}.`,
        target: RecordTarget.fromAlias(new LoadBalancerTarget(props.gateway)),
      });
    }
  }

  private makeGroup({ stage, vpc, gatewayGroup }: ProxyStackProps): SecurityGroup {
    const group = new SecurityGroup(this, 'Group', { vpc, description: 'Tasks of the gateway', allowAllOutbound: false });
    for (const port of [POSTGRES.task, ...(stage.ssh ? [SSH.task] : []), HEALTH_PORT]) {
      group.addIngressRule(gatewayGroup, Port.tcp(port), 'The NLB');
      // The group of the NLB is of another stack; the rule stands here, with what it opens.
      gatewayGroup.addEgressRule(group, Port.tcp(port), 'Tasks', true);
    }
    group.addEgressRule(Peer.anyIpv4(), Port.tcp(443), 'AWS endpoints and issuers of tokens, over TLS');
    for (const { cidr, port } of stage.targets) group.addEgressRule(Peer.ipv4(cidr), Port.tcp(port), 'Targets');
    return group;
  }

  private makeTask(props: ProxyStackProps, cluster: string): FargateTaskDefinition {
    const { stage, names, place } = props;
    const digest = deployTime(this, 'ImageDigest', stage.imageDigest, {
      description: 'Digest of the proxy image in its repository',
      pattern: 'sha256:[0-9a-f]{64}',
      says: 'the digest of an image, sha256: and 64 hexadecimal digits',
    });
    const repositoryArn = stage.imageRepositoryArn ?? names.arn('ecr', `repository/${names.of('proxy')}`);
    const repository = { account: Fn.select(4, Fn.split(':', repositoryArn)), name: Fn.select(1, Fn.split('repository/', repositoryArn)) };
    const { role: executionRole } = new ServiceRole(this, 'ExecutionRole', {
      names,
      rolePath: stage.rolePath,
      noun: 'proxy-start',
      service: 'ecs-tasks.amazonaws.com',
      sourceArn: names.arn('ecs', '*'),
      description: 'Pulls the image and opens the log stream of a task',
      statements: [
        {
          actions: ['ecr:GetAuthorizationToken'],
          resources: ['*'],
          wildcardReason: 'The token is of the account and names no repository.',
        },
        { actions: ['ecr:BatchCheckLayerAvailability', 'ecr:BatchGetImage', 'ecr:GetDownloadUrlForLayer'], resources: [repositoryArn] },
        {
          actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
          resources: [names.arn('logs', `log-group:/sallyport/${stage.instance}/proxy:*`)],
          wildcardReason: 'The streams of one log group; each task has its own.',
        },
      ],
    });
    const { role: taskRole } = new ServiceRole(this, 'TaskRole', {
      names,
      rolePath: stage.rolePath,
      noun: 'proxy',
      service: 'ecs-tasks.amazonaws.com',
      sourceArn: names.arn('ecs', '*'),
      description: 'What a task of the gateway may do',
      statements: proxyGrants(place, cluster),
    });
    const task = new FargateTaskDefinition(this, 'Task', {
      family: names.of('proxy'),
      cpu: CPU_UNITS,
      memoryLimitMiB: MEMORY_MIB,
      runtimePlatform: { cpuArchitecture: CpuArchitecture.ARM64, operatingSystemFamily: OperatingSystemFamily.LINUX },
      executionRole,
      taskRole,
    });
    acknowledge(task, 'Names and addresses only; what is secret is read by its ARN when a task starts.', 'AwsSolutions-ECS2');
    // A newer generation drains older tasks: docs/deploy.md gives each deployment the time as its number.
    const generation = new CfnParameter(this, 'Generation', {
      type: 'Number',
      default: 1,
      minValue: 1,
      description: 'Larger than at the last deployment',
    });
    const container = new ContainerDefinition(this, 'Container', {
      containerName: 'proxy',
      taskDefinition: task,
      image: ContainerImage.fromRegistry(
        Fn.join('', [repository.account, '.dkr.ecr.', this.region, '.', this.urlSuffix, '/', repository.name, '@', digest]),
      ),
      essential: true,
      readonlyRootFilesystem: true,
      user: 'node',
      linuxParameters: new LinuxParameters(this, 'Linux', { initProcessEnabled: true }),
      stopTimeout: Duration.seconds(STOP_SECONDS),
      logging: LogDriver.awsLogs({
        streamPrefix: 'task',
        logGroup: logGroup(this, 'Logs', `/sallyport/${stage.instance}/proxy`, stage, props.logsKey),
      }),
      environment: {
        ...place.environment(PROXY_ENVIRONMENT),
        SALLYPORT_GENERATION: generation.valueAsString,
        SALLYPORT_IMAGE: digest,
        SALLYPORT_POSTGRES_PORT: String(POSTGRES.task),
        SALLYPORT_SSH_PORT: String(SSH.task),
        SALLYPORT_HEALTH_PORT: String(HEALTH_PORT),
        SALLYPORT_PROXY_PROTOCOL: stage.proxyProtocol,
        SALLYPORT_NLB_CIDRS: props.gatewayCidrs.join(','),
      },
    });
    container.addPortMappings(
      { containerPort: POSTGRES.task },
      { containerPort: HEALTH_PORT },
      ...(stage.ssh ? [{ containerPort: SSH.task }] : []),
    );
    return task;
  }

  private makeListeners({ stage, names, vpc, gateway }: ProxyStackProps, service: FargateService): void {
    for (const [noun, ports] of [['Postgres', POSTGRES] as const, ...(stage.ssh ? [['Ssh', SSH] as const] : [])]) {
      const targets = new NetworkTargetGroup(this, `${noun}Targets`, {
        targetGroupName: names.of(noun.toLowerCase()),
        vpc,
        port: ports.task,
        protocol: Protocol.TCP,
        targetType: TargetType.IP,
        preserveClientIp: true,
        proxyProtocolV2: stage.proxyProtocol === 'v2',
        deregistrationDelay: Duration.seconds(DEREGISTRATION_SECONDS),
        connectionTermination: false,
        crossZoneEnabled: true,
        // Not the port of the protocol: a task that drains, or cannot record, still accepts there, and says no here.
        healthCheck: {
          protocol: Protocol.HTTP,
          port: String(HEALTH_PORT),
          path: '/healthz',
          // ECS replaces what fails here: a task gets the half minute after which its sessions would end anyway.
          interval: Duration.seconds(10),
          timeout: Duration.seconds(5),
          healthyThresholdCount: 2,
          unhealthyThresholdCount: 3,
        },
      });
      targets.addTarget(service.loadBalancerTarget({ containerName: 'proxy', containerPort: ports.task }));
      const listener = new NetworkListener(this, `${noun}Listener`, {
        // CDK's own class and interface differ in optional properties only, which exactOptionalPropertyTypes tells apart.
        loadBalancer: gateway as INetworkLoadBalancer,
        port: ports.listener,
        protocol: Protocol.TCP,
        defaultTargetGroups: [targets],
        // People think; keep-alive of both legs is 60 s, and this is only for peers that vanished.
        tcpIdleTimeout: Duration.seconds(IDLE_SECONDS),
      });
      acknowledge(
        listener,
        'TLS of Postgres begins inside its protocol, and SSH has its own: an NLB cannot end either. Both end in the task, with a certificate.',
        'NIST.800.53.R5-ELBv2ACMCertificateRequired',
      );
    }
  }

  private makeScaling({ stage }: ProxyStackProps, service: FargateService): void {
    const scaling = service.autoScaleTaskCount({ minCapacity: stage.tasks.min, maxCapacity: stage.tasks.max });
    scaling.scaleOnCpuUtilization('Cpu', {
      targetUtilizationPercent: CPU_PERCENT,
      scaleOutCooldown: Duration.seconds(60),
      scaleInCooldown: Duration.minutes(15),
    });
    scaling.scaleToTrackCustomMetric('Sessions', {
      metric: new Metric({
        namespace: 'Sallyport',
        metricName: 'Sessions',
        dimensionsMap: { instance: stage.instance },
        statistic: Stats.AVERAGE,
        period: Duration.minutes(1),
      }),
      targetValue: stage.tasks.sessionsPerTask,
      scaleOutCooldown: Duration.seconds(60),
      scaleInCooldown: Duration.minutes(15),
    });
  }
}
