import { Alarm, type AlarmProps, type ComparisonOperator, type IMetric, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';

export type RunbookAlarmProps = {
  /** Heading of its entry in `docs/runbook.md`, and part of the alarm's name. */
  readonly runbook: string;
  /** Which one of several that share an entry. */
  readonly of?: string;
  readonly instance: string;
  readonly says: string;
  readonly metric: IMetric;
  readonly threshold: number;
  readonly comparison: ComparisonOperator;
  readonly periods: number;
  /** Silence is a fault where something must be said all the time. */
  readonly silence: 'fault' | 'fine';
  readonly topic: ITopic;
};

/** An alarm that says where to read what to do. */
export class RunbookAlarm extends Construct {
  readonly alarm: Alarm;

  constructor(scope: Construct, id: string, props: RunbookAlarmProps) {
    super(scope, id);
    const settings: AlarmProps = {
      alarmName: `sallyport-${props.instance}-${props.runbook}${props.of === undefined ? '' : `-${props.of}`}`,
      alarmDescription: `${props.says} Runbook: docs/runbook.md#${props.runbook}`,
      metric: props.metric,
      threshold: props.threshold,
      comparisonOperator: props.comparison,
      evaluationPeriods: props.periods,
      treatMissingData: props.silence === 'fault' ? TreatMissingData.BREACHING : TreatMissingData.NOT_BREACHING,
    };
    this.alarm = new Alarm(this, 'Alarm', settings);
    this.alarm.addAlarmAction(new SnsAction(props.topic));
    this.alarm.addOkAction(new SnsAction(props.topic));
  }
}
