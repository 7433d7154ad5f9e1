/** The whole gateway on one machine: embedded adapters behind the ports, one process, one data directory. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { CALLBACK_PATH } from '../console/approval-routes.ts';
import { oidcSignIn } from '../console/oidc-sign-in.ts';
import type { SessionRenewal } from '../console/ports.ts';
import type { Listener } from '../core/config/config.ts';
import { TokenRefused } from '../core/identity/token-refused.ts';
import { loadExecReader } from '../core/statement/host/read-exec.ts';
import { readSql } from '../core/statement/sql/read-sql.ts';
import { FULL_EXPORT_ROWS } from '../core/judging/view.ts';
import { PostgresCatalogSource } from '../proxy-task/adapters/postgres-catalog-source.ts';
import { CancelKeys } from '../proxy-task/postgres/cancel-keys.ts';
import type { ApprovalGate, Clock, Recorder } from '../proxy-task/ports.ts';
import type { SecondOpinion } from '../proxy-task/pipeline/second-opinion.ts';
import { PostgresGateway } from '../proxy-task/postgres/gateway.ts';
import { LISTENER_LIMITS } from '../proxy-task/listener.ts';
import type { RefusedConnection } from '../proxy-task/pipeline/refusal-limit.ts';
import { listenForPostgres } from '../proxy-task/postgres/listener.ts';
import { OffLoopParser } from '../proxy-task/postgres/off-loop-parser.ts';
import { ScramKeyCache } from '../proxy-task/postgres/scram.ts';
import { TargetRuntimes } from '../proxy-task/postgres/target-runtimes.ts';
import { SshGateway } from '../proxy-task/ssh/gateway.ts';
import { nativeCiphers, WITHOUT_NATIVE_CIPHERS } from '../proxy-task/ssh/native-ciphers.ts';
import { SSH_LIMITS } from '../proxy-task/ssh/limits.ts';
import { listenForSsh } from '../proxy-task/ssh/listener.ts';
import { ConfigWatch } from './config-watch.ts';
import { serveConsole, type ConsoleServer } from './console-server.ts';
import type { AppendFiles } from './evidence/append-files.ts';
import { createFileRecorder, type FileRecorder } from './evidence/file-recorder.ts';
import { localSigner } from './evidence/local-signer.ts';
import { issuerVerifiers } from './issuer-verifiers.ts';
import { ListenerCertificate } from './listener-certificate.ts';
import { LocalCredentials } from './local-credentials.ts';
import { ensureOperatorToken, OPERATOR_HELP, operatorCheck } from './operator-token.ts';
import { removeRunning, writeRunning, type Running } from './running.ts';
import { secretKeys } from './secret-keys.ts';
import { sshAuthority, type SshAuthority } from './ssh-authority.ts';
import { sshHostKey } from './ssh-host-key.ts';
import { lockDataDirectory } from './state/data-lock.ts';
import { SqliteApprovalGate } from './state/sqlite-approval-gate.ts';
import { SqliteControl } from './state/sqlite-control.ts';
import { SqliteSignInStore } from './state/sqlite-sign-in-store.ts';
import { SqliteSshLogins } from './state/sqlite-ssh-keys.ts';
import { openState } from './state/state-database.ts';
import { systemClock } from '../proxy-task/system-clock.ts';
import type { Budget } from '../core/target.ts';
import { VERSION } from '../core/version.ts';

export type MachineOptions = {
  readonly configDir: string;
  readonly dataDir: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** One line for the operator; never holds tokens, secrets or rows. */
  readonly log: (line: string) => void;
  /** How long a session may finish its transaction after its token expired; half a minute where it is not said. */
  readonly expiryGraceMs?: number | undefined;
  /** How evidence reaches the disk, where not plainly. */
  readonly evidenceFiles?: AppendFiles;
  /** What sessions ask for approvals, where not the embedded gate itself. */
  readonly beforeGate?: (gate: ApprovalGate) => ApprovalGate;
  /** What sessions record to, where not the files themselves. */
  readonly beforeRecorder?: (recorder: Recorder) => Recorder;
  /** Who is asked about new sessions besides this process; usually nobody. */
  readonly secondOpinion?: Pick<SecondOpinion, 'of'>;
};

export type Machine = {
  readonly postgres: { readonly host: string; readonly port: number };
  /** Absent where the configuration has no listener for SSH. `hostKey` as `ssh-ed25519 AAAA…`. */
  readonly ssh?: { readonly host: string; readonly port: number; readonly hostKey: string };
  /** Base URL of API and console. */
  readonly api: string;
  readonly evidenceDir: string;
  /** Takes no new session, lets transactions end, seals the evidence, and lets go of the data directory. */
  stop(): Promise<void>;
};

const STARTUP_TIMEOUT_MS = 30_000;
const CONNECT_TIMEOUT_MS = 10_000;
const DRAIN_MS = 10_000;
const CERTIFICATE_LOOK_MS = 5_000;
const SHARED_BUFFER_BYTES = 256 * 1024;

/** Starts everything. Throws DataDirectoryInUse, ConfigInvalid, ConfigUnreadable, and what a listener throws. */
export async function startMachine(options: MachineOptions): Promise<Machine> {
  const { dataDir, env, log } = options;
  const clock = systemClock;
  const undo: (() => void | Promise<void>)[] = [];
  const stopAll = async (): Promise<void> => {
    const failures: unknown[] = [];
    for (const step of undo.splice(0).toReversed()) {
      // One part that cannot end well, like evidence on a full disk, must not keep the others running.
      try {
        await step();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  };
  try {
    const configWatch = await ConfigWatch.open(options.configDir, env, clock, log);
    undo.push(() => configWatch.stop());
    const listeners = JSON.stringify(configWatch.config.listeners);
    configWatch.onChange(() => {
      if (JSON.stringify(configWatch.config.listeners) !== listeners) log('the listeners of the configuration change with the next start');
    });
    const lock = lockDataDirectory(dataDir, process.pid);
    undo.push(() => lock.release());
    const { config } = configWatch;
    const report = (error: unknown): void =>
      log(`error: ${error instanceof Error ? `${error.name}: ${error.message}${causeOf(error)}` : String(error)}`);

    const evidenceDir = join(dataDir, 'evidence');
    const keys = secretKeys(dataDir);
    const writerId = `w${clock.now().toString(36)}-${randomBytes(6).toString('hex')}`;
    const recorder: FileRecorder = createFileRecorder({
      directory: evidenceDir,
      writerId,
      clock,
      signer: localSigner(join(dataDir, 'keys', 'evidence-signing.pem')),
      instance: 'standalone',
      program: VERSION,
      problem: report,
      ...(options.evidenceFiles === undefined ? {} : { files: options.evidenceFiles }),
    });
    undo.push(() => recorder.close());

    const db = openState(dataDir);
    undo.push(() => void db.close());
    const { tokens, verifyIdToken } = issuerVerifiers(
      () => configWatch.config,
      () => clock.now(),
    );
    const gate = new SqliteApprovalGate({
      db,
      clock,
      verifyIdToken,
      notify: ({ request }) =>
        log(`approval ${request.id} waits: ${request.principal.issuer}/${request.principal.agent} on ${request.target}`),
    });
    undo.push(() => gate.close());
    const budgetsOf = (name: string): readonly Budget[] | undefined =>
      (configWatch.find(name) ?? configWatch.findHost(name))?.limits.budgets;
    const control = new SqliteControl({ db, clock, budgetsOf });
    undo.push(() => control.flush());

    let authority: SshAuthority | undefined;
    const credentials = new LocalCredentials(env, { clock, authority: () => (authority ??= sshAuthority(dataDir)) });
    const scramKeys = new ScramKeyCache({ hashKey: randomBytes(32) });
    const offLoop = new OffLoopParser({ clock });
    undo.push(() => offLoop.close());
    const runtimes = new TargetRuntimes({
      clock,
      scramKeys,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      ownCredential: (target) => credentials.issue(target),
      // Nobody on one machine reads a statement anew, unless something stands before the gate.
      makeCatalogSource: (source) => new PostgresCatalogSource({ ...source, keepRows: options.beforeGate !== undefined }),
      parseOffLoop: (major, text) => offLoop.parse(major, text),
    });
    undo.push(() => runtimes.close());

    let publicUrl = '';
    const certificateOf = ({ tls }: Listener): ListenerCertificate | undefined =>
      tls === undefined ? undefined : new ListenerCertificate(tls, options.configDir, report);
    const postgresCertificate = certificateOf(config.listeners.postgres);
    const startup = {
      timeoutMs: STARTUP_TIMEOUT_MS,
      ...(postgresCertificate === undefined ? {} : { secureContext: () => postgresCertificate.context() }),
    };
    const ports = {
      tokens,
      targets: configWatch,
      bundles: configWatch,
      control,
      clock,
      credentials,
      recorder: options.beforeRecorder?.(recorder) ?? recorder,
      gate: options.beforeGate?.(gate) ?? gate,
      ...(options.secondOpinion === undefined ? {} : { secondOpinion: options.secondOpinion }),
      verifyIdToken,
    };
    const gateway = new PostgresGateway({
      ports,
      runtimes,
      keys,
      // Another one after a disk that was full.
      get writer() {
        return recorder.writerId;
      },
      cancelKeys: new CancelKeys({ taskSlot: 1, macKey: randomBytes(32) }),
      scramKeys,
      startup,
      judge: { readSql, fullExportRows: FULL_EXPORT_ROWS },
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      expiryGraceMs: options.expiryGraceMs,
      sharedBuffer: Buffer.allocUnsafeSlow(SHARED_BUFFER_BYTES),
      approvalUrl: (id) => `${publicUrl}/approvals/${id}`,
      onOpened: (id, known) => control.describe(id, known),
      onError: report,
    });
    const sshGateway = new SshGateway({
      ports,
      digestKey: keys.digest,
      get writer() {
        return recorder.writerId;
      },
      commands: await loadExecReader(),
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      expiryGraceMs: options.expiryGraceMs,
      approvalUrl: (id) => `${publicUrl}/approvals/${id}`,
      onOpened: (id, known) => control.describe(id, known),
      onError: report,
    });
    const sshLogins = new SqliteSshLogins(db, clock);
    let sshAddress: Running['ssh'];

    const renewal: SessionRenewal = {
      renew: async (sessionId, token) => {
        try {
          const principal = await tokens.verify(token);
          const isRenewed = gateway.renew(sessionId, principal) || sshGateway.renew(sessionId, principal);
          return isRenewed ? { expiresAtMs: principal.expiresAtMs } : undefined;
        } catch (error) {
          if (error instanceof TokenRefused) return undefined;
          throw error;
        }
      },
    };
    const signInIssuer = config.issuers.find((issuer) => issuer.approverClientIds.length > 0);
    if (signInIssuer === undefined) log('warning: no issuer has an approverClientIds, so nobody can approve');
    const api = config.listeners.api;
    const isOperator = operatorCheck(ensureOperatorToken(dataDir));
    const certificate = certificateOf(api);
    const listen = { host: api.host, port: api.port, ...(certificate === undefined ? {} : { tls: certificate.pem }) };
    const server: ConsoleServer = await serveConsole(listen, (url) => {
      publicUrl = api.publicUrl ?? url;
      return {
        desk: gate,
        verifyIdToken,
        signIn: oidcSignIn({
          issuer: signInIssuer?.issuer ?? 'https://invalid.example',
          clientId: signInIssuer?.approverClientIds[0] ?? '',
          redirectUri: `${publicUrl}${CALLBACK_PATH}`,
        }),
        signInStore: new SqliteSignInStore(db, clock),
        sessions: control,
        locks: control,
        renewal,
        operatorOf: async (presented) => (isOperator(presented) ? 'operator' : undefined),
        operatorHelp: OPERATOR_HELP,
        clock,
        randomToken: () => randomBytes(32).toString('base64url'),
        publicUrl,
        report,
        ...(config.listeners.ssh === undefined
          ? {}
          : { ssh: { logins: sshLogins, verifyToken: (token: string) => tokens.verify(token), address: () => sshAddress } }),
        cliSignIn: { issuer: signInIssuer?.issuer ?? '', clientId: signInIssuer?.approverClientIds.at(-1) ?? '' },
      };
    });
    undo.push(() => server.stop());
    if (certificate !== undefined) {
      const watch = followCertificate(clock, certificate, server);
      undo.push(() => watch.cancel());
    }

    const open = {
      clock,
      onRefused: (refused: RefusedConnection) => recorder.recordRefusal({ type: 'session.refused', ...refused }),
      onError: report,
    };
    const listener = await listenForPostgres({
      ...open,
      host: config.listeners.postgres.host,
      port: config.listeners.postgres.port,
      limits: LISTENER_LIMITS,
      startup,
      onClient: (candidate) => gateway.onClient(candidate),
      onCancel: (key, address) => gateway.onCancel(key, address),
    });
    undo.push(() => drained(gateway, listener));
    const postgres = { host: listener.host, port: listener.port };
    if (config.listeners.ssh !== undefined) {
      if (nativeCiphers().length === 0) log(WITHOUT_NATIVE_CIPHERS);
      const hostKey = sshHostKey(dataDir);
      const ssh = await listenForSsh({
        ...open,
        host: config.listeners.ssh.host,
        port: config.listeners.ssh.port,
        hostKeys: [hostKey.privateKey],
        limits: SSH_LIMITS,
        proofs: {
          tokens,
          logins: sshLogins,
          authorities: () => configWatch.config.sshUserCas,
          agents: () => configWatch.config.agents,
          defaultAccount: (target) => configWatch.findHost(target)?.accounts[0],
          clock,
          onError: report,
        },
        onClient: (candidate) => sshGateway.onClient(candidate),
      });
      undo.push(() => drained(sshGateway, ssh));
      sshAddress = { host: ssh.host, port: ssh.port, hostKey: hostKey.publicKey };
      log(`SSH on ${ssh.host}:${ssh.port}, host key ${hostKey.fingerprint}`);
    }
    writeRunning(dataDir, {
      pid: process.pid,
      // Behind TLS the command must use the name that the certificate is for.
      api: certificate === undefined ? server.url : publicUrl,
      postgres,
      ...(sshAddress === undefined ? {} : { ssh: sshAddress }),
      ...(signInIssuer === undefined ? {} : { issuer: signInIssuer.issuer }),
    });
    undo.push(() => removeRunning(dataDir));
    // The first checkpoint: from here on whoever keeps one can tell a rewrite.
    recorder.seal().catch(report);
    return { postgres, ...(sshAddress === undefined ? {} : { ssh: sshAddress }), api: server.url, evidenceDir, stop: stopAll };
  } catch (error) {
    await stopAll().catch((failure: unknown) => log(`error: ${failure instanceof Error ? failure.message : String(failure)}`));
    throw error;
  }
}

/** No new session; those that are open end at their next boundary, or when patience does. */
async function drained(
  gateway: { drain(): void; end(reason: string): void; ended(): Promise<void> },
  listener: { stop(): Promise<void>; cut(): void },
): Promise<void> {
  gateway.drain();
  const stopped = listener.stop();
  const patience = setTimeout(() => gateway.end('the gateway is shutting down'), DRAIN_MS);
  const cut = setTimeout(() => listener.cut(), DRAIN_MS + 2_000);
  await stopped;
  await gateway.ended();
  clearTimeout(patience);
  clearTimeout(cut);
}

/** Renewed certificates reach the console's next connections. */
function followCertificate(clock: Clock, certificate: ListenerCertificate, server: ConsoleServer): { cancel(): void } {
  let timer: { cancel(): void };
  const lookLater = (): void => {
    timer = clock.after(CERTIFICATE_LOOK_MS, () => {
      if (certificate.look()) server.replaceCertificate(certificate.pem);
      lookLater();
    });
  };
  lookLater();
  return { cancel: () => timer.cancel() };
}

function causeOf(error: Error): string {
  return error.cause instanceof Error ? ` (${error.cause.message})` : '';
}
