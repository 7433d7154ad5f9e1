/** The Fargate task: configuration to adapters to listeners, and a drain when it is told to go (design §12). */
import { randomBytes } from 'node:crypto';
import { LambdaClient } from '@aws-sdk/client-lambda';
import { S3Client } from '@aws-sdk/client-s3';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { approverIssuers, idTokenVerifier } from '../console/id-token-verifier.ts';
import type { VerifyIdToken } from '../core/approval/votes.ts';
import type { Config } from '../core/config/config.ts';
import { FULL_EXPORT_ROWS } from '../core/judging/view.ts';
import { loadExecReader } from '../core/statement/host/read-exec.ts';
import { readSql } from '../core/statement/sql/read-sql.ts';
import { VERSION } from '../core/version.ts';
import { DynamoApprovalGate } from './adapters/dynamo-approval-gate.ts';
import { DynamoBudgets } from './adapters/dynamo-budgets.ts';
import { DynamoCancels } from './adapters/dynamo-cancels.ts';
import { dynamoClient } from './adapters/dynamo-client.ts';
import { dynamoJournal } from './adapters/dynamo-journal.ts';
import { dynamoLiveSessions } from './adapters/dynamo-live-sessions.ts';
import { DynamoPoller } from './adapters/dynamo-poller.ts';
import { DynamoSshLogins } from './adapters/dynamo-ssh-keys.ts';
import { DynamoWriterLease } from './adapters/dynamo-writer-lease.ts';
import { ecsTaskId } from './adapters/ecs-metadata.ts';
import { EcsProtection } from './adapters/ecs-protection.ts';
import { JoseTokenVerifier } from './adapters/jose-token-verifier.ts';
import { LambdaApprovalAsker } from './adapters/lambda-approval-asker.ts';
import { LambdaCredentials } from './adapters/lambda-credentials.ts';
import { LambdaPolicy } from './adapters/lambda-policy.ts';
import { PostgresCatalogSource } from './adapters/postgres-catalog-source.ts';
import { s3BundleStore } from './adapters/s3-bundle-source.ts';
import { evidenceClient } from './adapters/s3-client.ts';
import { s3Segments } from './adapters/s3-segments.ts';
import { s3Staging } from './adapters/s3-staging.ts';
import { SecretsCertificate } from './adapters/secrets-certificate.ts';
import { readHostKeySecret } from './adapters/secrets-host-key.ts';
import { readSessionKeys } from './adapters/secrets-session-keys.ts';
import { readProxyConfig } from './config.ts';
import { serveHealth } from './health.ts';
import { Lifecycle, TaskFailed } from './lifecycle.ts';
import { LISTENER_LIMITS, type Listener } from './listener.ts';
import { FollowedBundle } from './pipeline/followed-bundle.ts';
import { FollowedControl } from './pipeline/followed-control.ts';
import type { RefusedConnection } from './pipeline/refusal-limit.ts';
import { SecondOpinion } from './pipeline/second-opinion.ts';
import { SharedBudgets } from './pipeline/shared-budgets.ts';
import type { Recorder, TokenVerifier } from './ports.ts';
import { CancelKeys } from './postgres/cancel-keys.ts';
import { PostgresGateway } from './postgres/gateway.ts';
import { listenForPostgres } from './postgres/listener.ts';
import { OffLoopParser } from './postgres/off-loop-parser.ts';
import { ScramKeyCache } from './postgres/scram.ts';
import { TargetRuntimes } from './postgres/target-runtimes.ts';
import { readProxyPreamble } from './preamble.ts';
import { createJournalRecorder } from './recording/journal-recorder.ts';
import { ScaleInProtection } from './scale-in.ts';
import { SshGateway } from './ssh/gateway.ts';
import { readHostKey } from './ssh/host-key.ts';
import { SSH_LIMITS } from './ssh/limits.ts';
import { listenForSsh } from './ssh/listener.ts';
import { nativeCiphers, WITHOUT_NATIVE_CIPHERS } from './ssh/native-ciphers.ts';
import { systemClock } from './system-clock.ts';
import { taskLog } from './task-log.ts';
import { TaskMetrics, timedJournal } from './task-metrics.ts';
import { WriterLease } from './writer-lease.ts';

const STARTUP_TIMEOUT_MS = 30_000;
const CONNECT_TIMEOUT_MS = 10_000;
const SHARED_BUFFER_BYTES = 256 * 1024;

/** The next poll is the repetition, a second later. */
const POLL_CLIENT = { attempts: 1, requestTimeoutMs: 1_000 };
/** The recorder puts a commit again by itself, and knows for how long. */
const JOURNAL_CLIENT = { attempts: 1, requestTimeoutMs: 1_000 };
/** Leases, budgets, cancels and live sessions: well below the 5 s between two renewals. */
const STATE_CLIENT = { attempts: 2, requestTimeoutMs: 2_000 };
/** Claims and reads of approvals, for which a statement waits; each write is recognised when its answer was lost. */
const GATE_CLIENT = { attempts: 3, requestTimeoutMs: 2_000 };
/** Secrets are read at the start and every five minutes: a late answer harms nobody. */
const PATIENT = { maxAttempts: 3, requestHandler: { connectionTimeout: 1_000, requestTimeout: 5_000, throwOnRequestTimeout: true } };
/** `request-approval` may take 15 s: a session must not give up while its request is being stored. */
const ASKING = { maxAttempts: 2, requestHandler: { connectionTimeout: 1_000, requestTimeout: 20_000, throwOnRequestTimeout: true } };

const clock = systemClock;
const log = taskLog(
  (line) => void process.stdout.write(line),
  () => clock.now(),
);
const report = (error: unknown): void => log.problem(error);
// Timers of the data path keep no process alive, so that embedding ones can end: this one runs until it is told to go.
setInterval(() => undefined, 60_000);

let lifecycle: Lifecycle | undefined;
const undo: (() => void | Promise<void>)[] = [];
const exit = (status: 0 | 1): never => process.exit(status);

/** Nothing serves yet: what was begun is given back, as far as that takes no time. */
async function giveUp(status: 0 | 1): Promise<never> {
  clock.after(STOP_STARTING_MS, () => exit(status));
  for (const step of undo.splice(0).toReversed()) await Promise.resolve(step()).catch(report);
  return exit(status);
}
const STOP_STARTING_MS = 5_000;

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.on(signal, () => {
    log.event('stopping', { signal });
    if (lifecycle === undefined) void giveUp(0);
    else lifecycle.stop();
  });
}
for (const event of ['uncaughtException', 'unhandledRejection'] as const)
  process.on(event, (error: unknown) => failed(error, 'interrupted'));

/** No session may go on; another task takes this one's place. */
function failed(error: unknown, sessions: 'unrecorded' | 'interrupted'): void {
  if (lifecycle !== undefined) {
    lifecycle.fail(error, sessions);
    return;
  }
  report(error);
  void giveUp(1);
}

/** What is made from issuers and agents, made anew when these change: who is taken out of the configuration is believed no longer. */
function verifiersOf(current: () => Config): { readonly tokens: TokenVerifier; readonly verifyIdToken: VerifyIdToken } {
  let made:
    | { readonly from: string; readonly config: Config; readonly tokens: TokenVerifier; readonly verifyIdToken: VerifyIdToken }
    | undefined;
  const verifiers = (): NonNullable<typeof made> => {
    const config = current();
    if (made?.config === config) return made;
    const { issuers, agents } = config;
    const from = JSON.stringify([issuers, agents]);
    const kept = made?.from === from ? made : undefined;
    made = {
      from,
      config,
      tokens: kept?.tokens ?? new JoseTokenVerifier({ issuers, agents, now: () => clock.now() }),
      verifyIdToken: kept?.verifyIdToken ?? idTokenVerifier(approverIssuers(issuers)),
    };
    return made;
  };
  return {
    tokens: { verify: (token) => verifiers().tokens.verify(token) },
    verifyIdToken: (idToken, expected) => verifiers().verifyIdToken(idToken, expected),
  };
}

type Gateway = {
  readonly sessions: number;
  drain(): void;
  end(reason: string): void;
  endUnrecorded(reason: string): void;
  ended(): Promise<void>;
};

/** Sessions of every protocol live and end together with the task. */
function bothGateways(...gateways: readonly Gateway[]): Gateway {
  return {
    get sessions() {
      return gateways.reduce((sum, { sessions }) => sum + sessions, 0);
    },
    drain: () => gateways.forEach((gateway) => gateway.drain()),
    end: (reason) => gateways.forEach((gateway) => gateway.end(reason)),
    endUnrecorded: (reason) => gateways.forEach((gateway) => gateway.endUnrecorded(reason)),
    ended: async () => void (await Promise.all(gateways.map((gateway) => gateway.ended()))),
  };
}

async function start(): Promise<void> {
  const config = readProxyConfig(process.env);
  const { tables, buckets, functions, host, loadBalancer } = config;
  const boot = `${clock.now().toString(36)}${randomBytes(4).toString('hex')}`;
  const task = config.ecs === undefined ? `local${randomBytes(8).toString('hex')}` : await ecsTaskId(config.ecs.metadataUri);
  const writer = `${task}-${boot}`;
  const keys = await readSessionKeys(config.secretsArn);
  const certificate =
    config.tlsSecretArn === undefined
      ? undefined
      : await SecretsCertificate.open({ client: new SecretsManagerClient(PATIENT), secretArn: config.tlsSecretArn, clock, report });

  const poller = new DynamoPoller({ client: dynamoClient(POLL_CLIENT), tables, clock, report });
  undo.push(() => poller.stop());
  const bundlesKnown = FollowedBundle.start({
    poller,
    ...s3BundleStore({ configBucket: buckets.config, bundleKey: config.bundleKey }),
    clock,
    report: (message) => log.info(message),
    problem: report,
  });
  await poller.start();
  const bundles = await bundlesKnown;
  const { tokens, verifyIdToken } = verifiersOf(() => bundles.config);

  const stateClient = dynamoClient(STATE_CLIENT);
  const journal = timedJournal(dynamoJournal({ client: dynamoClient(JOURNAL_CLIENT), table: tables.journal, clock }), clock);
  const registry = new DynamoWriterLease({ client: stateClient, table: tables.writers, random: Math.random });
  let nextSeq = (): number => 0;
  const lease = new WriterLease({
    registry,
    generations: registry,
    clock,
    writer,
    generation: config.generation,
    image: config.image,
    nextSeq: () => nextSeq(),
    onLost: (reason) => failed(new TaskFailed(reason), 'unrecorded'),
    onNewer: () => {
      log.event('draining', { because: 'a newer deployment serves' });
      lifecycle?.drain();
    },
    report,
  });
  // A lease that is not given back is for the sweeper: it finds out whether anything was recorded under it.
  const slot = await lease.open();
  const s3 = evidenceClient();
  const journaled = createJournalRecorder({
    writer,
    boot,
    program: VERSION,
    journal,
    segments: s3Segments({ client: s3, bucket: buckets.evidence }),
    staging: s3Staging({ client: s3, bucket: buckets.staging }),
    sessions: dynamoLiveSessions({ client: stateClient, table: tables.sessions }),
    clock,
    problem: report,
  });
  nextSeq = () => journaled.nextSeq;
  journaled.onFailed((failure) => failed(failure, 'unrecorded'));
  undo.push(async () => {
    await journaled.close();
    await lease.close();
  });

  const gate = new DynamoApprovalGate({
    client: dynamoClient(GATE_CLIENT),
    tables,
    asker: new LambdaApprovalAsker({
      lambda: new LambdaClient(ASKING),
      s3: new S3Client({ ...PATIENT, forcePathStyle: process.env['AWS_ENDPOINT_URL'] !== undefined }),
      functionName: functions.requestApproval,
      stagingBucket: buckets.staging,
    }),
    poller,
    clock,
    nonce: () => randomBytes(16).toString('hex'),
    problem: report,
  });
  const budgets = new SharedBudgets({
    counter: new DynamoBudgets({ client: stateClient, table: tables.budgets }),
    clock,
    budgetsOf: (target) => (bundles.find(target) ?? bundles.findHost(target))?.limits.budgets,
    report,
  });
  const control = new FollowedControl({
    poller,
    budgets,
    cancels: new DynamoCancels({ client: stateClient, tables, clock }),
    clock,
    writer,
    slot,
    tokens,
    renew: (session, principal) => gateway.renew(session, principal) || sshGateway.renew(session, principal),
    cancel: (key) => void gateway.cancelHere(key),
    report,
  });
  const metrics = new TaskMetrics({
    instance: config.instance,
    log,
    clock,
    sessions: () => both.sessions,
    pollAgeMs: () => poller.ageMs() ?? 0,
    recorderLagMs: () => journal.lagMs(),
  });
  const recorder: Recorder = {
    open: (session, rows) => journaled.open(session, rows),
    recordRefusal: (event) => {
      metrics.refused();
      journaled.recordRefusal(event);
    },
  };
  const credentials = new LambdaCredentials({ functionName: functions.issueCredential, now: () => clock.now() });
  const scramKeys = new ScramKeyCache({ hashKey: randomBytes(32) });
  const offLoop = new OffLoopParser({ clock });
  const runtimes = new TargetRuntimes({
    clock,
    scramKeys,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    ownCredential: (target) => credentials.issueForCatalog(target),
    // `request-approval` reads statements anew against the same rows.
    makeCatalogSource: (source) => new PostgresCatalogSource({ ...source, keepRows: true }),
    parseOffLoop: (major, text) => offLoop.parse(major, text),
  });
  const lambdaPolicy = new LambdaPolicy(functions);
  const secondOpinion = new SecondOpinion({ policy: lambdaPolicy, masking: lambdaPolicy, clock, problem: report });
  const startup = {
    timeoutMs: STARTUP_TIMEOUT_MS,
    ...(certificate === undefined ? {} : { secureContext: () => certificate.context() }),
  };
  const ports = { tokens, targets: bundles, bundles, control, clock, credentials, recorder, gate, verifyIdToken, secondOpinion };
  const gateway: PostgresGateway = new PostgresGateway({
    ports,
    runtimes,
    keys,
    writer,
    cancelKeys: new CancelKeys({ taskSlot: slot, macKey: randomBytes(32) }),
    scramKeys,
    startup,
    judge: { readSql, fullExportRows: FULL_EXPORT_ROWS },
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    sharedBuffer: Buffer.allocUnsafeSlow(SHARED_BUFFER_BYTES),
    approvalUrl: (id) => `${config.publicUrl}/approvals/${id}`,
    onOpened: () => undefined,
    onError: report,
  });
  const sshGateway: SshGateway = new SshGateway({
    ports,
    digestKey: keys.digest,
    writer,
    commands: await loadExecReader(),
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    approvalUrl: (id) => `${config.publicUrl}/approvals/${id}`,
    onOpened: () => undefined,
    onError: report,
  });
  const both = bothGateways(gateway, sshGateway);
  // Locks and ends that were there before this task are known before its first session.
  await poller.next();

  const open = {
    host,
    clock,
    readPreamble: loadBalancer === undefined ? undefined : readProxyPreamble(loadBalancer),
    onRefused: (refused: RefusedConnection) => recorder.recordRefusal({ type: 'session.refused', ...refused }),
    onError: report,
  };
  const listener = await listenForPostgres({
    ...open,
    port: config.postgresPort,
    limits: LISTENER_LIMITS,
    startup,
    onClient: (candidate) => gateway.onClient(candidate),
    onCancel: (key, address) => gateway.onCancel(key, address),
  });
  const ssh: Listener | undefined =
    config.sshHostKeySecretArn === undefined
      ? undefined
      : await listenForSsh({
          ...open,
          port: config.sshPort,
          hostKeys: [readHostKey(await readHostKeySecret(config.sshHostKeySecretArn), 'the secret of the SSH host key').privateKey],
          limits: SSH_LIMITS,
          proofs: {
            tokens,
            logins: new DynamoSshLogins({ client: stateClient, table: tables.sshKeys, clock }),
            authorities: () => bundles.config.sshUserCas,
            agents: () => bundles.config.agents,
            defaultAccount: (target) => bundles.findHost(target)?.accounts[0],
            clock,
            onError: report,
          },
          onClient: (candidate) => sshGateway.onClient(candidate),
        });
  let protection: ScaleInProtection | undefined;
  const running = new Lifecycle({
    clock,
    gateway: both,
    listener: {
      stop: async () => void (await Promise.all([listener.stop(), ssh?.stop()])),
      cut: () => {
        listener.cut();
        ssh?.cut();
      },
    },
    seal: () => journaled.close(),
    closeLease: () => lease.close(),
    last: [
      () => budgets.flush(),
      () => protection?.stop(),
      () => control.stop(),
      () => bundles.stop(),
      () => poller.stop(),
      () => runtimes.close(),
      () => offLoop.close(),
      () => metrics.stop(),
      () => certificate?.stop(),
      () => health.stop(),
      () => log.event('stopped', { writer }),
    ],
    report,
    exit,
  });
  if (config.ecs !== undefined) {
    protection = new ScaleInProtection({
      protection: new EcsProtection(config.ecs.agentUri),
      clock,
      wanted: () => both.sessions > 0 && !lease.newerSeen && !running.draining,
      report,
    });
  }
  const reasons = (): readonly string[] => [
    ...(running.draining ? ['draining'] : []),
    ...(control.view() === 'current' ? [] : ['shared state cannot be read']),
    ...(journaled.failure === undefined ? [] : ['nothing can be recorded']),
  ];
  const health = await serveHealth({ host, port: config.healthPort, reasons });
  lifecycle = running;
  if (lease.newerSeen) running.drain();
  await lease.serving();
  const native = nativeCiphers();
  if (ssh !== undefined && native.length === 0) log.info(WITHOUT_NATIVE_CIPHERS);
  log.event('ready', {
    postgres: { host: listener.host, port: listener.port },
    ...(ssh === undefined ? {} : { ssh: { host: ssh.host, port: ssh.port, nativeCiphers: native } }),
    health: { host, port: health.port },
    writer,
    slot,
  });
}

try {
  await start();
} catch (error) {
  failed(error, 'interrupted');
}
