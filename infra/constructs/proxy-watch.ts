// What tells that the data path is not well, and the page on which a person sees it.
import { Duration } from 'aws-cdk-lib';
import { ComparisonOperator, Dashboard, GraphWidget, type IMetric, Metric, Stats } from 'aws-cdk-lib/aws-cloudwatch';
import type { FargateService } from 'aws-cdk-lib/aws-ecs';
import type { NetworkLoadBalancer } from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import type { Names } from '../names.ts';
import type { StageProps } from '../stages.ts';
import { RunbookAlarm, type RunbookAlarmProps } from './runbook-alarm.ts';

export type ProxyWatchProps = {
  readonly stage: StageProps;
  readonly names: Names;
  readonly topic: ITopic;
  readonly service: FargateService;
  readonly gateway: NetworkLoadBalancer;
};

const MINUTE = Duration.minutes(1);

export class ProxyWatch extends Construct {
  constructor(scope: Construct, id: string, props: ProxyWatchProps) {
    super(scope, id);
    const { stage, names, service, topic } = props;
    const own = (metricName: string, statistic: string): Metric =>
      new Metric({ namespace: 'Sallyport', metricName, dimensionsMap: { instance: stage.instance }, statistic, period: MINUTE });
    const tasks = new Metric({
      namespace: 'ECS/ContainerInsights',
      metricName: 'RunningTaskCount',
      dimensionsMap: { ClusterName: names.of('proxy'), ServiceName: names.of('proxy') },
      statistic: Stats.MINIMUM,
      period: MINUTE,
    });
    const metrics = {
      sessions: own('Sessions', Stats.SUM),
      refusals: own('Refusals', Stats.SUM),
      pollAge: own('PollAge', Stats.MAXIMUM),
      recorderLag: own('RecorderLag', Stats.MAXIMUM),
      eventLoopDelay: own('EventLoopDelay', Stats.MAXIMUM),
      problems: own('Problems', Stats.SUM),
      tasks,
      cpu: service.metricCpuUtilization({ period: MINUTE }),
      memory: service.metricMemoryUtilization({ period: MINUTE, statistic: Stats.MAXIMUM }),
      throttledWrites: throttles(names, 'journal'),
    };
    const alarm = (runbook: string, says: string, metric: IMetric, rest: Partial<RunbookAlarmProps> & { threshold: number }): void => {
      new RunbookAlarm(this, runbook, {
        runbook,
        says,
        metric,
        instance: stage.instance,
        topic,
        comparison: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
        periods: 3,
        silence: 'fine',
        ...rest,
      });
    };
    alarm('tasks-missing', 'Fewer tasks run than the stage asks for.', tasks, {
      threshold: stage.tasks.min,
      comparison: ComparisonOperator.LESS_THAN_THRESHOLD,
      silence: 'fault',
    });
    alarm('proxy-silent', 'No task reports its sessions.', metrics.sessions, {
      threshold: 0,
      comparison: ComparisonOperator.LESS_THAN_THRESHOLD,
      silence: 'fault',
      periods: 5,
    });
    alarm('state-stale', 'A task cannot read shared state: new statements wait, and at 30 s sessions end.', metrics.pollAge, {
      threshold: 5_000,
    });
    alarm('recorder-behind', 'A task waits for its records; without them no statement runs.', metrics.recorderLag, { threshold: 2_000 });
    alarm('event-loop-blocked', 'A task answers late because it computes.', metrics.eventLoopDelay, { threshold: 250 });
    alarm('journal-throttled', 'DynamoDB throttles the journal.', metrics.throttledWrites, { threshold: 1 });
    alarm('cpu-high', 'Tasks are near the end of their processors, and scaling does not keep up.', metrics.cpu, {
      threshold: 85,
      periods: 10,
    });
    alarm('memory-high', 'A task is near the end of its memory.', metrics.memory, { threshold: 85, periods: 5 });

    new Dashboard(this, 'Dashboard', {
      dashboardName: names.of('gateway'),
      widgets: [
        [graph('Sessions', metrics.sessions), graph('Refusals', metrics.refusals), graph('Tasks', metrics.tasks)],
        [
          graph('Age of shared state, ms', metrics.pollAge),
          graph('Recorder lag, ms', metrics.recorderLag),
          graph('Event loop delay, ms', metrics.eventLoopDelay),
        ],
        [
          graph('CPU and memory, %', metrics.cpu, metrics.memory),
          graph('Throttled journal writes', metrics.throttledWrites),
          graph(
            'Age of the checkpoint, s',
            new Metric({
              namespace: 'Sallyport',
              metricName: 'CheckpointAge',
              dimensionsMap: { purpose: 'seal' },
              statistic: Stats.MAXIMUM,
              period: MINUTE,
            }),
          ),
        ],
      ],
    });
  }
}

function throttles(names: Names, table: 'journal'): Metric {
  return new Metric({
    namespace: 'AWS/DynamoDB',
    metricName: 'WriteThrottleEvents',
    dimensionsMap: { TableName: names.of(table) },
    statistic: Stats.SUM,
    period: MINUTE,
  });
}

function graph(title: string, ...left: IMetric[]): GraphWidget {
  return new GraphWidget({ title, left, width: 8, height: 6 });
}
