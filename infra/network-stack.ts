// The longest-lived of the workload: addresses. Clients know the NLB's name, targets know our subnets.
import { Fn, Stack, type StackProps } from 'aws-cdk-lib';
import {
  FlowLogDestination,
  FlowLogTrafficType,
  GatewayVpcEndpoint,
  GatewayVpcEndpointAwsService,
  InterfaceVpcEndpoint,
  InterfaceVpcEndpointAwsService,
  InterfaceVpcEndpointService,
  IpAddresses,
  type ISubnet,
  type IVpc,
  Peer,
  Port,
  SecurityGroup,
  SubnetType,
  Vpc,
} from 'aws-cdk-lib/aws-ec2';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { NetworkLoadBalancer } from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import type { Construct } from 'constructs';
import { acknowledge, TAKEN_DOWN } from './acknowledge.ts';
import { accessLogBucket } from './constructs/access-log-bucket.ts';
import { dataKey } from './constructs/data-key.ts';
import { logGroup } from './constructs/log-group.ts';
import { ServiceRole } from './constructs/service-role.ts';
import type { Names } from './names.ts';
import type { OwnVpc, StageProps } from './stages.ts';

export type NetworkStackProps = StackProps & { readonly stage: StageProps; readonly names: Names };

/** Ports of the NLB, and of the tasks behind it. */
export const POSTGRES = { listener: 5432, task: 6432 } as const;
export const SSH = { listener: 22, task: 2222 } as const;

const ZONES = [0, 1, 2];
const SUBNET_BITS = 20;

// What tasks and functions speak to.
const INTERFACE_ENDPOINTS: Readonly<Record<string, InterfaceVpcEndpointService>> = {
  Ecr: InterfaceVpcEndpointAwsService.ECR,
  EcrDocker: InterfaceVpcEndpointAwsService.ECR_DOCKER,
  Ecs: InterfaceVpcEndpointAwsService.ECS,
  EcsAgent: InterfaceVpcEndpointAwsService.ECS_AGENT,
  EcsTelemetry: InterfaceVpcEndpointAwsService.ECS_TELEMETRY,
  Kms: InterfaceVpcEndpointAwsService.KMS,
  Lambda: InterfaceVpcEndpointAwsService.LAMBDA,
  Logs: InterfaceVpcEndpointAwsService.CLOUDWATCH_LOGS,
  Monitoring: InterfaceVpcEndpointAwsService.CLOUDWATCH_MONITORING,
  SecretsManager: InterfaceVpcEndpointAwsService.SECRETS_MANAGER,
  Sns: InterfaceVpcEndpointAwsService.SNS,
  States: InterfaceVpcEndpointAwsService.STEP_FUNCTIONS,
  Sts: InterfaceVpcEndpointAwsService.STS,
  Xray: InterfaceVpcEndpointAwsService.XRAY,
};

export class NetworkStack extends Stack {
  readonly vpc: IVpc;
  readonly privateSubnets: ISubnet[];
  /** Encrypts the log groups of the workload's stacks. */
  readonly logsKey: IKey;
  readonly gateway: NetworkLoadBalancer;
  readonly gatewayGroup: SecurityGroup;
  /** Where the NLB's own addresses lie: who may say a client's address in a PROXY header. */
  readonly gatewayCidrs: readonly string[];

  constructor(scope: Construct, id: string, props: NetworkStackProps) {
    super(scope, id, props);
    const { stage, names } = props;
    this.logsKey = dataKey(this, 'LogsKey', { alias: `alias/${names.of('logs')}`, through: [], logs: true });
    const { vpc } = stage;
    // CDK's own class and interface differ in optional properties only, which exactOptionalPropertyTypes tells apart.
    this.vpc =
      vpc.kind === 'own'
        ? (this.makeVpc(vpc, props) as IVpc)
        : Vpc.fromVpcAttributes(this, 'Vpc', {
            vpcId: vpc.vpcId,
            vpcCidrBlock: vpc.cidr,
            availabilityZones: [...vpc.availabilityZones],
            privateSubnetIds: [...vpc.privateSubnetIds],
            privateSubnetRouteTableIds: [...vpc.privateRouteTableIds],
            ...(vpc.publicSubnetIds === undefined ? {} : { publicSubnetIds: [...vpc.publicSubnetIds] }),
          });
    this.privateSubnets = this.vpc.selectSubnets({ subnetType: SubnetType.PRIVATE_WITH_EGRESS }).subnets;
    if (vpc.kind === 'own' || vpc.endpoints) this.makeEndpoints(vpc.cidr, stage.moreEndpoints ?? []);
    this.gatewayCidrs = [vpc.cidr];

    this.gatewayGroup = new SecurityGroup(this, 'GatewayGroup', {
      vpc: this.vpc,
      description: 'Agents to the gateway',
      allowAllOutbound: false,
    });
    for (const cidr of stage.clientCidrs) {
      for (const { listener } of stage.ssh ? [POSTGRES, SSH] : [POSTGRES]) {
        this.gatewayGroup.addIngressRule(Peer.ipv4(cidr), Port.tcp(listener), 'Agents');
      }
    }
    this.gateway = this.makeGateway(props);
  }

  // Without an account written down nothing may be looked up: the first three zones of the region, by number.
  override get availabilityZones(): string[] {
    return ZONES.map((zone) => Fn.select(zone, Fn.getAzs()));
  }

  private makeVpc(own: OwnVpc, { stage, names }: NetworkStackProps): Vpc {
    const vpc = new Vpc(this, 'Vpc', {
      ipAddresses: IpAddresses.cidr(own.cidr),
      maxAzs: ZONES.length,
      // Issuers of tokens are on the internet; a stage for work may share one way out.
      natGateways: stage.kind === 'production' ? ZONES.length : 1,
      subnetConfiguration: [
        { name: 'Public', subnetType: SubnetType.PUBLIC, cidrMask: SUBNET_BITS + 4, mapPublicIpOnLaunch: false },
        { name: 'Private', subnetType: SubnetType.PRIVATE_WITH_EGRESS, cidrMask: SUBNET_BITS },
      ],
      restrictDefaultSecurityGroup: false,
    });
    acknowledge(
      vpc,
      'The default group is used by nothing here; closing it would need a custom resource with rights on every group of the account. The conformance pack watches it.',
      'NIST.800.53.R5-VPCDefaultSecurityGroupClosed',
    );
    acknowledge(
      vpc,
      'The public subnets hold NAT gateways (and the NLB where it is asked to face the internet), nothing else; private ones have no such route.',
      'NIST.800.53.R5-VPCNoUnrestrictedRouteToIGW',
    );
    const group = logGroup(this, 'FlowLogs', `/sallyport/${stage.instance}/flow`, stage, this.logsKey);
    const { role } = new ServiceRole(this, 'FlowLogsRole', {
      names,
      rolePath: stage.rolePath,
      noun: 'flow-logs',
      service: 'vpc-flow-logs.amazonaws.com',
      description: 'Writes the flow logs of the VPC',
      statements: [
        {
          actions: ['logs:CreateLogStream', 'logs:PutLogEvents', 'logs:DescribeLogStreams'],
          resources: [names.arn('logs', `log-group:/sallyport/${stage.instance}/flow:*`)],
          wildcardReason: 'The streams of one log group; the service names them.',
        },
      ],
    });
    vpc.addFlowLog('Flow', { destination: FlowLogDestination.toCloudWatchLogs(group, role), trafficType: FlowLogTrafficType.ALL });
    return vpc;
  }

  private makeEndpoints(cidr: string, more: readonly string[]): void {
    const group = new SecurityGroup(this, 'EndpointsGroup', {
      vpc: this.vpc,
      description: 'AWS endpoints inside the VPC',
      allowAllOutbound: false,
    });
    group.addIngressRule(Peer.ipv4(cidr), Port.tcp(443), 'TLS from the VPC');
    const subnets = [{ subnets: this.privateSubnets }];
    for (const [name, service] of [
      ['S3', GatewayVpcEndpointAwsService.S3],
      ['DynamoDb', GatewayVpcEndpointAwsService.DYNAMODB],
    ] as const) {
      new GatewayVpcEndpoint(this, `${name}Endpoint`, { vpc: this.vpc, service, subnets });
    }
    // Names that CDK has no constant for are plain strings.
    const named = more.map(
      (service) => [service, new InterfaceVpcEndpointService(`com.amazonaws.${this.region}.${service}`, 443)] as const,
    );
    for (const [name, service] of [...Object.entries(INTERFACE_ENDPOINTS), ...named]) {
      new InterfaceVpcEndpoint(this, `${name}Endpoint`, {
        vpc: this.vpc,
        service,
        subnets: { subnets: this.privateSubnets },
        securityGroups: [group],
        privateDnsEnabled: true,
        open: false,
      });
    }
  }

  private makeGateway({ stage, names }: NetworkStackProps): NetworkLoadBalancer {
    const gateway = new NetworkLoadBalancer(this, 'Gateway', {
      loadBalancerName: names.of('gateway'),
      vpc: this.vpc,
      internetFacing: stage.internetFacing,
      vpcSubnets: stage.internetFacing ? { subnetType: SubnetType.PUBLIC } : { subnets: this.privateSubnets },
      crossZoneEnabled: true,
      deletionProtection: stage.kind === 'production',
      securityGroups: [this.gatewayGroup],
    });
    if (stage.kind === 'development') acknowledge(gateway, ...TAKEN_DOWN);
    gateway.logAccessLogs(accessLogBucket(this, 'NetworkLogs', names.bucket('network-logs'), stage));
    return gateway;
  }
}
