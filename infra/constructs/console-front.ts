// The console's door: an internal load balancer with a certificate and a web application firewall before one function.
import { Aws, Duration } from 'aws-cdk-lib';
import { type ISubnet, type IVpc, Peer, Port, SecurityGroup } from 'aws-cdk-lib/aws-ec2';
import {
  ApplicationLoadBalancer,
  ApplicationProtocol,
  ApplicationTargetGroup,
  ListenerAction,
  ListenerCertificate,
  ListenerCondition,
  SslPolicy,
  TargetType,
} from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import { LambdaTarget } from 'aws-cdk-lib/aws-elasticloadbalancingv2-targets';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import type { ILogGroup } from 'aws-cdk-lib/aws-logs';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import { CfnLoggingConfiguration, CfnWebACL, CfnWebACLAssociation } from 'aws-cdk-lib/aws-wafv2';
import { Construct } from 'constructs';
import { acknowledge, TAKEN_DOWN } from '../acknowledge.ts';
import type { StageProps } from '../stages.ts';

export type ConsoleFrontProps = {
  readonly stage: StageProps;
  readonly name: string;
  readonly vpc: IVpc;
  readonly subnets: ISubnet[];
  readonly certificateArn: string;
  /** Only requests to this host reach the function. */
  readonly host: string;
  readonly function: IFunction;
  readonly accessLogs: IBucket;
  /** Its name begins with `aws-waf-logs-`. */
  readonly firewallLogs: ILogGroup;
};

const HTTPS = 443;
/** A person who reads and votes makes some hundred requests in five minutes. */
const REQUESTS_IN_FIVE_MINUTES = 1_000;
const COMMON_RULES = 'AWSManagedRulesCommonRuleSet';
/** Codes and tokens of issuers are longer than these rules think; the console bounds what it reads by itself. */
const SIZES = ['SizeRestrictions_QUERYSTRING', 'SizeRestrictions_BODY'];
const MANAGED_RULES = [COMMON_RULES, 'AWSManagedRulesKnownBadInputsRuleSet', 'AWSManagedRulesAmazonIpReputationList'];

export class ConsoleFront extends Construct {
  readonly balancer: ApplicationLoadBalancer;

  constructor(scope: Construct, id: string, props: ConsoleFrontProps) {
    super(scope, id);
    const { stage } = props;
    const group = new SecurityGroup(this, 'Group', { vpc: props.vpc, description: 'People to the console', allowAllOutbound: false });
    for (const cidr of stage.clientCidrs) group.addIngressRule(Peer.ipv4(cidr), Port.tcp(HTTPS), 'Approvers and operators');
    this.balancer = new ApplicationLoadBalancer(this, 'Balancer', {
      loadBalancerName: props.name,
      vpc: props.vpc,
      vpcSubnets: { subnets: props.subnets },
      internetFacing: false,
      securityGroup: group,
      dropInvalidHeaderFields: true,
      deletionProtection: stage.kind === 'production',
      idleTimeout: Duration.seconds(60),
    });
    if (stage.kind === 'development') acknowledge(this.balancer, ...TAKEN_DOWN);
    this.balancer.logAccessLogs(props.accessLogs);
    const targets = new ApplicationTargetGroup(this, 'Targets', {
      targetType: TargetType.LAMBDA,
      targets: [new LambdaTarget(props.function)],
      multiValueHeadersEnabled: true,
      healthCheck: { enabled: true, path: '/healthz', interval: Duration.seconds(60) },
    });
    const listener = this.balancer.addListener('Https', {
      port: HTTPS,
      protocol: ApplicationProtocol.HTTPS,
      certificates: [ListenerCertificate.fromArn(props.certificateArn)],
      sslPolicy: SslPolicy.TLS13_RES,
      open: false,
      defaultAction: ListenerAction.fixedResponse(404),
    });
    listener.addAction('Console', {
      priority: 1,
      conditions: [ListenerCondition.hostHeaders([props.host])],
      action: ListenerAction.forward([targets]),
    });
    this.protect(props);
  }

  private protect({ name, firewallLogs }: ConsoleFrontProps): void {
    const visibility = (metric: string): CfnWebACL.VisibilityConfigProperty => ({
      cloudWatchMetricsEnabled: true,
      metricName: metric,
      sampledRequestsEnabled: false,
    });
    const firewall = new CfnWebACL(this, 'Firewall', {
      name,
      scope: 'REGIONAL',
      defaultAction: { allow: {} },
      visibilityConfig: visibility(name),
      rules: [
        {
          name: 'Rate',
          priority: 0,
          action: { block: {} },
          statement: { rateBasedStatement: { limit: REQUESTS_IN_FIVE_MINUTES, aggregateKeyType: 'IP' } },
          visibilityConfig: visibility('Rate'),
        },
        ...MANAGED_RULES.map((rules, at) => ({
          name: rules,
          priority: at + 1,
          overrideAction: { none: {} },
          statement: {
            managedRuleGroupStatement: {
              vendorName: 'AWS',
              name: rules,
              ...(rules === COMMON_RULES ? { ruleActionOverrides: SIZES.map((name) => ({ name, actionToUse: { count: {} } })) } : {}),
            },
          },
          visibilityConfig: visibility(rules),
        })),
      ],
    });
    new CfnWebACLAssociation(this, 'Protection', { resourceArn: this.balancer.loadBalancerArn, webAclArn: firewall.attrArn });
    new CfnLoggingConfiguration(this, 'FirewallLogging', {
      resourceArn: firewall.attrArn,
      // Without the `:*` that CloudFormation's own attribute ends with, and the firewall refuses.
      logDestinationConfigs: [`arn:${Aws.PARTITION}:logs:${Aws.REGION}:${Aws.ACCOUNT_ID}:log-group:${firewallLogs.logGroupName}`],
      // Sign-in and votes carry tokens there.
      redactedFields: [{ singleHeader: { Name: 'authorization' } }, { singleHeader: { Name: 'cookie' } }, { queryString: {} }],
    });
  }
}
