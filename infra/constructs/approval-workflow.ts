/**
 * The clock and the notifier of an approval. The tables are the truth: nothing here decides, and its input is an id and nothing else.
 * An execution that is lost loses a notice, which `sweep` repeats, and no decision.
 */
import { Duration } from 'aws-cdk-lib';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import type { ILogGroup } from 'aws-cdk-lib/aws-logs';
import type { IRole } from 'aws-cdk-lib/aws-iam';
import {
  DefinitionBody,
  Errors,
  IntegrationPattern,
  JsonPath,
  LogLevel,
  StateMachine,
  StateMachineType,
  Succeed,
  TaskInput,
  Timeout,
} from 'aws-cdk-lib/aws-stepfunctions';
import { LambdaInvoke } from 'aws-cdk-lib/aws-stepfunctions-tasks';
import { Construct } from 'constructs';

export type ApprovalWorkflowProps = {
  readonly name: string;
  readonly role: IRole;
  readonly logs: ILogGroup;
  /** Tells how long people have, tells them, and keeps the task token that `decide-approval` answers. */
  readonly notify: IFunction;
  readonly close: IFunction;
};

/** By this name `notify-approvers` says that people were faster: it may not answer task tokens itself. */
const DECIDED = 'AlreadyDecided';
const RETRIES = { interval: Duration.seconds(2), backoffRate: 2, maxAttempts: 6, maxDelay: Duration.seconds(60) } as const;
/** An approval lives for hours; a workflow that outlives its own time-outs is stuck. */
const LONGEST_DAYS = 8;

export class ApprovalWorkflow extends Construct {
  readonly stateMachine: StateMachine;

  constructor(scope: Construct, id: string, props: ApprovalWorkflowProps) {
    super(scope, id);
    const approval = JsonPath.stringAt('$.id');

    const describe = new LambdaInvoke(this, 'Describe', {
      lambdaFunction: props.notify,
      payload: TaskInput.fromObject({ step: 'describe', id: approval }),
      resultSelector: { waitSeconds: JsonPath.numberAt('$.Payload.waitSeconds') },
      resultPath: '$.times',
      retryOnServiceExceptions: false,
    });
    const notify = new LambdaInvoke(this, 'Notify', {
      lambdaFunction: props.notify,
      integrationPattern: IntegrationPattern.WAIT_FOR_TASK_TOKEN,
      payload: TaskInput.fromObject({ step: 'notify', id: approval, taskToken: JsonPath.taskToken }),
      taskTimeout: Timeout.at('$.times.waitSeconds'),
      resultPath: JsonPath.DISCARD,
      retryOnServiceExceptions: false,
    });
    const decided = this.close('CloseDecided', 'decided', props.close);
    const timedOut = this.close('CloseTimedOut', 'timeout', props.close);
    const failed = this.close('CloseFailed', 'failed', props.close);
    const closed = new Succeed(this, 'Closed');

    notify.addRetry({ errors: [DECIDED], maxAttempts: 0 });
    // Every step can be done again: a table that is throttled, a channel that is down and a function that died are alike.
    for (const task of [describe, notify, decided, timedOut, failed]) task.addRetry({ errors: [Errors.TASKS_FAILED], ...RETRIES });
    describe.addCatch(failed, { errors: [Errors.ALL], resultPath: JsonPath.DISCARD });
    notify.addCatch(decided, { errors: [DECIDED], resultPath: JsonPath.DISCARD });
    notify.addCatch(timedOut, { errors: [Errors.TIMEOUT], resultPath: JsonPath.DISCARD });
    notify.addCatch(failed, { errors: [Errors.ALL], resultPath: JsonPath.DISCARD });
    for (const close of [decided, timedOut, failed]) close.next(closed);

    this.stateMachine = new StateMachine(this, 'StateMachine', {
      stateMachineName: props.name,
      stateMachineType: StateMachineType.STANDARD,
      definitionBody: DefinitionBody.fromChainable(describe.next(notify).next(decided)),
      role: props.role,
      timeout: Duration.days(LONGEST_DAYS),
      logs: { destination: props.logs, level: LogLevel.ALL, includeExecutionData: false },
      tracingEnabled: true,
    });
  }

  private close(id: string, cause: 'decided' | 'timeout' | 'failed', lambdaFunction: IFunction): LambdaInvoke {
    return new LambdaInvoke(this, id, {
      lambdaFunction,
      payload: TaskInput.fromObject({ id: JsonPath.stringAt('$.id'), cause }),
      resultPath: JsonPath.DISCARD,
      retryOnServiceExceptions: false,
    });
  }
}
