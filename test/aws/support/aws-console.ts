/** The console as people and commands reach it on AWS: a load balancer, the real functions, the emulator's tables, real issuers. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { request as send } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DeleteItemCommand, DynamoDBClient, GetItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { vi } from 'vitest';
import { requestItem } from '../../../core/approval/approval-items.ts';
import type { ApprovalRequest } from '../../../core/approval/approval.ts';
import { LEASE_MS, mailItem, writerItem, type LiveSessionItem, type MailEntry } from '../../../core/state/control.ts';
import { readMail } from '../../../core/state/control-items.ts';
import { decodeStored, encodeStored } from '../../../core/state/stored-item.ts';
import { handler as consoleHandler } from '../../../lambdas/console/handler.ts';
import { handler as decideHandler } from '../../../lambdas/decide-approval/handler.ts';
import { newApprovalId } from '../../../proxy-task/pipeline/approval-id.ts';
import { startDemoIssuer, type DemoIssuer } from '../../../standalone/demo/issuer.ts';
import { systemClock } from '../../../proxy-task/system-clock.ts';
import { aRequest } from '../../support/approval-requests.ts';
import { startSigningIssuer, type SigningIssuer } from '../../support/signing-issuer.ts';
import { startAlb, type Alb } from './alb.ts';
import { startAwsServices, type AwsServices } from './aws-services.ts';
import { putInForce } from './bundle-in-force.ts';
import { resetMoto, useMoto } from './moto.ts';
import { makeInstance, type InstanceEnvironment } from './tables.ts';

/** What tests look into; everything else is compared whole. */
type Answer = {
  readonly error?: { readonly code: string };
  readonly state?: string;
  readonly approvals?: readonly { readonly id: string }[];
  readonly more?: boolean;
};

export type AwsConsole = {
  readonly alb: Alb;
  readonly services: AwsServices;
  /** Where people sign in: the demo's people. */
  readonly demo: DemoIssuer;
  /** Signs whatever a test needs: agents, operators (group `platform`), and approvers with odd tokens. */
  readonly corp: SigningIssuer;
  readonly dynamo: DynamoDBClient;
  /** A table by the middle of its variable: `REQUESTS`. */
  readonly table: (name: string) => string;
  /** The value of an item. */
  readonly itemOf: (name: string, id: string) => Promise<unknown>;
  readonly put: (name: string, id: string, value: unknown, v?: number) => Promise<unknown>;
  readonly remove: (name: string, id: string) => Promise<unknown>;
  /** Puts the configuration in force, with these operators. */
  readonly activate: (v: number, operators?: string) => Promise<string>;
  /** Stores a request for an approval. */
  readonly ask: (changes?: Partial<ApprovalRequest>) => Promise<ApprovalRequest>;
  /** Makes a session live, on a live task. */
  readonly openSession: (changes?: Partial<LiveSessionItem>) => Promise<void>;
  /** What a task finds in its mailbox. */
  readonly mail: (writer?: string) => Promise<readonly MailEntry[]>;
  /** A request to the API; JSON out, and in where there is a body. */
  readonly call: (
    at: string,
    body?: unknown,
    headers?: Readonly<Record<string, string>>,
    method?: string,
  ) => Promise<{ readonly status: number; readonly answer: Answer | undefined }>;
  /** A GET whose path and headers are sent as they are given. */
  readonly raw: (
    at: string,
    headers?: Readonly<Record<string, string>>,
  ) => Promise<{ readonly status: number | undefined; readonly body: string }>;
  /** A bearer token of an operator, or of somebody who is nearly one. */
  readonly operator: (changes?: Readonly<Record<string, unknown>>) => Promise<{ readonly authorization: string }>;
  readonly stop: () => Promise<void>;
};

export const nowS = (): number => Math.floor(Date.now() / 1_000);

/** A session of agent-7 for Alice, on task `t1-a`. */
export const SESSION: LiveSessionItem = {
  session: 's_01',
  writer: 't1-a',
  principal: 'corp/agent-7',
  human: 'alice@bank.example',
  owner: 'owen@bank.example',
  target: 'bank',
  source: '10.0.0.1',
  openedAtMs: 1_700_000_000_000,
  day: '2026-11-20',
};

/** Starts it over an empty emulator. The functions read this process's environment, so there is one in a process. */
export async function startAwsConsole(): Promise<AwsConsole> {
  useMoto();
  await resetMoto();
  const environment = await makeInstance();
  const dataDir = mkdtempSync(join(tmpdir(), 'sallyport-alb-'));
  const demo = await startDemoIssuer({ port: 0, dataDir });
  const corp = await startSigningIssuer();
  const services = await startAwsServices({ functions: { 'decide-approval': decideHandler }, clock: systemClock });
  const alb = await startAlb(consoleHandler);
  Object.assign(process.env, environment, services.environment, {
    SALLYPORT_PUBLIC_URL: alb.url,
    SALLYPORT_FN_DECIDE_APPROVAL: 'decide-approval',
  });
  // One line of JSON for each request is for CloudWatch.
  const quiet = vi.spyOn(process.stdout, 'write').mockImplementation(() => true);
  const state = stateOf(environment);
  const activate = (v: number, operators = 'corp/platform'): Promise<string> =>
    putInForce(environment, configuration({ demo, corp, operators }), v);
  await activate(1);
  return {
    alb,
    services,
    demo,
    corp,
    ...state,
    activate,
    ...requestsTo(alb.url),
    operator: async (changes = {}) => {
      const claims = { sub: 'u-9', email: 'Olga@Bank.example', groups: ['platform'], aud: 'sallyport', iat: nowS(), exp: nowS() + 600 };
      return { authorization: `Bearer ${await corp.sign({ ...claims, ...changes })}` };
    },
    stop: async () => {
      quiet.mockRestore();
      await alb.stop();
      await services.stop();
      await corp.stop();
      await demo.stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

function configuration(from: { readonly demo: DemoIssuer; readonly corp: SigningIssuer; readonly operators: string }) {
  const policies = join(import.meta.dirname, '../../../examples/bank/config/policies');
  return {
    ...Object.fromEntries(readdirSync(policies).map((name) => [`policies/${name}`, readFileSync(join(policies, name), 'utf8')])),
    'sallyport.yaml': `
issuers:
  - { name: demo, issuer: "${from.demo.url}", audience: sallyport, approverClientIds: [sallyport-console, sallyport-cli] }
  - { name: corp, issuer: "${from.corp.url}", audience: sallyport, algorithms: [ES256], approverClientIds: [console, cli] }
agents:
  - { name: corp/agent-7, owner: owen@bank.example, groups: [corp/analysts] }
approverGroups: { dba: demo/dba, operators: ${from.operators} }
targets:
  - { name: bank, host: db.bank.example, database: bank, user: sallyport_agent, credential: rdsIam }
  - { name: web1, kind: ssh, host: web1.example, accounts: [deploy], hostKeys: ['SHA256:${'A'.repeat(43)}'], credential: sshCa }
`,
  };
}

function stateOf(environment: InstanceEnvironment) {
  const dynamo = new DynamoDBClient({});
  const table = (name: string): string => environment[`SALLYPORT_${name}_TABLE`] ?? '';
  const itemOf = async (name: string, id: string): Promise<unknown> => {
    const { Item } = await dynamo.send(new GetItemCommand({ TableName: table(name), Key: { id: { S: id } }, ConsistentRead: true }));
    return Item === undefined ? undefined : decodeStored(Item)?.body;
  };
  const put = (name: string, id: string, value: unknown, v = 1): Promise<unknown> =>
    dynamo.send(new PutItemCommand({ TableName: table(name), Item: { ...encodeStored(id, v, value) } }));
  const remove = (name: string, id: string): Promise<unknown> =>
    dynamo.send(new DeleteItemCommand({ TableName: table(name), Key: { id: { S: id } } }));
  const ask = async (changes: Partial<ApprovalRequest> = {}): Promise<ApprovalRequest> => {
    const requestedAtMs = Date.now();
    const made = aRequest({ id: newApprovalId(requestedAtMs), requestedAtMs, expiresAtMs: requestedAtMs + 3_600_000, ...changes });
    await dynamo.send(new PutItemCommand({ TableName: table('REQUESTS'), Item: { ...requestItem(made, nowS() + 3_600) } }));
    return made;
  };
  const openSession = async (changes: Partial<LiveSessionItem> = {}): Promise<void> => {
    const session = { ...SESSION, ...changes };
    const { writer, session: id } = session;
    const lease = { slot: 1, state: 'live', leaseUntilMs: Date.now() + LEASE_MS, nextSeq: 0, generation: 1, image: 'sha256:x' };
    await put('WRITERS', writerItem(writer), { writer, ...lease });
    const { v, body } = encodeStored('', 1, session);
    await dynamo.send(new PutItemCommand({ TableName: table('SESSIONS'), Item: { writer: { S: writer }, session: { S: id }, v, body } }));
  };
  const mail = async (writer = 't1-a') => readMail(await itemOf('CONTROL', mailItem(writer)))?.entries ?? [];
  return { dynamo, table, itemOf, put, remove, ask, openSession, mail };
}

function requestsTo(base: string): Pick<AwsConsole, 'call' | 'raw'> {
  return {
    call: async (at, body, headers = {}, method = body === undefined ? 'GET' : 'POST') => {
      const response = await fetch(base + at, {
        method,
        headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      // What the API answers is looked at field by field.
      return { status: response.status, answer: text === '' ? undefined : (JSON.parse(text) as Answer) };
    },
    raw: (at, headers = {}) =>
      new Promise((resolve, reject) => {
        const { hostname, port, host } = new URL(base);
        send({ host: hostname, port, path: at, headers: { host, ...headers } }, (response) => {
          let body = '';
          response.on('data', (chunk: Buffer) => (body += chunk.toString()));
          response.on('end', () => resolve({ status: response.statusCode, body }));
        })
          .on('error', reject)
          .end();
      }),
  };
}
