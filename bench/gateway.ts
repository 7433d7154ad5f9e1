/** The product as it is served: one process, one configuration directory, a target for each price to be measured. */
import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import type { TestPostgres } from '../test/support/postgres.ts';
import { freePort, startChild, type Child } from './child.ts';

/**
 * Targets of the same database, each with more switched on. In all of them every statement is judged and recorded, and its
 * rows are counted and hashed; `judged` does no more than that.
 */
export const MODES = {
  judged: { rows: false, masks: false, detectors: false },
  '+record': { rows: true, masks: false, detectors: false },
  '+mask': { rows: false, masks: true, detectors: false },
  '+detect': { rows: false, masks: false, detectors: true },
  '+record+mask': { rows: true, masks: true, detectors: false },
  full: { rows: true, masks: true, detectors: true },
} as const;
export type Mode = keyof typeof MODES;

const NAMES = Object.keys(MODES).filter((name): name is Mode => name in MODES);

/** The name of its target: letters, digits and dashes. */
export function targetOf(mode: Mode): string {
  return `bench${mode.replaceAll('+', '-')}`;
}

const ISSUER = 'https://bench.example';
const DETECTORS = '[us-ssn, payment-card, email, iban, us-phone, aws-access-key, jwt, private-key]';
const MASKED_COLUMNS = ['public.bench_rows.email', 'public.bench_rows.ssn', 'public.pgbench_accounts.abalance'];

export type Gateway = Child & {
  readonly port: number;
  /** For every target; valid for the whole run. */
  readonly token: string;
  readonly configDir: string;
};

/** Starts `sallyport serve` of the checkout at `root` with a key of its own instead of an issuer to ask. */
export async function startGateway(
  postgres: TestPostgres,
  options: { readonly root: string; readonly nodeFlags?: readonly string[] },
): Promise<Gateway> {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-bench-gateway-'));
  const config = join(folder, 'config');
  mkdirSync(join(config, 'policies'), { recursive: true });
  mkdirSync(join(folder, 'data'));
  const port = await freePort();
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
  const key = JSON.stringify({ ...(await exportJWK(publicKey)), kid: 'bench', alg: 'ES256', use: 'sig' });
  writeFileSync(join(config, 'sallyport.yaml'), settings(postgres, port, await freePort(), key));
  writeFileSync(join(config, 'masking.yaml'), masking());
  writeFileSync(join(config, 'policies', 'bench.cedar'), POLICIES);
  const token = await new SignJWT({ groups: ['readers'] })
    .setProtectedHeader({ alg: 'ES256', kid: 'bench' })
    .setIssuer(ISSUER)
    .setAudience('sallyport')
    .setSubject('bench')
    .setJti(randomUUID())
    .setIssuedAt()
    .setExpirationTime('8h')
    .sign(privateKey);
  const child = await startChild(
    process.execPath,
    [...(options.nodeFlags ?? []), join(options.root, 'cli', 'sallyport.mjs'), 'serve', '--config', config, '--data', join(folder, 'data')],
    { port, cwd: options.root, env: { BENCH_PASSWORD: postgres.password } },
  );
  return {
    ...child,
    port,
    token,
    configDir: config,
    stop: async () => {
      await child.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const POLICIES = `
@id("connect") permit (principal, action == Action::"connect", resource);
@id("read") permit (principal in Group::"bench/readers", action in Action::"read", resource);
@id("no-unknown") @reason("What cannot be resolved does not run") forbid (principal, action == Action::"unknown", resource);
`;

function settings(postgres: TestPostgres, port: number, apiPort: number, key: string): string {
  const targets = NAMES.map(
    (mode) => `
  - name: ${targetOf(mode)}
    host: 127.0.0.1
    port: ${postgres.port}
    database: ${postgres.database}
    user: ${postgres.superuser}
    credential: env:BENCH_PASSWORD
    tls: { mode: disable }
    recordRows: ${MODES[mode].rows ? 'rows' : 'digest'}
    limits: { maxRows: 100000000, maxBytes: 100000000000, maxSession: 8h }`,
  );
  return `
listeners:
  postgres: { host: 127.0.0.1, port: ${port} }
  api: { host: 127.0.0.1, port: ${apiPort} }
issuers:
  - { name: bench, issuer: "${ISSUER}", audience: sallyport, groupsAre: delegated, keys: [${key}] }
agents:
  - { name: bench/bench, owner: owner@bench.example }
targets:${targets.join('')}
recording: { rows: rows, retention: 1d }
`;
}

function masking(): string {
  const columns = NAMES.filter((mode) => MODES[mode].masks).flatMap((mode) =>
    MASKED_COLUMNS.map((column) => `  - { target: ${targetOf(mode)}, column: ${column}, method: redact }`),
  );
  const patterns = NAMES.filter((mode) => MODES[mode].detectors).map(
    (mode) => `  - { target: ${targetOf(mode)}, detectors: ${DETECTORS} }`,
  );
  return `columns:\n${columns.join('\n')}\npatterns:\n${patterns.join('\n')}\n`;
}
