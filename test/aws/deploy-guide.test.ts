// docs/deploy.md, line by line as far as it goes without an account: each command of ours that it names is run here.
import { execFile } from 'node:child_process';
import { createPrivateKey } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { unfitForAws } from '../../core/config/fit-for-aws.ts';
import { readPublished } from '../../core/config/published-bundle.ts';
import { parseTarget } from '../../infra/parse-target.ts';
import { DANA, deploy, ERIN, type Deployment } from './support/deployment.ts';
import { copyEvidence } from './support/evidence-copy.ts';
import type { ProxyProcess } from './support/proxy-process.ts';

const GUIDE = readFileSync(join(import.meta.dirname, '../../docs/deploy.md'), 'utf8');
const run = promisify(execFile);

/** Fenced blocks of the guide in this language. */
const blocks = (language: string): readonly string[] =>
  [...GUIDE.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))].map(([, text]) => text ?? '');

/** The script of Node whose output goes into this file. */
const scriptFor = (file: string): string =>
  [...GUIDE.matchAll(/node -e '\n([^']*)' > (\S+)/g)].find(([, , into]) => into === file)?.[1] ?? '';

/** Every `sallyport` command in its shell blocks. */
const commands = blocks('sh')
  .flatMap((block) => block.split('\n'))
  .flatMap((line) => /(?:^|\$\()(sallyport [^)#]*)/.exec(line)?.[1]?.trim() ?? []);

let deployment: Deployment;
let task: ProxyProcess;
let root: string;
let config: string;
let version: string;
let operator: Readonly<Record<string, string>>;
const done = new Set<string>();
/** Marks a command of the guide as run. */
const does = (command: string): void => {
  expect(commands).toContain(command);
  done.add(command);
};

beforeAll(async () => {
  deployment = await deploy();
  root = mkdtempSync(join(tmpdir(), 'sallyport-test-guide-'));
  config = join(root, 'config');
  const rules = {
    policies:
      '@id("connect") permit (principal, action == Action::"connect", resource);\n@id("all") permit (principal, action in Action::"all", resource);\n',
    masking: 'columns: []\npatterns: []\n',
    // Without a host among the targets nobody registers keys.
    targets: `  - { name: web1, kind: ssh, host: 127.0.0.1, accounts: [deploy], hostKeys: ['SHA256:${'A'.repeat(43)}'], credential: sshCa }`,
  };
  for (const [path, text] of Object.entries(deployment.configuration(rules))) {
    mkdirSync(dirname(join(config, path)), { recursive: true });
    writeFileSync(join(config, path), text);
  }
  await deployment.postgres.script('CREATE TABLE customers (id int); INSERT INTO customers VALUES (1), (2);');
});
afterAll(async () => {
  rmSync(root, { recursive: true, force: true });
  await deployment?.stop();
});

const psql = async (password: string): Promise<string> => {
  const ca = join(root, 'ca.pem');
  writeFileSync(ca, deployment.authority.ca);
  const conninfo = `host=localhost hostaddr=127.0.0.1 port=${task.port} dbname=db user=agent sslmode=verify-full sslrootcert=${ca}`;
  const env = { ...process.env, PGPASSWORD: password };
  return run('psql', ['-X', '-A', '-t', conninfo, '-c', 'select count(*) from customers'], { env }).then(
    ({ stdout }) => stdout.trim(),
    (error: { readonly stderr: string }) => error.stderr,
  );
};

describe('docs/deploy.md', () => {
  test('the values of secrets that it makes are the ones that are read', async () => {
    const { stdout } = await run(process.execPath, ['-e', scriptFor('keys.json')]);
    // Named by what the guide makes, as JSON.parse gives it.
    const made = JSON.parse(stdout) as Readonly<Record<string, string>>;
    expect(Object.keys(made)).toEqual(['digest', 'maskHash', 'maskTokenize']);
    expect(new Set(Object.values(made).map((key) => Buffer.from(key, 'base64').length))).toEqual(new Set([32]));
  });

  test('the certificate that it takes out of an export is one that a task presents', async () => {
    const { cert, key } = deployment.authority.issue('DNS:localhost');
    const PrivateKey = createPrivateKey(key).export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' });
    writeFileSync(
      join(root, 'exported.json'),
      JSON.stringify({ Certificate: cert, CertificateChain: deployment.authority.ca, PrivateKey }),
    );
    writeFileSync(join(root, 'passphrase'), 'secret');
    const { stdout } = await run(process.execPath, ['-e', scriptFor('tls.json')], { cwd: root });
    // As above.
    const { certificate = '', privateKey = '' } = JSON.parse(stdout) as Readonly<Record<string, string>>;
    expect(() => createSecureContext({ cert: certificate, key: privateKey })).not.toThrow();
  });

  test('what it counts and reckons with is what the templates have', () => {
    const { templates } = deployment.instance;
    const count = (type: string): number => templates.ofType(type).length;
    const reserved = templates.ofType('AWS::Lambda::Function').map(({ properties }) => Number(properties['ReservedConcurrentExecutions']));
    const sum = reserved.reduce((total, each) => total + each, 0);
    const interfaces = templates.ofType('AWS::EC2::VPCEndpoint').filter(({ properties }) => properties['VpcEndpointType'] === 'Interface');
    const [firewall] = templates.ofType('AWS::WAFv2::WebACL');
    const rules = Array.isArray(firewall?.properties['Rules']) ? firewall.properties['Rules'].length : 0;
    const reckoned = [
      `Lambda concurrent executions ≥ ${sum + 100}**: ${sum} are reserved`,
      '(1 vCPU, 4 GB, ARM; 400 sessions)',
      `${interfaces.length} × 3 zones × 730 h`,
      `${count('AWS::EC2::NatGateway')} × 730 h × 0.045`,
      `${count('AWS::ElasticLoadBalancingV2::LoadBalancer')} × 730 h × 0.0225`,
      `5 + ${rules} rules × 1`,
      `${count('AWS::CloudWatch::Alarm')} × 0.10 + 3`,
      `${count('AWS::KMS::Key')} × 1 +`,
    ];
    expect(reckoned.filter((each) => !GUIDE.includes(each))).toEqual([]);
    const [task] = templates.ofType('AWS::ECS::TaskDefinition');
    expect(task?.properties).toMatchObject({ Cpu: '1024', Memory: '4096' });
  });

  test('the descriptions of targets are ones that the app takes', () => {
    const [database = '', host = ''] = blocks('json').filter((block) => block.includes('issuerRoleArn'));
    expect(parseTarget(database)).toMatchObject({ instance: 'prod', target: 'bank', access: { kind: 'rdsIam' } });
    expect(parseTarget(host)).toMatchObject({ target: 'web2', access: { kind: 'instanceConnect', accounts: ['deploy'] } });
  });

  test('its hosts are ones that a configuration takes', () => {
    const [, targets = ''] = /```yaml\n(targets:\n[\s\S]*?)```/.exec(GUIDE) ?? [];
    const fingerprint = `SHA256:${'A'.repeat(43)}`;
    const files = {
      'sallyport.yaml': `issuers: [{ name: corp, issuer: 'https://id.example', audience: sallyport }]\n${targets.replaceAll('SHA256:…', fingerprint)}`,
      'masking.yaml': 'columns: []\npatterns: []\n',
      'policies/p.cedar': '@id("in") permit (principal, action == Action::"connect", resource);',
    };
    const reading = readPublished(files);
    expect('errors' in reading ? reading.errors : unfitForAws(files, reading.config)).toEqual([]);
  });

  test('hosts are told the authority that the gateway signs with', async () => {
    does('sallyport ssh-ca --aws --instance prod');
    const { status, stdout } = await deployment.sallyport('ssh-ca', '--aws', '--instance', 'prod');
    expect([status, stdout]).toEqual([0, expect.stringMatching(/^ecdsa-sha2-nistp256 AAAA\S+\n$/)]);
  });

  test('tasks without a configuration run, are healthy and let nobody in', async () => {
    task = await deployment.startTask();
    const health = await fetch(`http://127.0.0.1:${task.health}/healthz`);
    expect(health.status).toBe(200);
    await expect(deployment.connect(task)).rejects.toThrow();
  });

  test('the configuration is checked as AWS reads it', async () => {
    does('sallyport config check --config config --aws');
    const { status, stdout } = await deployment.sallyport('config', 'check', '--config', config, '--aws');
    expect([status, stdout]).toEqual([0, expect.stringMatching(/^b-[0-9a-f]{16} is fine/)]);
    version = /b-[0-9a-f]{16}/.exec(stdout)?.[0] ?? '';
  });

  test('the first one is published as a seed, and put in force by a person', async () => {
    does('sallyport config publish config --instance prod --seed');
    expect(await deployment.sallyport('config', 'publish', config, '--instance', 'prod', '--seed')).toMatchObject({ status: 0 });
    does('sallyport config activate <version> --instance prod');
    const activated = await deployment.sallyport('config', 'activate', version, '--instance', 'prod', '--as', ERIN);
    expect([activated.status, activated.output]).toEqual([0, expect.stringContaining(`${version} is in force, activated by ${ERIN}`)]);
    const again = await deployment.sallyport('config', 'publish', config, '--instance', 'prod', '--seed');
    expect([again.status, again.output]).toEqual([1, expect.stringContaining('only the first bundle is a seed')]);
  });

  test('an agent connects with psql, over TLS that it verifies', async () => {
    // STS is not emulated: the token comes from the other issuer.
    done.add('sallyport token --aws');
    await expect.poll(async () => psql(await deployment.token()), { timeout: 15_000, interval: 500 }).toBe('2');
    expect(await psql('no token')).toContain('FATAL');
  });

  test('an agent registers a key for logins by SSH', async () => {
    does('sallyport ssh-key agent --target web1');
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(root, 'agent')]);
    const agent = { SALLYPORT_API: deployment.console.url, SALLYPORT_TOKEN: await deployment.token() };
    const { status, output } = await deployment.sallyportWith(agent, 'ssh-key', join(root, 'agent'), '--target', 'web1');
    expect([status, output]).toEqual([0, expect.stringContaining('web1@')]);
  });

  test('an operator signs in for the console and lists sessions and approvals', async () => {
    does('sallyport token --operator');
    const api = { SALLYPORT_API: deployment.console.url };
    const signedIn = await deployment.sallyportWith(api, 'token', '--operator', '--as', DANA);
    expect([signedIn.status, signedIn.stdout.trim()]).toEqual([0, expect.stringMatching(/^eyJ/)]);
    operator = { ...api, SALLYPORT_OPERATOR_TOKEN: signedIn.stdout.trim() };
    const client = await deployment.connect(task);
    does('sallyport sessions');
    expect((await deployment.sallyportWith(operator, 'sessions')).output).toContain('demo/agent-7');
    does('sallyport approvals');
    expect(await deployment.sallyportWith(operator, 'approvals')).toMatchObject({ status: 0 });
    await client.end();
  });

  test('the evidence verifies from the bucket, and against a key and a checkpoint that were kept', async () => {
    await deployment.invoke('seal');
    const kept = await copyEvidence(deployment.evidence.slice('s3://'.length));
    const [key = '', checkpoint = ''] = [/^keys\/.*\.pem$/, /^checkpoints\/.*\.ckpt$/].map((shape) =>
      join(kept.folder, kept.keys.find((name) => shape.test(name)) ?? ''),
    );
    await task.stop();
    await deployment.invoke('seal');
    does('sallyport verify s3://sallyport-prod-evidence-<account>-<region>');
    expect(deployment.evidence).toMatch(/^s3:\/\/sallyport-prod-evidence-\d{12}-us-east-1$/);
    expect(await deployment.sallyport('verify', deployment.evidence)).toMatchObject({ status: 0 });
    does('sallyport verify s3://sallyport-prod-evidence-<account>-<region> --key evidence-key.pem --checkpoint kept.ckpt');
    const pinned = await deployment.sallyport('verify', deployment.evidence, '--key', key, '--checkpoint', checkpoint);
    expect([pinned.status, pinned.output]).toEqual([0, expect.stringContaining('intact    yes')]);
    kept.remove();
  });

  test('names no other command of ours', () => {
    expect([...done].toSorted()).toEqual([...new Set(commands)].toSorted());
  });
});
