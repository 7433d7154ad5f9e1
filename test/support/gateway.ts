// The whole gateway in this process, before a real PostgreSQL, with a real issuer: what the e2e suites speak to.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { signInAtDemo } from '../../cli/approver-sign-in.ts';
import type { ApprovalGate } from '../../core/approval/gate.ts';
import { approvalNonce } from '../../core/approval/nonce.ts';
import { startDemoIssuer, type DemoIssuer } from '../../standalone/demo/issuer.ts';
import type { AppendFiles } from '../../standalone/evidence/append-files.ts';
import { startMachine, type Machine, type MachineOptions } from '../../standalone/machine.ts';
import { readOperatorToken } from '../../standalone/operator-token.ts';
import type { TestPostgres } from './postgres.ts';

export type GatewayConfig = {
  /** Cedar text; the default permits group `all` everything and `analysts` reading, with writes approved by `dba`. */
  readonly policies?: string;
  /** masking.yaml. */
  readonly masking?: string;
  /** Lines below the target `db`, indented by four spaces. */
  readonly target?: string;
  readonly database?: string;
  /** Certificate and key of the listener, as absolute paths. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string };
  /** The target's `tls`, as YAML; `{ mode: disable }` by default. */
  readonly targetTls?: string;
  /** How evidence reaches the disk, where not plainly. */
  readonly evidenceFiles?: AppendFiles;
  /** What sessions ask for approvals, where not the embedded gate itself. */
  readonly beforeGate?: (gate: ApprovalGate) => ApprovalGate;
  /** What sessions record to, where not the files of this machine. */
  readonly beforeRecorder?: MachineOptions['beforeRecorder'];
  /** Who is asked about new sessions besides the gateway itself. */
  readonly secondOpinion?: MachineOptions['secondOpinion'];
  /** How long a transaction may outlive its token. */
  readonly expiryGraceMs?: number;
};

export type TestGateway = {
  readonly port: number;
  readonly api: string;
  readonly dataDir: string;
  readonly configDir: string;
  readonly evidenceDir: string;
  readonly issuer: DemoIssuer;
  readonly machine: Machine;
  readonly log: string[];
  token(principal?: string, groups?: readonly string[], onBehalfOf?: string): Promise<string>;
  /** A connected client of `pg`; ended with the gateway. */
  connect(options?: {
    readonly principal?: string;
    readonly groups?: readonly string[];
    readonly onBehalfOf?: string;
    readonly options?: string;
  }): Promise<Client>;
  /** The newest approval that waits; polls until there is one. */
  pending(): Promise<{ readonly id: string; readonly digest: string }>;
  /** Answers as a person of the demo issuer, over HTTP; the status of the answer. */
  answer(id: string, answer: 'approve' | 'reject', person?: string, reason?: string): Promise<number>;
  /** Replaces policies or masking while it runs. */
  reconfigure(config: GatewayConfig): void;
  stop(): Promise<void>;
};

export const DEFAULT_POLICIES = `
@id("connect") permit (principal, action == Action::"connect", resource);
@id("all") permit (principal in Group::"demo/all", action in Action::"all", resource);
@id("read") permit (principal in Group::"demo/analysts", action in Action::"read", resource);
@id("write") @approvers("dba") @quorum("1") @hold("20s") @expires("1h") @grant("5m") @reason("Writes need a second person")
permit (principal in Group::"demo/analysts", action in Action::"write", resource) when { context has approval };
@id("no-drop") @reason("Dropping is done by migration")
forbid (principal in Group::"demo/analysts", action == Action::"drop", resource);
`;

/** Starts it on free ports. */
export async function startGateway(postgres: TestPostgres, config: GatewayConfig = {}): Promise<TestGateway> {
  const root = mkdtempSync(join(tmpdir(), 'sallyport-test-gateway-'));
  const dataDir = join(root, 'data');
  const configDir = join(root, 'config');
  mkdirSync(join(configDir, 'policies'), { recursive: true });
  mkdirSync(dataDir, { recursive: true });
  const write = (next: GatewayConfig): void => {
    writeFileSync(join(configDir, 'policies', 'test.cedar'), next.policies ?? DEFAULT_POLICIES);
    writeFileSync(join(configDir, 'masking.yaml'), next.masking ?? 'columns: []\npatterns: []\n');
  };
  const issuer = await startDemoIssuer({ port: 0, dataDir });
  write(config);
  writeFileSync(join(configDir, 'sallyport.yaml'), settingsText(postgres, issuer.url, config));
  const log: string[] = [];
  const machine = await startMachine({
    configDir,
    dataDir,
    env: { TARGET_PASSWORD: postgres.password },
    log: (line) => log.push(line),
    expiryGraceMs: config.expiryGraceMs,
    ...(config.evidenceFiles === undefined ? {} : { evidenceFiles: config.evidenceFiles }),
    ...(config.beforeGate === undefined ? {} : { beforeGate: config.beforeGate }),
    ...(config.beforeRecorder === undefined ? {} : { beforeRecorder: config.beforeRecorder }),
    ...(config.secondOpinion === undefined ? {} : { secondOpinion: config.secondOpinion }),
  });
  const clients: Client[] = [];

  const token = (principal = 'agent-7', groups: readonly string[] = ['all'], onBehalfOf?: string): Promise<string> =>
    issuer.mintToken({ principal, groups, ttlSeconds: 900, ...(onBehalfOf === undefined ? {} : { onBehalfOf }) });

  return {
    port: machine.postgres.port,
    api: machine.api,
    dataDir,
    configDir,
    evidenceDir: machine.evidenceDir,
    issuer,
    machine,
    log,
    token,
    connect: async (options = {}) => {
      const client = new Client({
        host: '127.0.0.1',
        port: machine.postgres.port,
        database: 'db',
        user: 'agent',
        password: await token(options.principal, options.groups, options.onBehalfOf),
        ...(options.options === undefined ? {} : { options: options.options }),
      });
      // A session that the gateway ends is the subject of some tests; the error is then read from the query.
      client.on('error', () => undefined);
      await client.connect();
      clients.push(client);
      return client;
    },
    ...approvalsAt(machine.api, dataDir, issuer.url),
    reconfigure: write,
    stop: async () => {
      await Promise.all(clients.map((client) => client.end().catch(() => undefined)));
      await machine.stop();
      await issuer.stop();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

/** The people's side of the gateway at this address. */
export function approvalsAt(api: string, dataDir: string, issuer: string): Pick<TestGateway, 'pending' | 'answer'> {
  const operator = { authorization: `Bearer ${readOperatorToken(dataDir) ?? ''}` };
  return {
    pending: async () => {
      for (;;) {
        const response = await fetch(`${api}/v1/approvals?open=true`, { headers: operator });
        // The API's own answer, whose shape its own tests hold.
        const found = ((await response.json()) as { approvals: { id: string; digest: string; state: string }[] }).approvals.find(
          (approval) => approval.state === 'pending',
        );
        if (found !== undefined) return found;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    answer: async (id, answer, person = 'dana@bank.example', reason = 'looks right') => {
      const shown = await fetch(`${api}/v1/approvals/${id}`, { headers: operator });
      // As above.
      const { digest } = (await shown.json()) as { digest: string };
      const idToken = await signInAtDemo({ issuer, clientId: 'sallyport-cli', nonce: approvalNonce(id, digest) }, person);
      const response = await fetch(`${api}/v1/approvals/${id}/votes`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ answer, reason, idToken }),
      });
      return response.status;
    },
  };
}

/** sallyport.yaml before this PostgreSQL, on free ports, with the password in TARGET_PASSWORD. */
export function settingsText(postgres: TestPostgres, issuer: string, config: GatewayConfig): string {
  return `
listeners:
  postgres: { host: 127.0.0.1, port: 0${config.tls === undefined ? '' : `, tls: { certFile: "${config.tls.certFile}", keyFile: "${config.tls.keyFile}" }`} }
  api: { host: 127.0.0.1, port: 0 }
issuers:
  - { name: demo, issuer: "${issuer}", audience: sallyport, groupsAre: delegated, approverClientIds: [sallyport-console, sallyport-cli] }
agents:
  - { name: demo/agent-7, owner: owen@bank.example }
  - { name: demo/agent-8, owner: owen@bank.example }
approverGroups: { dba: demo/dba }
targets:
  - name: db
    host: 127.0.0.1
    port: ${postgres.port}
    database: ${config.database ?? postgres.database}
    user: ${postgres.superuser}
    credential: env:TARGET_PASSWORD
    tls: ${config.targetTls ?? '{ mode: disable }'}
${config.target ?? ''}
recording: { rows: rows, retention: 30d }
`;
}
