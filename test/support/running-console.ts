import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { idTokenVerifier } from '../../console/id-token-verifier.ts';
import { oidcSignIn } from '../../console/oidc-sign-in.ts';
import type { VerifyIdToken } from '../../core/approval/votes.ts';
import { serveConsole, type ConsoleServer } from '../../standalone/console-server.ts';
import { CLI_CLIENT, CONSOLE_CLIENT, startDemoIssuer, type DemoIssuer } from '../../standalone/demo/issuer.ts';
import { ensureOperatorToken, OPERATOR_HELP, operatorCheck } from '../../standalone/operator-token.ts';
import { writeRunning } from '../../standalone/running.ts';
import { SqliteApprovalGate } from '../../standalone/state/sqlite-approval-gate.ts';
import { SqliteControl } from '../../standalone/state/sqlite-control.ts';
import { SqliteSignInStore } from '../../standalone/state/sqlite-sign-in-store.ts';
import { openState } from '../../standalone/state/state-database.ts';

/** Real time, moved by an offset that a test sets: the issuer's tokens carry real times. */
export class ShiftedClock {
  offsetMs = 0;
  readonly now = (): number => Date.now() + this.offsetMs;
  readonly after = (ms: number, run: () => void): { cancel(): void } => {
    const timer = setTimeout(run, ms).unref();
    return { cancel: () => clearTimeout(timer) };
  };
}

export type RunningConsole = {
  readonly url: string;
  readonly dataDir: string;
  readonly operatorToken: string;
  readonly issuer: DemoIssuer;
  readonly gate: SqliteApprovalGate;
  readonly control: SqliteControl;
  readonly clock: ShiftedClock;
  readonly verifyIdToken: VerifyIdToken;
  readonly reported: unknown[];
  /** From now on every use of the state fails. */
  readonly breakStore: () => void;
  readonly stop: () => Promise<void>;
};

/** Console, demo issuer and embedded state on free loopback ports, over a new data directory. */
export async function startConsole(): Promise<RunningConsole> {
  const dataDir = mkdtempSync(join(tmpdir(), 'sallyport-console-'));
  const operatorToken = ensureOperatorToken(dataDir);
  const issuer = await startDemoIssuer({ port: 0, dataDir });
  const verifyIdToken = idTokenVerifier([{ name: 'demo', url: issuer.url, clientIds: [CONSOLE_CLIENT, CLI_CLIENT] }]);
  const db = openState(dataDir);
  const clock = new ShiftedClock();
  const gate = new SqliteApprovalGate({ db, clock, verifyIdToken, notify: () => {} });
  const control = new SqliteControl({ db, clock, budgetsOf: () => [] });
  const reported: unknown[] = [];
  const isOperator = operatorCheck(operatorToken);
  const server: ConsoleServer = await serveConsole({ host: '127.0.0.1', port: 0 }, (url) => ({
    desk: gate,
    verifyIdToken,
    signIn: oidcSignIn({ issuer: issuer.url, clientId: CONSOLE_CLIENT, redirectUri: `${url}/sign-in/callback` }),
    signInStore: new SqliteSignInStore(db, clock),
    sessions: control,
    locks: control,
    renewal: {
      renew: async (session, token) => (session === 's-1' && token === 'fresh' ? { expiresAtMs: 0 } : undefined),
    },
    operatorOf: async (presented) => (isOperator(presented) ? 'operator' : undefined),
    operatorHelp: OPERATOR_HELP,
    clock,
    randomToken: () => randomBytes(32).toString('base64url'),
    publicUrl: url,
    report: (error) => void reported.push(error),
    cliSignIn: { issuer: issuer.url, clientId: CLI_CLIENT },
  }));
  writeRunning(dataDir, { pid: process.pid, api: server.url, issuer: issuer.url, postgres: { host: '127.0.0.1', port: 1 } });
  return {
    url: server.url,
    dataDir,
    operatorToken,
    issuer,
    gate,
    control,
    clock,
    verifyIdToken,
    reported,
    breakStore: () => void db.close(),
    stop: async () => {
      await server.stop();
      await issuer.stop();
      gate.close();
      if (db.open) db.close();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}
