// What a session needs before it opens, through the functions' own handlers: second opinions and the target's credential.
import { GetSecretValueCommand, CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { DynamoDBClient, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { AssumeRoleCommand, STSClient } from '@aws-sdk/client-sts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { catalogKey } from '../../core/approval/staged-catalog.ts';
import { buildBundle } from '../../core/config/build-bundle.ts';
import type { Config } from '../../core/config/config.ts';
import { readPublished } from '../../core/config/published-bundle.ts';
import { findDatabase } from '../../core/target.ts';
import { principalName } from '../../core/principal.ts';
import { encodeStored } from '../../core/state/stored-item.ts';
import { JoseTokenVerifier } from '../../proxy-task/adapters/jose-token-verifier.ts';
import { LambdaCredentials } from '../../proxy-task/adapters/lambda-credentials.ts';
import { LambdaPolicy } from '../../proxy-task/adapters/lambda-policy.ts';
import { SecondOpinion } from '../../proxy-task/pipeline/second-opinion.ts';
import { AgentTokens } from '../support/agent-tokens.ts';
import { awsBankFiles, BANK_ROLE } from '../support/aws-bank.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { startAwsServices, type AwsServices } from './support/aws-services.ts';
import { putInForce } from './support/bundle-in-force.ts';
import { resetMoto, useMoto } from './support/moto.ts';
import { makeInstance, type InstanceEnvironment } from './support/tables.ts';

const VAULT_ROLE = 'arn:aws:iam::222222222222:role/sallyport-target-vault';
const FUNCTIONS = { evaluatePolicy: 'evaluate-policy', lookupMasking: 'lookup-masking' };

let environment: InstanceEnvironment;
let services: AwsServices;
let agents: AgentTokens;
let config: Config;
let secretVersion: string;

beforeAll(async () => {
  useMoto();
  await resetMoto();
  environment = await makeInstance();
  Object.assign(process.env, environment);
  agents = await AgentTokens.make();

  // The secret is in the account of the target; only its role reads it there.
  const { Credentials } = await new STSClient({}).send(new AssumeRoleCommand({ RoleArn: VAULT_ROLE, RoleSessionName: 'setup' }));
  const credentials = {
    accessKeyId: Credentials?.AccessKeyId ?? '',
    secretAccessKey: Credentials?.SecretAccessKey ?? '',
    sessionToken: Credentials?.SessionToken ?? '',
  };
  const theirs = new SecretsManagerClient({ region: 'eu-central-1', credentials });
  const secret = await theirs.send(
    new CreateSecretCommand({ Name: 'vault', SecretString: JSON.stringify({ username: 'sallyport_agent', password: 'hunter2' }) }),
  );
  expect(secret.ARN).toContain(':222222222222:');
  secretVersion = (await theirs.send(new GetSecretValueCommand({ SecretId: secret.ARN }))).VersionId ?? '';

  const files = awsBankFiles(agents.issuer, [agents.publicJwk]);
  const vault = `
  - name: vault
    host: vault.bank.example
    user: sallyport_agent
    credential: secretsManager:${secret.ARN}
    assume: { role: '${VAULT_ROLE}' }
  - name: lost
    host: lost.bank.example
    user: sallyport_agent
    credential: secretsManager:arn:aws:secretsmanager:eu-central-1:222222222222:secret:nothing-a1B2c3
    assume: { role: '${VAULT_ROLE}' }
`;
  const whole = {
    ...files,
    'sallyport.yaml': (files['sallyport.yaml'] ?? '').replace('\nrecording:', `${vault}\nrecording:`),
    'policies/others.cedar': ['vault', 'lost']
      .map(
        (name) =>
          `@id("${name}") permit (principal in Group::"demo/analysts", action == Action::"connect", resource == Target::"${name}");`,
      )
      .join('\n'),
  };
  const reading = readPublished(whole);
  if ('errors' in reading) throw new Error(JSON.stringify(reading.errors));
  config = reading.config;
  await putInForce(environment, whole);

  const handlerOf = async (folder: string) => {
    const { handler } = (await import(`../../lambdas/${folder}/handler.ts`)) as { handler: (event: unknown) => Promise<unknown> }; // Each has one.
    return handler;
  };
  services = await startAwsServices({
    functions: {
      'evaluate-policy': await handlerOf('evaluate-policy'),
      'lookup-masking': await handlerOf('lookup-masking'),
      'issue-credential': await handlerOf('issue-credential'),
    },
    clock: new ManualClock(),
  });
  Object.assign(process.env, services.environment);
});
afterAll(() => services.stop());

const credentials = () => new LambdaCredentials({ functionName: 'issue-credential', now: Date.now });
const target = (name: string) => {
  const found = findDatabase(config.targets, name);
  if (found === undefined) throw new Error(name);
  return found;
};
const verified = (token: string) => new JoseTokenVerifier({ issuers: config.issuers, agents: config.agents, now: Date.now }).verify(token);

describe('a session that is about to open', () => {
  const opinion = () => {
    const policy = new LambdaPolicy(FUNCTIONS);
    return new SecondOpinion({ policy, masking: policy, clock: { now: Date.now }, problem: () => {} });
  };

  test('finds the functions of the same opinion', async () => {
    const token = await agents.token();
    expect(await opinion().of({ kind: 'token', token }, await verified(token), 'bank', buildBundle(config))).toEqual({ kind: 'agrees' });
  });

  test('is not let in by a proxy that reads more rights from the token than there are', async () => {
    const token = await agents.token({ groups: [] });
    const forged = { ...(await verified(token)), groups: ['demo/analysts'] };
    expect(await opinion().of({ kind: 'token', token }, forged, 'bank', buildBundle(config))).toMatchObject({ kind: 'disagrees' });
  });

  test('is not let in by a proxy whose masking rules are others under the same version', async () => {
    const token = await agents.token();
    const tampered = { ...buildBundle(config), masks: config.masks.slice(1) };
    expect(await opinion().of({ kind: 'token', token }, await verified(token), 'bank', tampered)).toEqual({
      kind: 'disagrees',
      reason: 'lookup-masking has another masking plan',
    });
  });

  test('hears that another version is in force', async () => {
    const token = await agents.token();
    const behind = { ...buildBundle(config), version: 'b-0000000000000001' };
    expect(await opinion().of({ kind: 'token', token }, await verified(token), 'bank', behind)).toEqual({
      kind: 'other-version',
      version: config.version,
    });
  });

  test.each(['throttled', 'unreachable', 'crashed'] as const)('is refused for now where a function is %s', async (fault) => {
    const token = await agents.token();
    for (const name of Object.values(FUNCTIONS)) {
      services.lambda.fail(name, fault);
      expect(await opinion().of({ kind: 'token', token }, await verified(token), 'bank', buildBundle(config))).toMatchObject({
        kind: 'unavailable',
      });
      services.lambda.heal(name);
    }
  });

  test('waits for nobody where the function is not there', async () => {
    const policy = new LambdaPolicy({ ...FUNCTIONS, evaluatePolicy: 'no-such-function' });
    const token = await agents.token();
    const alone = new SecondOpinion({ policy, masking: policy, clock: { now: Date.now }, problem: () => {} });
    expect(await alone.of({ kind: 'token', token }, await verified(token), 'bank', buildBundle(config))).toMatchObject({
      kind: 'unavailable',
    });
  });
});

describe('a credential', () => {
  const issue = async (name: string, token: string) => credentials().issue(target(name), await verified(token), 's_01TEST', token);

  test('of RDS is a signed login for host, port and user', async () => {
    const { id, password } = await issue('bank', await agents.token());
    expect(id).toMatch(/^rdsIam:ASIA/);
    const url = new URL(`https://${password}`);
    expect(url.host).toBe('bank.abc123.eu-central-1.rds.amazonaws.com:5432');
    expect(url.searchParams.get('Action')).toBe('connect');
    expect(url.searchParams.get('DBUser')).toBe('sallyport_agent');
    expect(url.searchParams.get('X-Amz-Expires')).toBe('900');
    expect(url.searchParams.get('X-Amz-Credential')).toContain('/eu-central-1/rds-db/');
  });

  test('in a secret is read in the account of the target, with the keys of its role', async () => {
    expect(await issue('vault', await agents.token())).toEqual({ id: `secretsManager:${secretVersion}`, password: 'hunter2' });
  });

  test('for the catalog needs no agent', async () => {
    expect((await credentials().issueForCatalog(target('vault'))).password).toBe('hunter2');
  });

  test('that is not there is refused with the name of the target, not with words of the token', async () => {
    const token = await agents.token();
    await expect(issue('lost', token)).rejects.toMatchObject({
      code: 'credential-unavailable',
      message: expect.stringMatching(/target "lost".*secret .* cannot be read/),
    });
  });

  test.each([
    ['with a token of another audience', { aud: 'another-gateway' }, 'token-refused'],
    ['with a token that has expired', { exp: 1 }, 'token-refused'],
    ['to an agent that may not connect', { groups: [] }, 'not-permitted'],
  ])('is not given %s, whatever a proxy believes', async (_, claims, code) => {
    const good = await verified(await agents.token());
    const asked = credentials().issue(target('bank'), good, 's_01TEST', await agents.token(claims));
    await expect(asked).rejects.toMatchObject({ message: expect.stringContaining(`(${code})`) });
  });

  test.each(['throttled', 'unreachable', 'crashed'] as const)('is not had from a function that is %s', async (fault) => {
    services.lambda.fail('issue-credential', fault);
    try {
      await expect(issue('bank', await agents.token())).rejects.toMatchObject({ code: 'credential-unavailable' });
    } finally {
      services.lambda.heal('issue-credential');
    }
  });

  test('is not given to a locked agent', async () => {
    const token = await agents.token();
    const subject = principalName(await verified(token));
    const locks = { locks: [{ subject, by: 'ops@bank.example', reason: 'incident 7', lockedAtMs: Date.now() }] };
    const table = environment['SALLYPORT_CONTROL_TABLE'] ?? '';
    const put = (v: number, value: unknown) =>
      new DynamoDBClient({}).send(new PutItemCommand({ TableName: table, Item: { ...encodeStored('locks', v, value) } }));
    await put(1, locks);
    try {
      await expect(issue('bank', token)).rejects.toMatchObject({ message: expect.stringContaining('incident 7') });
    } finally {
      await put(2, { locks: [] });
    }
  });

  test('names the role of the configuration', () => {
    expect(target('bank').assume?.role).toBe(BANK_ROLE);
  });
});

test('a dry run judges statements against a dump of the catalog, and says what is missing', async () => {
  const { handler } = await import('../../lambdas/evaluate-policy/handler.ts');
  const catalog = 'a'.repeat(64);
  const asked = {
    kind: 'dry-run',
    version: config.version,
    target: 'bank',
    catalog,
    principal: 'demo/agent-7',
    statements: [{ id: '1', sql: 'SELECT 1' }],
  };
  await expect(handler(asked)).rejects.toMatchObject({ code: 'dry-run-refused', message: expect.stringContaining('no dump') });
  await new S3Client({ forcePathStyle: true }).send(
    new PutObjectCommand({ Bucket: environment['SALLYPORT_STAGING_BUCKET'], Key: catalogKey('bank', catalog), Body: '{}' }),
  );
  await expect(handler(asked)).rejects.toMatchObject({ code: 'catalog-dump-unreadable' });
  await expect(handler({ ...asked, catalog: '../x' })).rejects.toMatchObject({ code: 'event-refused' });
});
