// The one thing of the deployment that the internet reaches: a route for what Slack signs.
import { CfnStage, HttpApi, HttpMethod } from 'aws-cdk-lib/aws-apigatewayv2';
import { HttpLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import type { ILogGroup } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge.ts';

export type SlackApiProps = { readonly name: string; readonly function: IFunction; readonly logs: ILogGroup };

export const SLACK_PATH = '/slack/interactions';
const REQUESTS_PER_SECOND = 5;
const BURST = 10;

export class SlackApi extends Construct {
  readonly url: string;

  constructor(scope: Construct, id: string, props: SlackApiProps) {
    super(scope, id);
    const api = new HttpApi(this, 'Api', { apiName: props.name, description: 'What Slack sends of approvals', createDefaultStage: false });
    const routes = api.addRoutes({
      path: SLACK_PATH,
      methods: [HttpMethod.POST],
      integration: new HttpLambdaIntegration('Callback', props.function),
    });
    new CfnStage(this, 'Stage', {
      apiId: api.apiId,
      stageName: '$default',
      autoDeploy: true,
      defaultRouteSettings: { throttlingRateLimit: REQUESTS_PER_SECOND, throttlingBurstLimit: BURST, detailedMetricsEnabled: true },
      accessLogSettings: {
        destinationArn: props.logs.logGroupArn,
        format: JSON.stringify({
          requestId: '$context.requestId',
          time: '$context.requestTime',
          source: '$context.identity.sourceIp',
          route: '$context.routeKey',
          status: '$context.status',
          bytes: '$context.responseLength',
        }),
      },
    });
    for (const route of routes) {
      acknowledge(
        route,
        'Slack has no credential of ours: the function checks the signature over the raw body and its age before it reads any of it.',
        'AwsSolutions-APIG4',
      );
    }
    this.url = `${api.apiEndpoint}${SLACK_PATH}`;
  }
}
