import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Match } from 'aws-cdk-lib/assertions';
import { beforeAll, describe, expect, test } from 'vitest';
import { DEPLOYABLES } from '../../infra/deployables.ts';
import { DEVELOPMENT, PRODUCTION } from '../../infra/stages.ts';
import { functionNamed, grants, policyLines, resources, STACKS, type Synthesized, synthesize, textOf } from './synthesized.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
let production: Synthesized;
let development: Synthesized;
beforeAll(() => {
  production = synthesize(PRODUCTION);
  development = synthesize(DEVELOPMENT);
});

describe('functions', () => {
  test.each(DEPLOYABLES.map(({ name }) => name))('%s runs on Node 24 on Graviton, bounded, traced, in the VPC', (name) => {
    expect(existsSync(`${ROOT}/lambdas/${name}/handler.ts`)).toBe(true);
    const { properties } = functionNamed(production.templates.control, name);
    expect(properties).toMatchObject({
      Runtime: 'nodejs24.x',
      Architectures: ['arm64'],
      Handler: 'handler.handler',
      TracingConfig: { Mode: 'Active' },
    });
    expect(properties['ReservedConcurrentExecutions']).toBeGreaterThan(0);
    expect(properties['Timeout']).toBeLessThanOrEqual(60);
    expect(Object(properties['VpcConfig'])['SubnetIds']).toHaveLength(3);
    expect(properties['KmsKeyArn']).toBeDefined();
  });

  test('the reserved concurrency of all leaves most of an account to others', () => {
    const total = DEPLOYABLES.reduce((sum, { concurrency }) => sum + concurrency, 0);
    expect(total).toBeLessThanOrEqual(600);
  });

  test('the sealer and the sweeper run each minute, one at a time, and leave what failed in a queue', () => {
    for (const name of ['seal', 'sweep']) {
      const { properties } = functionNamed(production.templates.control, name);
      expect(properties['ReservedConcurrentExecutions']).toBe(1);
      expect(properties['DeadLetterConfig']).toBeDefined();
      production.templates.control.hasResourceProperties('AWS::Events::Rule', {
        Name: `sallyport-prod-${name}`,
        ScheduleExpression: 'rate(1 minute)',
        Targets: [Match.objectLike({ DeadLetterConfig: Match.anyValue() })],
      });
    }
  });

  test('a stage without Slack has no function, secret or door for it', () => {
    const text = JSON.stringify([development.templates.control.toJSON(), development.templates.state.toJSON()]);
    expect(text).not.toMatch(/SLACK|slack-callback|ApiGatewayV2/u);
  });

  test('code must be signed where the stage names a profile', () => {
    const profile = 'arn:aws:signer:us-east-1:111111111111:/signing-profiles/Sallyport/abcdefghij';
    const signed = synthesize({ ...DEVELOPMENT, codeSigningProfileVersionArns: [profile] }).templates.control;
    signed.hasResourceProperties('AWS::Lambda::CodeSigningConfig', {
      AllowedPublishers: { SigningProfileVersionArns: [profile] },
      CodeSigningPolicies: { UntrustedArtifactOnDeployment: 'Enforce' },
    });
    for (const { properties } of resources(signed, 'AWS::Lambda::Function')) expect(properties['CodeSigningConfigArn']).toBeDefined();
  });
});

describe('roles', () => {
  test('every policy is a managed one of ours, on the path of the stage, and every role has the boundary of the stage', () => {
    const bounded = synthesize({
      ...PRODUCTION,
      rolePath: '/bank/gateway/',
      permissionsBoundaryArn: 'arn:aws:iam::111111111111:policy/boundary',
    });
    for (const lifetime of STACKS) {
      const template = bounded.templates[lifetime];
      expect(resources(template, 'AWS::IAM::Policy'), lifetime).toEqual([]);
      for (const { properties, id } of resources(template, 'AWS::IAM::Role')) {
        expect(properties['Path'], id).toBe('/bank/gateway/');
        expect(properties['PermissionsBoundary'], id).toBe('arn:aws:iam::111111111111:policy/boundary');
        expect(properties, id).not.toHaveProperty('Policies');
        expect(properties, id).not.toHaveProperty('ManagedPolicyArns');
      }
    }
  });

  test('only issue-credential assumes roles, and only those of targets', () => {
    for (const template of [production.templates.control, production.templates.proxy]) {
      for (const { properties } of resources(template, 'AWS::IAM::ManagedPolicy')) {
        const role = textOf(properties['ManagedPolicyName']).replace('sallyport-prod-', '');
        const assuming = grants(template, role).filter(({ actions }) => actions.includes('sts:AssumeRole'));
        if (role === 'issue-credential') {
          expect(assuming.flatMap(({ resources }) => resources)).toEqual([
            'arn:<AWS::Partition>:iam::<AWS::AccountId>:role/sallyport/sallyport-prod-target-*',
          ]);
        } else expect(assuming, role).toEqual([]);
      }
    }
  });

  test('no action is a wildcard', () => {
    for (const lifetime of STACKS) {
      for (const { properties, id } of resources(production.templates[lifetime], 'AWS::IAM::ManagedPolicy')) {
        for (const { actions } of policyLines(properties['PolicyDocument'])) expect(actions.join(), id).not.toContain('*');
      }
    }
  });

  test('no function of the workflow answers task tokens', () => {
    for (const name of ['notify-approvers', 'close-approval']) {
      expect(grants(production.templates.control, name).flatMap(({ actions }) => actions)).not.toContain('states:SendTaskSuccess');
    }
    expect(
      grants(production.templates.control, 'approval-workflow').find(({ actions }) => actions.includes('lambda:InvokeFunction'))?.resources,
    ).toEqual(
      ['notify-approvers', 'close-approval'].map(
        (name) => `arn:<AWS::Partition>:lambda:us-east-1:<AWS::AccountId>:function:sallyport-prod-${name}`,
      ),
    );
  });
});

describe('doors', () => {
  test('the console is behind an internal load balancer with TLS 1.3 or 1.2, a firewall and access logs', () => {
    const template = production.templates.control;
    template.hasResourceProperties('AWS::ElasticLoadBalancingV2::LoadBalancer', { Scheme: 'internal', Type: 'application' });
    template.hasResourceProperties('AWS::ElasticLoadBalancingV2::Listener', {
      Port: 443,
      Protocol: 'HTTPS',
      SslPolicy: 'ELBSecurityPolicy-TLS13-1-2-Res-2021-06',
      DefaultActions: [{ Type: 'fixed-response', FixedResponseConfig: { StatusCode: '404' } }],
    });
    template.resourceCountIs('AWS::ElasticLoadBalancingV2::Listener', 1);
    template.resourceCountIs('AWS::WAFv2::WebACLAssociation', 1);
    template.hasResourceProperties('AWS::ElasticLoadBalancingV2::TargetGroup', {
      TargetType: 'lambda',
      HealthCheckPath: '/healthz',
      TargetGroupAttributes: Match.arrayWith([{ Key: 'lambda.multi_value_headers.enabled', Value: 'true' }]),
    });
  });

  test('the firewall logs to its group by an ARN that it accepts', () => {
    const [logging] = resources(production.templates.control, 'AWS::WAFv2::LoggingConfiguration');
    expect(textOf(Object(logging?.properties['LogDestinationConfigs'])[0])).toMatch(/:log-group:<\w+>$/u);
  });

  test('what the firewall logs has neither tokens nor cookies nor query strings', () => {
    production.templates.control.hasResourceProperties('AWS::WAFv2::LoggingConfiguration', {
      RedactedFields: [{ SingleHeader: { Name: 'authorization' } }, { SingleHeader: { Name: 'cookie' } }, { QueryString: {} }],
    });
  });

  test('the internet reaches one throttled route, for Slack', () => {
    const template = production.templates.control;
    expect(resources(template, 'AWS::ApiGatewayV2::Route').map(({ properties }) => properties['RouteKey'])).toEqual([
      'POST /slack/interactions',
    ]);
    template.hasResourceProperties('AWS::ApiGatewayV2::Stage', {
      DefaultRouteSettings: { ThrottlingRateLimit: 5, ThrottlingBurstLimit: 10 },
    });
    expect(JSON.stringify(template.toJSON())).not.toContain('AWS::Lambda::Url');
  });

  test('no security group of any stack lets the whole world in', () => {
    for (const lifetime of STACKS) {
      expect(
        JSON.stringify([
          resources(production.templates[lifetime], 'AWS::EC2::SecurityGroup').map(({ properties }) => properties['SecurityGroupIngress']),
          resources(production.templates[lifetime], 'AWS::EC2::SecurityGroupIngress'),
        ]),
      ).not.toContain('0.0.0.0/0');
    }
  });

  test('topics take messages over TLS only and are encrypted with our key', () => {
    const template = production.templates.control;
    const topics = resources(template, 'AWS::SNS::Topic');
    expect(topics.length).toBe(3);
    for (const { properties, id } of topics) {
      expect(properties['KmsMasterKeyId'], id).toBeDefined();
      const policy = resources(template, 'AWS::SNS::TopicPolicy').find(({ properties }) =>
        JSON.stringify(properties['Topics']).includes(id),
      );
      expect(JSON.stringify(policy?.properties['PolicyDocument'])).toContain('"aws:SecureTransport":"false"');
    }
  });

  test('a company with SAML only gets an issuer without passwords of its own', () => {
    const { control } = synthesize({
      ...DEVELOPMENT,
      saml: {
        metadataUrl: 'https://idp.bank.example/metadata',
        domainPrefix: 'sallyport-bank',
        callbackUrls: ['https://sallyport.bank.example/sign-in'],
      },
    }).templates;
    control.hasResourceProperties('AWS::Cognito::UserPoolClient', {
      SupportedIdentityProviders: [{ Ref: Match.stringLikeRegexp('^PeopleProvider') }],
      AllowedOAuthFlows: ['code'],
      ExplicitAuthFlows: Match.absent(),
    });
    control.hasResourceProperties('AWS::Cognito::UserPool', {
      AdminCreateUserConfig: { AllowAdminCreateUserOnly: true },
      MfaConfiguration: 'ON',
    });
    development.templates.control.resourceCountIs('AWS::Cognito::UserPool', 0);
  });
});

test('every resource that can carry a tag has those of the stage', () => {
  for (const { properties, id } of [
    ...resources(production.templates.control, 'AWS::Lambda::Function'),
    ...resources(production.templates.state, 'AWS::DynamoDB::Table'),
    ...resources(production.templates.evidence, 'AWS::KMS::Key'),
  ]) {
    for (const [Key, Value] of Object.entries(PRODUCTION.tags)) expect(properties['Tags'], id).toContainEqual({ Key, Value });
  }
});

describe('alarms', () => {
  test('each tells somebody, and has its entry in the runbook', () => {
    const runbook = readFileSync(`${ROOT}/docs/runbook.md`, 'utf8');
    const entries = new Set([...runbook.matchAll(/^## ([a-z-]+)$/gmu)].map(([, entry]) => entry));
    const named = new Set<string>();
    for (const lifetime of STACKS) {
      for (const { properties } of resources(production.templates[lifetime], 'AWS::CloudWatch::Alarm')) {
        const entry = /docs\/runbook\.md#([a-z-]+)$/u.exec(textOf(properties['AlarmDescription']))?.[1] ?? '';
        expect(entries, textOf(properties['AlarmName'])).toContain(entry);
        expect(textOf(properties['AlarmName'])).toContain(entry);
        expect(properties['AlarmActions']).toHaveLength(1);
        named.add(entry);
      }
    }
    expect([...entries].filter((entry) => entry !== undefined && !named.has(entry))).toEqual([]);
  });

  test('CloudWatch may publish to each topic of alarms, and use its key', () => {
    for (const lifetime of ['control', 'evidence'] as const) {
      const template = production.templates[lifetime];
      const policies = resources(template, 'AWS::SNS::TopicPolicy').map(({ properties }) => JSON.stringify(properties['PolicyDocument']));
      expect(
        policies.filter((policy) => policy.includes('"Service":"cloudwatch.amazonaws.com"')),
        lifetime,
      ).toHaveLength(1);
    }
    for (const lifetime of ['state', 'evidence'] as const) {
      const keys = resources(production.templates[lifetime], 'AWS::KMS::Key').map(({ properties }) =>
        JSON.stringify(properties['KeyPolicy']),
      );
      expect(
        keys.filter((policy) => policy.includes('"Service":"cloudwatch.amazonaws.com"')),
        lifetime,
      ).toHaveLength(1);
    }
  });

  test('a sealer that says nothing is a fault', () => {
    production.templates.control.hasResourceProperties('AWS::CloudWatch::Alarm', {
      AlarmName: 'sallyport-prod-checkpoint-old',
      TreatMissingData: 'breaching',
    });
  });

  test('a month that costs more than expected is said', () => {
    production.templates.control.hasResourceProperties('AWS::Budgets::Budget', {
      Budget: Match.objectLike({ BudgetLimit: { Amount: PRODUCTION.monthlyBudgetUsd, Unit: 'USD' } }),
    });
  });
});

test('every log group is encrypted with our key and kept as long as the stage says', () => {
  for (const lifetime of STACKS) {
    for (const { properties, id } of resources(production.templates[lifetime], 'AWS::Logs::LogGroup')) {
      expect(properties['KmsKeyId'], id).toBeDefined();
      expect(properties['RetentionInDays'], id).toBe(PRODUCTION.logRetentionDays);
    }
  }
});

test('no stack makes a custom resource: nothing of ours runs with rights over the account while deploying', () => {
  for (const lifetime of STACKS) {
    expect(JSON.stringify(production.templates[lifetime].toJSON())).not.toMatch(/"Custom::|AWS::CloudFormation::CustomResource/u);
  }
});
