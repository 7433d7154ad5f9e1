/**
 * The whole deployment on this machine: synthesized templates in the emulator, functions as they are shipped, the approval workflow
 * on the interpreter, the console behind a load balancer, and tasks of the proxy as processes before a real PostgreSQL.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { importJWK, SignJWT } from 'jose';
import { Client } from 'pg';
import { signInAtDemo } from '../../../cli/approver-sign-in.ts';
import { approvalNonce } from '../../../core/approval/nonce.ts';
import { operatorNonce } from '../../../core/identity/operator-nonce.ts';
import { bundleProxy } from '../../../infra/bundle.ts';
import { startDemoIssuer, type DemoIssuer } from '../../../standalone/demo/issuer.ts';
import { issuerKey } from '../../../standalone/demo/issuer-tokens.ts';
import { systemClock } from '../../../proxy-task/system-clock.ts';
import { makeHostKey } from '../../../proxy-task/ssh/host-key.ts';
import { startPostgres, type TestPostgres } from '../../support/postgres.ts';
import { isObject, jsonOf, textOf, type Json, type JsonObject } from '../../support/state-machine/json-value.ts';
import { ACCOUNT, REGION } from '../../support/synthesized-template.ts';
import { makeAuthority, type TestAuthority } from '../../support/tls-files.ts';
import { startAlb, type Alb } from './alb.ts';
import { startAwsServices, type AwsServices } from './aws-services.ts';
import { deployFunction, type DeployedFunction } from './deployed-function.ts';
import { startIamGuard, type KeyPush } from './iam-guard.ts';
import { deployInstance, type Instance } from './instance.ts';
import { awsEnvironment, resetMoto, useMoto } from './moto.ts';
import { startProxy, type ProxyProcess } from './proxy-process.ts';

const ROOT = join(import.meta.dirname, '../../..');
const NAME = 'sallyport-prod';
const TARGET_ROLE = `arn:aws:iam::${ACCOUNT}:role/sallyport/${NAME}-target-db`;

/** Who is who at the demo issuer: Dana and Erin may answer, Owen owns the agents, Alice may do nothing. */
export const DANA = 'dana@bank.example';
export const ERIN = 'erin@bank.example';
export const OWEN = 'owen@bank.example';
export const ALICE = 'alice@bank.example';

export type Rules = {
  /** Cedar text. */
  readonly policies: string;
  /** masking.yaml. */
  readonly masking: string;
  /** Lines below the target `db`, indented by four spaces. */
  readonly target?: string;
  /** Further targets. */
  readonly targets?: string;
  /** Lines at the top level. */
  readonly top?: string;
  /** Further agents. */
  readonly agents?: string;
};

/** What a command left; `output` is both of its streams. */
export type Ran = { readonly status: number; readonly stdout: string; readonly output: string };

export type Deployment = {
  readonly instance: Instance;
  readonly services: AwsServices;
  readonly postgres: TestPostgres;
  readonly issuer: DemoIssuer;
  readonly console: Alb;
  readonly authority: TestAuthority;
  /** The gateway's own, as clients pin it. */
  readonly sshHostKey: string;
  /** `s3://` address of the evidence. */
  readonly evidence: string;
  /** Runs a function as a schedule, a person with a role, or Step Functions does. */
  invoke(name: string, event?: unknown): Promise<Json>;
  /** The files of a configuration with these rules. */
  configuration(rules: Rules): Readonly<Record<string, string>>;
  /** Publishes these rules as Dana and activates them as Erin; the version. The first ones are a seed. */
  publish(rules: Rules): Promise<string>;
  /** `over` changes what its task definition says. */
  startTask(over?: Readonly<Record<string, string>>): Promise<ProxyProcess>;
  token(agent?: { readonly principal?: string; readonly groups?: readonly string[]; readonly onBehalfOf?: string }): Promise<string>;
  /** A token over exactly these claims, with the issuer's own key: what no honest issuer would sign. */
  signAsIssuer(claims: Readonly<Record<string, unknown>>): Promise<string>;
  connect(task: ProxyProcess, options?: { readonly token?: string; readonly options?: string }): Promise<Client>;
  /** A request to the console's API as an operator; status and body. */
  asOperator(path: string, init?: RequestInit): Promise<{ readonly status: number; readonly body: JsonObject }>;
  /** The approval that waits; polls until there is one that `known` has not. */
  pending(known?: ReadonlySet<string>): Promise<{ readonly id: string; readonly digest: string }>;
  /** Answers as a person over HTTP; status and body. `over` changes what is sent. */
  vote(
    id: string,
    person: string,
    over?: { readonly idToken?: string; readonly answer?: string; readonly nonce?: string },
  ): Promise<{ readonly status: number; readonly body: JsonObject }>;
  /** An ID token of a person for this approval. */
  idToken(id: string, person: string, nonce?: string): Promise<string>;
  /** `sallyport` as a process against this deployment. */
  sallyport(...args: readonly string[]): Promise<Ran>;
  /** The same with variables of its own. */
  sallyportWith(environment: Readonly<Record<string, string>>, ...args: readonly string[]): Promise<Ran>;
  /** Calls back with every key that is pushed to an instance, before whoever pushed it is answered. */
  onKeyPush(run: (push: KeyPush) => void): void;
  /** What the roles' policies refused until now: `<role> <action> <resource>`. */
  readonly refusedByIam: readonly string[];
  /** What functions and tasks wrote until now. */
  lines(): readonly string[];
  stop(): Promise<void>;
};

/** Starts everything but tasks. */
export async function deploy(): Promise<Deployment> {
  useMoto();
  await resetMoto();
  const root = mkdtempSync(join(tmpdir(), 'sallyport-test-deployment-'));
  const issuerDir = join(root, 'issuer');
  mkdirSync(issuerDir);
  const authority = makeAuthority();
  const { cert: certificate, key: privateKey } = authority.issue('DNS:localhost,IP:127.0.0.1');
  const deployed = new Map<string, DeployedFunction>();
  const run = async (name: string, event: unknown): Promise<Json> => {
    const found = deployed.get(`${NAME}-${name}`);
    if (found === undefined) throw new Error(`no function ${name}`);
    return jsonOf(await found.handler(event, undefined));
  };
  const console = await startAlb((event) => run('console', event));
  const hostKey = makeHostKey();
  const instance = await deployInstance({
    secrets: {
      tls: { certificate, privateKey },
      slack: { botToken: 'xoxb-test', signingSecret: 'test', channel: 'C1' },
      'ssh-host-key': hostKey.privateKey,
    },
  });
  // Handlers by name before they are made: the services must listen first, since every function is told their address.
  const functions = Object.fromEntries(
    instance.functions.map(({ name }) => [name, (event: unknown) => run(name.slice(NAME.length + 1), event)]),
  );
  const services = await startAwsServices({ functions, stateMachines: instance.stateMachines, clock: systemClock });
  const guard = await startIamGuard({
    templates: instance.templates,
    emulator: awsEnvironment()['AWS_ENDPOINT_URL'] ?? '',
    services: services.environment['AWS_ENDPOINT_URL_LAMBDA'] ?? '',
  });
  const surroundings = { ...awsEnvironment(), ...services.environment };
  // The only thing that is not as deployed: people reach the console where the test put it.
  const placed = (role: string, environment: Readonly<Record<string, string>>): Record<string, string> => ({
    ...environment,
    ...('SALLYPORT_PUBLIC_URL' in environment ? { SALLYPORT_PUBLIC_URL: console.url } : {}),
    ...surroundings,
    ...guard.environment(role),
  });
  for (const each of instance.functions) {
    deployed.set(each.name, deployFunction({ ...each, environment: placed(each.name, each.environment) }));
  }
  const [postgres, issuer] = await Promise.all([startPostgres(), startDemoIssuer({ port: 0, dataDir: issuerDir })]);
  const { ARN: credential = '' } = await new SecretsManagerClient({}).send(
    new CreateSecretCommand({
      Name: 'bank/db',
      SecretString: JSON.stringify({ username: postgres.superuser, password: postgres.password }),
    }),
  );
  const proxyFolder = join(root, 'proxy');
  bundleProxy(ROOT, proxyFolder);

  const tasks: ProxyProcess[] = [];
  const clients: Client[] = [];
  const signIn = (person: string, nonce: string): Promise<string> =>
    signInAtDemo({ issuer: issuer.url, clientId: 'sallyport-cli', nonce }, person);
  const call = async (path: string, init?: RequestInit): Promise<{ readonly status: number; readonly body: JsonObject }> => {
    const response = await fetch(`${console.url}${path}`, init);
    const body = jsonOf(await response.json());
    return { status: response.status, body: isObject(body) ? body : {} };
  };
  let operatorToken: Promise<string> | undefined;
  const asOperator = async (path: string, init: RequestInit = {}): ReturnType<Deployment['asOperator']> => {
    operatorToken ??= signIn(DANA, operatorNonce(console.url));
    return call(path, { ...init, headers: { 'content-type': 'application/json', authorization: `Bearer ${await operatorToken}` } });
  };
  const idToken = async (id: string, person: string, nonce?: string): Promise<string> => {
    const { body } = await call(`/v1/approvals/${id}`);
    return signIn(person, nonce ?? approvalNonce(id, textOf(body['digest'])));
  };
  const token: Deployment['token'] = (agent = {}) => issuer.mintToken({ principal: 'agent-7', groups: ['all'], ttlSeconds: 900, ...agent });

  return {
    instance,
    sshHostKey: hostKey.publicKey,
    services,
    postgres,
    issuer,
    console,
    authority,
    evidence: `s3://${instance.task['SALLYPORT_EVIDENCE_BUCKET'] ?? ''}`,
    invoke: (name, event = {}) => run(name, event),
    configuration: (rules) => filesOf(rules, settings(postgres, issuer.url, credential, rules)),
    publish: async (rules) => {
      const files = filesOf(rules, settings(postgres, issuer.url, credential, rules));
      const asked = { files };
      const first = objectOf(await run('publish-bundle', asked));
      const version = textOf(first['version']);
      const demand = objectOf(first['signIn'] ?? {});
      if (demand['nonce'] === undefined) throw new Error(`not published: ${JSON.stringify(first)}`);
      const published = objectOf(await run('publish-bundle', { ...asked, idToken: await signIn(DANA, textOf(demand['nonce'])) }));
      if (published['kind'] !== 'published') throw new Error(`not published: ${JSON.stringify(published)}`);
      const shown = objectOf(await run('activate-bundle', { version }));
      const nonce = textOf(objectOf(shown['signIn'] ?? {})['nonce']);
      const activated = objectOf(await run('activate-bundle', { version, idToken: await signIn(ERIN, nonce) }));
      if (activated['kind'] !== 'activated') throw new Error(`not activated: ${JSON.stringify(activated)}`);
      return version;
    },
    startTask: async (over = {}) => {
      const environment = {
        ...placed(`${NAME}-proxy`, instance.task),
        SALLYPORT_POSTGRES_PORT: '0',
        SALLYPORT_SSH_PORT: '0',
        SALLYPORT_HEALTH_PORT: '0',
        ...over,
      };
      const task = await startProxy(join(proxyFolder, 'main.js'), environment);
      tasks.push(task);
      return task;
    },
    token,
    signAsIssuer: async (claims) => {
      const key = await issuerKey(issuerDir);
      const header = { alg: 'ES256', ...(key.kid === undefined ? {} : { kid: key.kid }) };
      return new SignJWT({ iss: issuer.url, ...claims }).setProtectedHeader(header).sign(await importJWK(key, 'ES256'));
    },
    connect: async (task, options = {}) => {
      const client = new Client({
        host: '127.0.0.1',
        port: task.port,
        database: 'db',
        user: 'agent',
        password: options.token ?? (await token()),
        ssl: { ca: authority.ca },
        ...(options.options === undefined ? {} : { options: options.options }),
      });
      // A session that the gateway ends is the subject of some tests; the error is then read from the query.
      client.on('error', () => undefined);
      await client.connect();
      clients.push(client);
      return client;
    },
    asOperator,
    pending: async (known = new Set()) => {
      for (;;) {
        const { body } = await asOperator('/v1/approvals');
        const approvals = Array.isArray(body['approvals']) ? body['approvals'].map((each: Json) => objectOf(each)) : [];
        const found = approvals.find((each) => each['state'] === 'pending' && !known.has(textOf(each['id'])));
        if (found !== undefined) return { id: textOf(found['id']), digest: textOf(found['digest']) };
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
    vote: async (id, person, over = {}) => {
      const answer = {
        answer: over.answer ?? 'approve',
        reason: 'looks right',
        idToken: over.idToken ?? (await idToken(id, person, over.nonce)),
      };
      return call(`/v1/approvals/${id}/votes`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(answer),
      });
    },
    idToken,
    sallyport: (...args) => sallyport(args, surroundings),
    sallyportWith: (environment, ...args) => sallyport(args, { ...surroundings, ...environment }),
    onKeyPush: (run) => {
      guard.onKeyPush = run;
    },
    refusedByIam: guard.refused,
    lines: () => [...[...deployed.values()].flatMap(({ lines }) => lines), ...tasks.flatMap(({ lines }) => lines)],
    stop: async () => {
      await Promise.all(clients.map((client) => client.end().catch(() => undefined)));
      await Promise.all(
        tasks.map((task) => {
          task.thaw();
          return task.kill();
        }),
      );
      await Promise.all([...deployed.values()].map((each) => each.stop()));
      await console.stop();
      await guard.stop();
      await services.stop();
      await issuer.stop();
      await postgres.stop();
      authority.remove();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

function sallyport(args: readonly string[], environment: Readonly<Record<string, string>>): Promise<Ran> {
  return new Promise((resolve) => {
    const options = { env: { PATH: process.env['PATH'], ...environment }, maxBuffer: 16 * 1024 * 1024 };
    execFile(process.execPath, [join(ROOT, 'cli/sallyport.mjs'), ...args], options, (error, stdout, stderr) => {
      resolve({ status: error === null ? 0 : Number(error.code), stdout, output: stdout + stderr });
    });
  });
}

function filesOf(rules: Rules, settingsText: string): Record<string, string> {
  return { 'sallyport.yaml': settingsText, 'masking.yaml': rules.masking, 'policies/story.cedar': rules.policies };
}

function settings(postgres: TestPostgres, issuer: string, credential: string, rules: Rules): string {
  return `
issuers:
  - { name: demo, issuer: "${issuer}", audience: sallyport, groupsAre: delegated, approverClientIds: [sallyport-console, sallyport-cli] }
agents:
  - { name: demo/agent-7, owner: ${OWEN} }
  - { name: demo/agent-8, owner: ${OWEN} }${rules.agents ?? ''}
approverGroups: { dba: demo/dba, operators: demo/dba }
targets:
  - name: db
    host: 127.0.0.1
    port: ${postgres.port}
    database: ${postgres.database}
    user: ${postgres.superuser}
    credential: "secretsManager:${credential}"
    assume: { role: "${TARGET_ROLE}", region: ${REGION} }
    tls: { mode: disable }
${rules.target ?? ''}
${rules.targets ?? ''}
${rules.top ?? ''}
recording: { rows: rows, retention: 30d }
`;
}

function objectOf(value: Json): JsonObject {
  return isObject(value) ? value : {};
}
