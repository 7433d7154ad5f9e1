// Approvals on AWS in one process: the task's gate and the functions' own code, over the same tables, with time that stands still.
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { GetItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import type { Approval, ApprovalRequest } from '../../core/approval/approval.ts';
import type { BallotAnswer } from '../../core/approval/ballot-answer.ts';
import { GateUnavailable, RequestUnapprovable } from '../../core/approval/gate-errors.ts';
import { approvalNonce } from '../../core/approval/nonce.ts';
import { writerItem, type WriterItem } from '../../core/state/control.ts';
import { decodeStored, encodeStored } from '../../core/state/stored-item.ts';
import { lookUpApprovals } from '../../lambdas/adapters/approval-lookup.ts';
import { DynamoDecisionStore } from '../../lambdas/adapters/dynamo-decision-store.ts';
import { DynamoDueList } from '../../lambdas/adapters/dynamo-due-list.ts';
import { dynamoExpiry } from '../../lambdas/adapters/dynamo-expiry.ts';
import { DynamoNoticeStore } from '../../lambdas/adapters/dynamo-notice-store.ts';
import { DynamoOutcomeRecord } from '../../lambdas/adapters/dynamo-outcome-record.ts';
import { DynamoRequestStore } from '../../lambdas/adapters/dynamo-request-store.ts';
import { DynamoTaskTokens } from '../../lambdas/adapters/dynamo-task-tokens.ts';
import type { ClosePorts } from '../../lambdas/close-approval/ports.ts';
import { decideApproval, type SignedBallot } from '../../lambdas/decide-approval/decide-approval.ts';
import type { DecidePorts } from '../../lambdas/decide-approval/ports.ts';
import type { NoticeText, NotifyPorts } from '../../lambdas/notify-approvers/ports.ts';
import type { StoringPorts } from '../../lambdas/request-approval/ports.ts';
import { storeRequest } from '../../lambdas/request-approval/store-request.ts';
import type { UndeliveredPorts } from '../../lambdas/sweep/undelivered-decisions.ts';
import { DynamoApprovalGate } from '../../proxy-task/adapters/dynamo-approval-gate.ts';
import type { StateItem, StatePoller } from '../../proxy-task/ports.ts';
import { ApproverTokens } from './approver-tokens.ts';
import { ManualClock } from './manual-clock.ts';

export type ApprovalTableNames = Readonly<Record<'requests' | 'decisions' | 'claims' | 'notices' | 'writers' | 'journal', string>>;

export const TABLES: ApprovalTableNames = {
  requests: 'requests',
  decisions: 'decisions',
  claims: 'claims',
  notices: 'notices',
  writers: 'writers',
  journal: 'journal',
};

type ReadItem = (table: Parameters<StatePoller['follow']>[0], id: string) => Promise<StateItem | undefined>;

/** Polls when it is told to. */
export class HandPoller implements StatePoller {
  readonly #read: ReadItem;
  readonly #follows = new Set<{
    readonly table: Parameters<StatePoller['follow']>[0];
    readonly id: string;
    readonly changed: (item: StateItem | undefined) => void;
    seen: string;
  }>();

  constructor(read: ReadItem) {
    this.#read = read;
  }

  follow(table: Parameters<StatePoller['follow']>[0], id: string, changed: (item: StateItem | undefined) => void): { stop(): void } {
    const follow = { table, id, changed, seen: '' };
    this.#follows.add(follow);
    return { stop: () => void this.#follows.delete(follow) };
  }

  async poll(): Promise<void> {
    for (const follow of Array.from(this.#follows)) {
      const item = await this.#read(follow.table, follow.id);
      const seen = JSON.stringify([item]);
      if (follow.seen === seen || !this.#follows.has(follow)) continue;
      follow.seen = seen;
      follow.changed(item);
    }
  }
}

export class AwsApprovals {
  /** Of the functions. */
  readonly clock = new ManualClock();
  readonly tokens = new ApproverTokens();
  readonly problems: unknown[] = [];
  readonly completed: string[] = [];
  readonly started: string[] = [];
  readonly told: NoticeText[] = [];
  chatted = 0;
  readonly tables: ApprovalTableNames;
  readonly client: DynamoDBClient;
  /** What starting a workflow and completing one of its steps fail with. */
  workflowFailure: Error | undefined;
  channelFailure: Error | undefined;
  #nonces = 0;

  constructor(client: DynamoDBClient, tables: ApprovalTableNames = TABLES) {
    this.client = client;
    this.tables = tables;
  }

  get storing(): StoringPorts {
    return {
      store: new DynamoRequestStore(this.client, this.tables, () => this.clock.now()),
      start: (id) => this.start(id),
      now: () => this.clock.now(),
      notStarted: (_, error) => void this.problems.push(error),
    };
  }

  get deciding(): DecidePorts {
    return {
      store: new DynamoDecisionStore(this.client, this.tables, () => this.clock.now()),
      tokens: new DynamoTaskTokens(this.client, this.tables.notices),
      complete: (taskToken) => this.complete(taskToken),
      verifier: async () => this.tokens.verify,
      now: () => this.clock.now(),
      notDelivered: (_, error) => void this.problems.push(error),
    };
  }

  get notifying(): NotifyPorts {
    return {
      approval: (id) => this.approval(id),
      notices: new DynamoNoticeStore(this.client, this.tables.notices, () => this.clock.now()),
      channels: [
        {
          name: 'e-mail',
          send: async (text) => void this.told.push(text),
        },
        {
          name: 'chat',
          send: async () => {
            if (this.channelFailure !== undefined) throw this.channelFailure;
            this.chatted += 1;
          },
        },
      ],
      publicUrl: 'https://sallyport.bank.example',
      now: () => this.clock.now(),
      notSent: (_, __, error) => void this.problems.push(error),
    };
  }

  get closing(): ClosePorts {
    return {
      approval: (id) => this.approval(id),
      expire: dynamoExpiry(this.client, this.tables.claims),
      record: new DynamoOutcomeRecord(this.client, this.tables, () => this.clock.now()),
      clock: this.clock,
      program: 'sallyport test',
      boot: 'boot-1',
    };
  }

  get sweeping(): UndeliveredPorts {
    const due = new DynamoDueList(this.client, this.tables.notices);
    return {
      due,
      approvals: async (ids) =>
        new Map((await lookUpApprovals(this.client, this.tables, ids)).map(({ approval }) => [approval.request.id, approval])),
      notices: (ids) => due.notices(ids),
      start: (id) => this.start(id),
      notify: async (id) => void this.started.push(`notify ${id}`),
      complete: (taskToken) => this.complete(taskToken),
      close: this.closing,
      now: () => this.clock.now(),
      goOn: () => true,
      failed: (_, error) => void this.problems.push(error),
    };
  }

  /** The gate of one task. Its clock is the functions' own, unless another is given. */
  gate(clock: ManualClock = this.clock): { readonly gate: DynamoApprovalGate; readonly poller: HandPoller } {
    const poller = new HandPoller((table, id) => this.#item(table === 'claims' ? this.tables.claims : this.tables.decisions, id));
    const gate = new DynamoApprovalGate({
      client: this.client,
      tables: this.tables,
      // What the function answers, as the task understands it.
      asker: {
        ask: async (request) => {
          const answer = await storeRequest(this.storing, request);
          if (answer.kind === 'stored') return answer.request;
          throw answer.kind === 'unapprovable' ? new RequestUnapprovable(answer.reason) : new GateUnavailable(answer.reason);
        },
      },
      poller,
      clock,
      nonce: () => `nonce-${(this.#nonces += 1)}`,
      problem: (error) => void this.problems.push(error),
    });
    return { gate, poller };
  }

  async start(id: string): Promise<'started' | 'exists'> {
    if (this.workflowFailure !== undefined) throw this.workflowFailure;
    if (this.started.includes(id)) return 'exists';
    this.started.push(id);
    return 'started';
  }

  async complete(taskToken: string): Promise<void> {
    if (this.workflowFailure !== undefined) throw this.workflowFailure;
    this.completed.push(taskToken);
  }

  async approval(id: string): Promise<Approval | undefined> {
    return (await lookUpApprovals(this.client, this.tables, [id]))[0]?.approval;
  }

  /** A vote with a sign-in for exactly this approval, a moment ago. */
  vote(request: ApprovalRequest, person: string, changes: Partial<SignedBallot> = {}, groups?: readonly string[]): Promise<BallotAnswer> {
    const idToken = this.tokens.issue(person, approvalNonce(request.id, request.digest), this.clock.now(), groups);
    return decideApproval(this.deciding, request.id, { answer: 'approve', reason: 'r', channel: 'page', idToken, ...changes });
  }

  async writer(writer: string, state: WriterItem['state']): Promise<void> {
    const item: WriterItem = { writer, slot: 1, state, leaseUntilMs: 0, nextSeq: 0, generation: 1, image: 'i' };
    await this.put(this.tables.writers, writerItem(writer), item);
  }

  /** Writes an item by hand, whatever stands there. */
  async put(table: string, id: string, value: unknown, v = 1): Promise<void> {
    await this.client.send(new PutItemCommand({ TableName: table, Item: encodeStored(id, v, value) }));
  }

  async #item(table: string, id: string): Promise<StateItem | undefined> {
    const { Item } = await this.client.send(new GetItemCommand({ TableName: table, Key: { id: { S: id } }, ConsistentRead: true }));
    if (Item === undefined) return undefined;
    const { v, body } = decodeStored(Item) ?? { v: 0, body: undefined };
    return { v, body };
  }
}
