import { beforeAll, describe, expect, test } from 'vitest';
import { Names, TABLES } from '../../infra/names.ts';
import { DEVELOPMENT, PRODUCTION } from '../../infra/stages.ts';
import { grants, listOf, resources, type Synthesized, synthesize, textOf } from './synthesized.ts';

let production: Synthesized;
let development: Synthesized;
beforeAll(() => {
  production = synthesize(PRODUCTION);
  development = synthesize(DEVELOPMENT);
});

describe('state tables', () => {
  test('each is on demand, encrypted with our key, recoverable to the second, and kept from deletion', () => {
    const tables = resources(production.templates.state, 'AWS::DynamoDB::Table');
    const names = new Names(PRODUCTION);
    expect(tables.map(({ properties }) => textOf(properties['TableName'])).toSorted()).toEqual(
      TABLES.map((name) => names.of(name)).toSorted(),
    );
    for (const { properties, id } of tables) {
      expect(properties, id).toMatchObject({
        BillingMode: 'PAY_PER_REQUEST',
        DeletionProtectionEnabled: true,
        PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true, RecoveryPeriodInDays: 35 },
        SSESpecification: { SSEEnabled: true, SSEType: 'KMS' },
        TimeToLiveSpecification: { AttributeName: 'ttl', Enabled: true },
      });
    }
  });

  test('a table of a development stage goes with its stack', () => {
    for (const { properties } of resources(development.templates.state, 'AWS::DynamoDB::Table')) {
      expect(properties['DeletionProtectionEnabled']).toBe(false);
    }
  });

  test.each([
    [
      'journal',
      [
        { AttributeName: 'id', KeyType: 'HASH' },
        { AttributeName: 'n', KeyType: 'RANGE' },
      ],
    ],
    [
      'sessions',
      [
        { AttributeName: 'writer', KeyType: 'HASH' },
        { AttributeName: 'session', KeyType: 'RANGE' },
      ],
    ],
    ['decisions', [{ AttributeName: 'id', KeyType: 'HASH' }]],
  ])('the keys of %s are what its items have', (name, schema) => {
    production.templates.state.hasResourceProperties('AWS::DynamoDB::Table', { TableName: `sallyport-prod-${name}`, KeySchema: schema });
  });
});

describe('who writes what', () => {
  const WRITES = /^dynamodb:(?:Put|Update|Delete|BatchWrite)Item$/u;

  /** Roles by table that may write it, with the keys that they are held to. */
  function writersOf(table: string): Record<string, unknown> {
    const found: Record<string, unknown> = {};
    for (const template of [production.templates.control, production.templates.proxy]) {
      for (const { properties } of resources(template, 'AWS::IAM::ManagedPolicy')) {
        const role = textOf(properties['ManagedPolicyName']).replace('sallyport-prod-', '');
        for (const line of grants(template, role)) {
          if (!line.actions.some((action) => WRITES.test(action))) continue;
          if (!line.resources.some((resource) => resource.endsWith(`table/sallyport-prod-${table}`))) continue;
          found[role] = Object(Object(line.conditions)['ForAllValues:StringLike'])['dynamodb:LeadingKeys'] ?? 'all';
        }
      }
    }
    return found;
  }

  test.each([
    ['journal', { proxy: 'all', sweep: 'all', 'close-approval': 'all' }],
    ['writers', { proxy: 'all', sweep: 'all', 'close-approval': 'all' }],
    ['sessions', { proxy: 'all', sweep: 'all' }],
    ['control', { 'activate-bundle': ['bundle'], console: ['locks', 'mail#*'] }],
    ['cancels', { proxy: 'all' }],
    ['requests', { 'request-approval': 'all' }],
    ['decisions', { 'decide-approval': 'all' }],
    ['notices', { 'notify-approvers': 'all', 'request-approval': ['due#*'], sweep: ['due#*'] }],
    ['claims', { proxy: 'all', 'close-approval': 'all', sweep: 'all' }],
    ['budgets', { proxy: 'all' }],
    ['signin', { console: 'all' }],
    ['sshkeys', { console: 'all', proxy: 'all' }],
    ['seal', { seal: 'all' }],
  ])('%s', (table, writers) => {
    const expected = Object.fromEntries(Object.entries(writers).map(([role, keys]) => [role, keys]));
    expect(writersOf(table)).toEqual(expected);
  });

  test('every table has a writer, and this list has every table', () => {
    for (const table of TABLES) expect(Object.keys(writersOf(table)), table).not.toEqual([]);
  });
});

test('no secret is in a template: they are made without a value', () => {
  for (const { properties } of resources(production.templates.state, 'AWS::SecretsManager::Secret')) {
    expect(properties).not.toHaveProperty('SecretString');
    expect(properties).not.toHaveProperty('GenerateSecretString');
    expect(properties['KmsKeyId']).toBeDefined();
  }
});

describe('keys that sign', () => {
  /** Roles whose own policy lets them sign with this key. */
  const signersWith = (variable: string): readonly string[] =>
    resources(production.templates.control, 'AWS::IAM::ManagedPolicy')
      .map(({ properties }) => textOf(properties['ManagedPolicyName']).replace('sallyport-prod-', ''))
      .filter((role) =>
        grants(production.templates.control, role).some(
          ({ actions, resources: named }) => actions.includes('kms:Sign') && named.some((resource) => resource.includes(variable)),
        ),
      )
      .toSorted();

  test.each([
    ['SshCaKey', 'ssh-ca', ['issue-credential']],
    ['BundleKey', 'bundles', ['activate-bundle', 'publish-bundle']],
  ])('%s is for its roles alone, by their policies and by its own', (id, alias, roles) => {
    expect(signersWith(id)).toEqual(roles);
    const { state } = production.templates;
    const [named] = resources(state, 'AWS::KMS::Alias').filter(
      ({ properties }) => properties['AliasName'] === `alias/sallyport-prod-${alias}`,
    );
    const [key] = resources(state, 'AWS::KMS::Key').filter(({ id: each }) =>
      JSON.stringify(named?.properties['TargetKeyId']).includes(each),
    );
    expect(key?.properties).toMatchObject({ KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' });
    const statements = listOf(Object(key?.properties['KeyPolicy'])['Statement']);
    const signing = JSON.stringify(statements.filter((statement) => listOf(Object(statement)['Action']).includes('kms:Sign')));
    const signers = Array.from(signing.matchAll(/sallyport-prod-([a-z-]+)/gu), ([, role = '']) => role);
    expect(signers.toSorted((one, other) => one.localeCompare(other))).toEqual(roles);
  });

  test('nobody else may sign with any of them', () => {
    const signers = resources(production.templates.control, 'AWS::IAM::ManagedPolicy')
      .map(({ properties }) => textOf(properties['ManagedPolicyName']).replace('sallyport-prod-', ''))
      .filter((role) => grants(production.templates.control, role).some(({ actions }) => actions.includes('kms:Sign')));
    expect(signers.toSorted()).toEqual(['activate-bundle', 'issue-credential', 'publish-bundle', 'seal']);
  });

  test('a stage without SSH has no authority for hosts', () => {
    const { state, control } = synthesize({ ...DEVELOPMENT, ssh: false }).templates;
    expect(JSON.stringify(state.toJSON())).not.toContain('ssh-ca');
    expect(grants(control, 'issue-credential').flatMap(({ actions }) => actions)).not.toContain('kms:Sign');
  });
});
