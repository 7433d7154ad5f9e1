// The data path alone, before a real PostgreSQL, with everything that it asks others for in the hands of the test.
import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { buildBundle } from '../../core/config/build-bundle.ts';
import { readConfig } from '../../core/config/read-config.ts';
import { FULL_EXPORT_ROWS } from '../../core/judging/view.ts';
import { findDatabase } from '../../core/target.ts';
import { readSql } from '../../core/statement/sql/read-sql.ts';
import { PostgresCatalogSource } from '../../proxy-task/adapters/postgres-catalog-source.ts';
import type { Control } from '../../proxy-task/ports.ts';
import { CancelKeys } from '../../proxy-task/postgres/cancel-keys.ts';
import { PostgresGateway } from '../../proxy-task/postgres/gateway.ts';
import { listenForPostgres } from '../../proxy-task/postgres/listener.ts';
import { OffLoopParser } from '../../proxy-task/postgres/off-loop-parser.ts';
import { ScramKeyCache } from '../../proxy-task/postgres/scram.ts';
import { TargetRuntimes } from '../../proxy-task/postgres/target-runtimes.ts';
import { systemClock } from '../../proxy-task/system-clock.ts';
import { startRecorder, temporaryDirectory } from './evidence.ts';
import type { TestPostgres } from './postgres.ts';

const POLICIES = `
@id("connect") permit (principal, action == Action::"connect", resource);
@id("all") permit (principal, action in Action::"all", resource);
`;

export type DataPath = {
  readonly gateway: PostgresGateway;
  readonly port: number;
  connect(): Promise<Client>;
  stop(): Promise<void>;
};

/** A control that lets everything pass, but for what the test says. */
export function openControl(over: Partial<Control> = {}): Control {
  return {
    refusal: () => undefined,
    watch: () => ({ stop: () => undefined }),
    spend: () => ({ ok: true }),
    cancelElsewhere: async () => undefined,
    prepare: async () => undefined,
    view: () => 'current',
    ...over,
  };
}

/** Every token is that of one agent, who may do everything. Approvals fail. */
export async function startDataPath(postgres: TestPostgres, control: Control): Promise<DataPath> {
  const clock = systemClock;
  const reading = readConfig(
    new Map([
      ['sallyport.yaml', settings(postgres)],
      ['policies/all.cedar', POLICIES],
    ]),
    {},
  );
  if ('errors' in reading) throw new Error(JSON.stringify(reading.errors));
  const { config } = reading;
  const bundle = buildBundle(config);
  const recorder = startRecorder(temporaryDirectory(), 'w1', { clock });
  const scramKeys = new ScramKeyCache({ hashKey: randomBytes(32) });
  const offLoop = new OffLoopParser({ clock });
  const credential = async () => ({ id: 'test', password: postgres.password });
  const runtimes = new TargetRuntimes({
    clock,
    scramKeys,
    connectTimeoutMs: 10_000,
    ownCredential: credential,
    makeCatalogSource: (source) => new PostgresCatalogSource(source),
    parseOffLoop: (major, text) => offLoop.parse(major, text),
  });
  const unasked = (): Promise<never> => Promise.reject(new Error('nobody is asked here'));
  const startup = { timeoutMs: 10_000 };
  const gateway = new PostgresGateway({
    ports: {
      tokens: { verify: async () => ({ issuer: 'demo', agent: 'agent-7', groups: [], expiresAtMs: clock.now() + 3_600_000 }) },
      targets: { find: (name) => findDatabase(config.targets, name) },
      bundles: { current: () => bundle, onChange: () => ({ stop: () => undefined }) },
      control,
      clock,
      credentials: { issue: credential },
      recorder,
      gate: {
        request: unasked,
        find: unasked,
        read: unasked,
        watch: () => ({ stop: () => undefined }),
        claim: unasked,
        withdraw: unasked,
        settle: unasked,
      },
      verifyIdToken: unasked,
    },
    runtimes,
    keys: { digest: randomBytes(32), masks: { hash: randomBytes(32), tokenize: randomBytes(32) } },
    writer: 'w1',
    cancelKeys: new CancelKeys({ taskSlot: 1, macKey: randomBytes(32) }),
    scramKeys,
    startup,
    judge: { readSql, fullExportRows: FULL_EXPORT_ROWS },
    connectTimeoutMs: 10_000,
    sharedBuffer: Buffer.allocUnsafeSlow(64 * 1024),
    approvalUrl: (id) => id,
    onOpened: () => undefined,
    onError: () => undefined,
  });
  const listener = await listenForPostgres({
    host: '127.0.0.1',
    port: 0,
    limits: { maxConnections: 100, maxStartupsPerAddress: 100, maxStartups: 100 },
    startup,
    clock,
    onClient: (candidate) => gateway.onClient(candidate),
    onCancel: (key, address) => gateway.onCancel(key, address),
    onError: () => undefined,
  });
  const clients: Client[] = [];
  return {
    gateway,
    port: listener.port,
    connect: async () => {
      const client = new Client({ host: '127.0.0.1', port: listener.port, database: 'db', user: 'agent', password: 'token' });
      client.on('error', () => undefined);
      await client.connect();
      clients.push(client);
      return client;
    },
    stop: async () => {
      await Promise.all(clients.map((client) => client.end().catch(() => undefined)));
      gateway.end('the test is over');
      await listener.stop();
      await gateway.ended();
      runtimes.close();
      offLoop.close();
      await recorder.close();
    },
  };
}

function settings(postgres: TestPostgres): string {
  return `
listeners: { postgres: { host: 127.0.0.1, port: 0 }, api: { host: 127.0.0.1, port: 0 } }
issuers:
  - { name: demo, issuer: "http://127.0.0.1:1", audience: sallyport }
targets:
  - name: db
    host: 127.0.0.1
    port: ${postgres.port}
    database: ${postgres.database}
    user: ${postgres.superuser}
    credential: env:PASSWORD
    tls: { mode: disable }
`;
}
