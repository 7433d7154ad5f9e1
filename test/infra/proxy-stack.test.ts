import { Match } from 'aws-cdk-lib/assertions';
import { beforeAll, describe, expect, test } from 'vitest';
import { DEVELOPMENT, type ExistingVpc, PRODUCTION } from '../../infra/stages.ts';
import { grants, listOf, resources, type Synthesized, synthesize } from './synthesized.ts';

const EXISTING: ExistingVpc = {
  kind: 'existing',
  vpcId: 'vpc-0123',
  cidr: '10.9.0.0/16',
  availabilityZones: ['us-east-1a', 'us-east-1b', 'us-east-1c'],
  privateSubnetIds: ['subnet-a', 'subnet-b', 'subnet-c'],
  privateRouteTableIds: ['rtb-a', 'rtb-b', 'rtb-c'],
  endpoints: false,
};
const DIGEST = `sha256:${'0123456789abcdef'.repeat(4)}`;

let production: Synthesized;
let borrowed: Synthesized;
beforeAll(() => {
  production = synthesize(PRODUCTION);
  borrowed = synthesize({
    ...PRODUCTION,
    account: '111111111111',
    vpc: EXISTING,
    proxyProtocol: 'v2',
    imageDigest: DIGEST,
    imageRepositoryArn: 'arn:aws:ecr:us-east-1:333333333333:repository/security/sallyport',
    tlsSecretArn: 'arn:aws:secretsmanager:us-east-1:111111111111:secret:tls-AbCdEf',
    consoleCertificateArn: 'arn:aws:acm:us-east-1:111111111111:certificate/0123',
    domain: { zoneId: 'Z0123', zoneName: 'bank.example', gateway: 'gateway.bank.example', console: 'sallyport.bank.example' },
    keys: {
      dataKeyArn: 'arn:aws:kms:us-east-1:111111111111:key/data',
      bundleKeyArn: 'arn:aws:kms:us-east-1:111111111111:key/bundles',
      sshCaKeyArn: 'arn:aws:kms:us-east-1:111111111111:key/hosts',
    },
  });
});

describe('tasks', () => {
  test('they run on Graviton with a read-only root file system, no root, no shell and no public address', () => {
    const template = production.templates.proxy;
    template.hasResourceProperties('AWS::ECS::TaskDefinition', {
      RuntimePlatform: { CpuArchitecture: 'ARM64', OperatingSystemFamily: 'LINUX' },
      NetworkMode: 'awsvpc',
      ContainerDefinitions: [Match.objectLike({ ReadonlyRootFilesystem: true, User: 'node', StopTimeout: 120, Essential: true })],
    });
    template.hasResourceProperties('AWS::ECS::Service', {
      EnableExecuteCommand: false,
      NetworkConfiguration: { AwsvpcConfiguration: Match.objectLike({ AssignPublicIp: 'DISABLED' }) },
      DeploymentConfiguration: Match.objectLike({ DeploymentCircuitBreaker: { Enable: true, Rollback: true }, MinimumHealthyPercent: 100 }),
      DesiredCount: 3,
    });
    const [service] = resources(template, 'AWS::ECS::Service');
    expect(Object(Object(service?.properties['NetworkConfiguration'])['AwsvpcConfiguration'])['Subnets']).toHaveLength(3);
  });

  test('the image is named by its digest, as a parameter where the stage has none', () => {
    const [task] = resources(production.templates.proxy, 'AWS::ECS::TaskDefinition');
    expect(JSON.stringify(task?.properties['ContainerDefinitions'])).toContain('"@",{"Ref":"ImageDigest"}');
    production.templates.proxy.hasParameter('ImageDigest', { AllowedPattern: 'sha256:[0-9a-f]{64}' });
    const [other] = resources(borrowed.templates.proxy, 'AWS::ECS::TaskDefinition');
    expect(JSON.stringify(other?.properties['ContainerDefinitions'])).toContain(`security/sallyport@${DIGEST}`);
  });

  test('an image by a tag is refused', () => {
    expect(() => synthesize({ ...DEVELOPMENT, imageDigest: 'latest' })).toThrow(/the digest of an image/u);
  });

  test('there are more of them by sessions and by processor, never fewer than the stage says', () => {
    const template = production.templates.proxy;
    template.hasResourceProperties('AWS::ApplicationAutoScaling::ScalableTarget', { MinCapacity: 3, MaxCapacity: PRODUCTION.tasks.max });
    template.resourceCountIs('AWS::ApplicationAutoScaling::ScalingPolicy', 2);
    template.hasResourceProperties('AWS::ApplicationAutoScaling::ScalingPolicy', {
      TargetTrackingScalingPolicyConfiguration: {
        CustomizedMetricSpecification: Match.objectLike({ MetricName: 'Sessions', Namespace: 'Sallyport' }),
        TargetValue: PRODUCTION.tasks.sessionsPerTask,
      },
    });
  });

  test('a task reads what it obeys and can write none of it', () => {
    const writes = grants(production.templates.proxy, 'proxy')
      .filter(({ actions }) => actions.some((action) => /^dynamodb:(?:Put|Update|Delete)/u.test(action)))
      .flatMap(({ resources }) => resources.map((resource) => resource.replace(/.*sallyport-prod-/u, '')));
    for (const obeyed of ['control', 'decisions', 'requests', 'notices', 'seal']) expect(writes).not.toContain(obeyed);
    const actions = grants(production.templates.proxy, 'proxy').flatMap((line) => line.actions);
    expect(actions.filter((action) => /^sts:|kms:Sign|^s3:Delete|^iam:/u.test(action))).toEqual([]);
  });
});

describe('the way in', () => {
  test('Postgres and SSH arrive by TCP at an internal load balancer, with the address of the client', () => {
    production.templates.network.hasResourceProperties('AWS::ElasticLoadBalancingV2::LoadBalancer', {
      Type: 'network',
      Scheme: 'internal',
      LoadBalancerAttributes: Match.arrayWith([{ Key: 'load_balancing.cross_zone.enabled', Value: 'true' }]),
    });
    const template = production.templates.proxy;
    const ports = resources(template, 'AWS::ElasticLoadBalancingV2::Listener').map(({ properties }) => [
      properties['Port'],
      properties['Protocol'],
    ]);
    expect(ports.toSorted(([a], [b]) => Number(a) - Number(b))).toEqual([
      [22, 'TCP'],
      [5432, 'TCP'],
    ]);
    for (const { properties } of resources(template, 'AWS::ElasticLoadBalancingV2::TargetGroup')) {
      expect(properties).toMatchObject({ Protocol: 'TCP', TargetType: 'ip', HealthCheckProtocol: 'HTTP', HealthCheckPort: '8079' });
      expect(listOf(properties['TargetGroupAttributes'])).toEqual(
        expect.arrayContaining([
          { Key: 'preserve_client_ip.enabled', Value: 'true' },
          { Key: 'proxy_protocol_v2.enabled', Value: 'false' },
          { Key: 'deregistration_delay.timeout_seconds', Value: '1800' },
        ]),
      );
    }
  });

  test('PROXY v2 is switched on in the load balancer and in the task together, and is believed from its network only', () => {
    for (const { properties } of resources(borrowed.templates.proxy, 'AWS::ElasticLoadBalancingV2::TargetGroup')) {
      expect(listOf(properties['TargetGroupAttributes'])).toContainEqual({ Key: 'proxy_protocol_v2.enabled', Value: 'true' });
    }
    borrowed.templates.proxy.hasResourceProperties('AWS::ECS::TaskDefinition', {
      ContainerDefinitions: [
        Match.objectLike({
          Environment: Match.arrayWith([
            { Name: 'SALLYPORT_PROXY_PROTOCOL', Value: 'v2' },
            { Name: 'SALLYPORT_NLB_CIDRS', Value: EXISTING.cidr },
          ]),
        }),
      ],
    });
  });

  test('only the clients of the stage reach it, and tasks are reached from it alone', () => {
    production.templates.network.hasResourceProperties('AWS::EC2::SecurityGroup', {
      GroupDescription: 'Agents to the gateway',
      SecurityGroupIngress: [
        { CidrIp: '10.0.0.0/8', Description: 'Agents', FromPort: 5432, IpProtocol: 'tcp', ToPort: 5432 },
        { CidrIp: '10.0.0.0/8', Description: 'Agents', FromPort: 22, IpProtocol: 'tcp', ToPort: 22 },
      ],
    });
    for (const { properties } of resources(production.templates.proxy, 'AWS::EC2::SecurityGroupIngress')) {
      expect(properties['SourceSecurityGroupId']).toBeDefined();
      expect(properties).not.toHaveProperty('CidrIp');
    }
  });
});

describe('what a platform team brings', () => {
  test('an endpoint by a name that CDK has no constant for', () => {
    const { network } = synthesize({ ...DEVELOPMENT, moreEndpoints: ['execute-api-next'] }).templates;
    const services = resources(network, 'AWS::EC2::VPCEndpoint').map(({ properties }) => properties['ServiceName']);
    expect(services).toContain('com.amazonaws.us-east-1.execute-api-next');
  });

  test('its own VPC: nothing of a network is made but the load balancer and its group', () => {
    const template = borrowed.templates.network;
    for (const type of ['AWS::EC2::VPC', 'AWS::EC2::Subnet', 'AWS::EC2::NatGateway', 'AWS::EC2::VPCEndpoint'])
      template.resourceCountIs(type, 0);
    template.hasResourceProperties('AWS::ElasticLoadBalancingV2::LoadBalancer', { Subnets: EXISTING.privateSubnetIds });
  });

  test('its own keys, certificate, secret and repository: none of them is made', () => {
    expect(resources(borrowed.templates.state, 'AWS::KMS::Key')).toEqual([]);
    expect(JSON.stringify(borrowed.templates.control.toJSON())).toContain('arn:aws:kms:us-east-1:111111111111:key/hosts');
    expect(resources(borrowed.templates.state, 'AWS::ECR::Repository')).toEqual([]);
    expect(JSON.stringify(borrowed.templates.state.toJSON())).not.toContain('sallyport-prod-tls');
    expect(Object.keys(borrowed.templates.control.findParameters('*')).filter((name) => name !== 'BootstrapVersion')).toEqual([]);
  });

  test('its own zone: both names point to the two load balancers', () => {
    borrowed.templates.proxy.hasResourceProperties('AWS::Route53::RecordSet', { Name: 'gateway.bank.example.' });
    borrowed.templates.control.hasResourceProperties('AWS::Route53::RecordSet', { Name: 'sallyport.bank.example.' });
  });

  test('a VPC of ours has three zones, and endpoints for whatever tasks and functions call', () => {
    const template = production.templates.network;
    template.resourceCountIs('AWS::EC2::Subnet', 6);
    template.resourceCountIs('AWS::EC2::FlowLog', 1);
    const services = resources(template, 'AWS::EC2::VPCEndpoint').map(({ properties }) => JSON.stringify(properties['ServiceName']));
    for (const service of [
      's3',
      'dynamodb',
      'kms',
      'lambda',
      'sts',
      'states',
      'sns',
      'secretsmanager',
      'logs',
      'ecr.api',
      'ecr.dkr',
      'ecs-agent',
      'xray',
    ]) {
      expect(
        services.some((name) => name.includes(`.${service}"`)),
        service,
      ).toBe(true);
    }
    for (const { properties } of resources(template, 'AWS::EC2::Subnet')) expect(properties['MapPublicIpOnLaunch']).toBe(false);
  });
});
