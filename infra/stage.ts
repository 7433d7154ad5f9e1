// One stage of Sallyport: its stacks, in the order in which they live.
import { Stage, Tags } from 'aws-cdk-lib';
import { ManagedPolicy, PermissionsBoundary } from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';
import type { Bundles } from './bundle.ts';
import { ControlStack } from './control-stack.ts';
import { EvidenceStack } from './evidence-stack.ts';
import { Names } from './names.ts';
import { NetworkStack } from './network-stack.ts';
import { Place } from './place.ts';
import { ProxyStack } from './proxy-stack.ts';
import { checkStage, type StageProps } from './stages.ts';
import { StateStack } from './state-stack.ts';

export class SallyportStage extends Stage {
  readonly network: NetworkStack;
  readonly evidence: EvidenceStack;
  readonly state: StateStack;
  readonly control: ControlStack;
  readonly proxy: ProxyStack;

  constructor(scope: Construct, id: string, props: { readonly stage: StageProps; readonly bundles: Bundles }) {
    const { bundles } = props;
    const stage = checkStage(props.stage);
    const env = { region: stage.region, ...(stage.account === undefined ? {} : { account: stage.account }) };
    super(scope, id, { env });
    const names = new Names(stage);
    const stackProps = (lifetime: string): { stackName: string; description: string; env: typeof env } => ({
      stackName: names.of(lifetime),
      description: `Sallyport ${stage.instance}: ${lifetime}`,
      env,
    });
    this.network = new NetworkStack(this, 'Network', { stage, names, ...stackProps('network') });
    this.evidence = new EvidenceStack(this, 'Evidence', {
      stage,
      names,
      ...stackProps('evidence'),
      ...(stage.logAccount === undefined ? {} : { env: { region: stage.region, account: stage.logAccount.account } }),
    });
    this.state = new StateStack(this, 'State', { stage, names, ...stackProps('state') });
    const made = {
      evidenceKeyArn: stage.logAccount?.signingKeyArn ?? this.evidence.signingKey.keyArn,
      evidenceDataKeyArn: stage.logAccount?.dataKeyArn ?? this.evidence.dataKey.keyArn,
      bundleKeyArn: this.state.bundleKeyArn,
      secretsArn: this.state.secretsArn,
      tlsSecretArn: this.state.tlsSecretArn,
      ...(this.state.slackSecretArn === undefined ? {} : { slackSecretArn: this.state.slackSecretArn }),
      ...(this.state.sshCaKeyArn === undefined ? {} : { sshCaKeyArn: this.state.sshCaKeyArn }),
      ...(this.state.sshHostKeySecretArn === undefined ? {} : { sshHostKeySecretArn: this.state.sshHostKeySecretArn }),
    };
    const { vpc, privateSubnets: subnets, logsKey } = this.network;
    this.control = new ControlStack(this, 'Control', {
      stage,
      names,
      bundles,
      vpc,
      subnets,
      logsKey,
      dataKey: this.state.dataKey,
      made,
      ...stackProps('control'),
    });
    const { gateway, gatewayGroup, gatewayCidrs } = this.network;
    this.proxy = new ProxyStack(this, 'Proxy', {
      stage,
      names,
      place: new Place(names, stage, { ...made, ...this.control.made }),
      vpc,
      subnets,
      gateway,
      gatewayGroup,
      gatewayCidrs,
      logsKey,
      alarms: this.control.alarms,
      ...stackProps('proxy'),
    });
    for (const [key, value] of Object.entries(stage.tags)) Tags.of(this).add(key, value);
    if (stage.permissionsBoundaryArn !== undefined) {
      PermissionsBoundary.of(this).apply(ManagedPolicy.fromManagedPolicyArn(this.network, 'Boundary', stage.permissionsBoundaryArn));
    }
  }
}
