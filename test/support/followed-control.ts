// A task's control over given tables and counters, with a poller whose clock is the test's.
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { Principal } from '../../core/principal.ts';
import { DynamoPoller } from '../../proxy-task/adapters/dynamo-poller.ts';
import { FollowedControl, type FollowedControlPorts } from '../../proxy-task/pipeline/followed-control.ts';
import { SharedBudgets } from '../../proxy-task/pipeline/shared-budgets.ts';
import type { BudgetCounter, CancelMailbox } from '../../proxy-task/ports.ts';
import { CONTROL_BUDGETS } from '../contract/control.ts';
import type { ManualClock } from './manual-clock.ts';

export type TestControl = {
  readonly control: FollowedControl;
  readonly budgets: SharedBudgets;
  readonly poller: DynamoPoller;
  readonly reports: string[];
  readonly renewals: [session: string, principal: Principal][];
  readonly canceled: { readonly processId: number; readonly secret: Buffer }[];
  /** Resolves after the next complete poll. */
  polled(): Promise<void>;
  stop(): void;
};

export type TestControlOptions = Partial<Pick<FollowedControlPorts, 'writer' | 'slot' | 'tokens' | 'renew' | 'cancel'>> & {
  readonly client: DynamoDBClient;
  readonly tables: { readonly control: string; readonly cancels: string; readonly decisions: string; readonly claims: string };
  readonly clock: ManualClock;
  readonly counter: BudgetCounter;
  readonly cancels?: CancelMailbox;
};

export async function startControl(options: TestControlOptions): Promise<TestControl> {
  const { clock, client, tables, counter } = options;
  const reports: string[] = [];
  const renewals: [string, Principal][] = [];
  const canceled: { readonly processId: number; readonly secret: Buffer }[] = [];
  const report = (error: unknown): void => void reports.push(String(error));
  const poller = new DynamoPoller({ client, tables, clock, report });
  const budgets = new SharedBudgets({ counter, clock, report, budgetsOf: (target) => (target === 'bank' ? CONTROL_BUDGETS : undefined) });
  const control = new FollowedControl({
    poller,
    budgets,
    cancels: options.cancels ?? { put: async () => undefined },
    clock,
    writer: options.writer ?? 'w1',
    slot: options.slot ?? 7,
    tokens: options.tokens ?? { verify: () => Promise.reject(new Error('no token here')) },
    renew: options.renew ?? ((session, principal) => renewals.push([session, principal]) > 0),
    cancel: options.cancel ?? ((key) => void canceled.push(key)),
    report,
  });
  await poller.start();
  let probes = 0;
  return {
    control,
    budgets,
    poller,
    reports,
    renewals,
    canceled,
    polled: () =>
      new Promise((resolve) => {
        // Told with the next poll that has all the rest, too.
        probes += 1;
        const probe = poller.follow('claims', `probe-${probes}`, () => {
          probe.stop();
          setImmediate(resolve);
        });
        clock.advance(1_000);
      }),
    stop: () => {
      poller.stop();
      control.stop();
    },
  };
}
