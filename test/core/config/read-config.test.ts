import { describe, expect, test } from 'vitest';
import { buildBundle } from '../../../core/config/build-bundle.ts';
import { formatConfigError, positionAt } from '../../../core/config/config-error.ts';
import type { Config } from '../../../core/config/config.ts';
import { parseDuration } from '../../../core/config/duration.ts';
import { isLoopback, isTrustworthyUrl } from '../../../core/config/loopback.ts';
import { readConfig } from '../../../core/config/read-config.ts';

const MAIN = `
issuers:
  - name: corp
    issuer: https://issuer.example
    audience: sallyport
targets:
  - name: bank
    host: db.example
    user: agent
    credential: env:PASSWORD
`;
const PEM = '-----BEGIN CERTIFICATE-----\\nMII=\\n-----END CERTIFICATE-----\\n';
const POLICY = '@id("connect") permit (principal, action == Action::"connect", resource == Target::"bank");';

function read(files: Record<string, string>, environment: Record<string, string> = {}): ReturnType<typeof readConfig> {
  return readConfig(new Map(Object.entries({ 'sallyport.yaml': MAIN, 'policies/a.cedar': POLICY, ...files })), environment);
}

function configOf(files: Record<string, string>, environment: Record<string, string> = {}): Config {
  const reading = read(files, environment);
  if ('errors' in reading) throw new Error(reading.errors.map(formatConfigError).join('\n'));
  return reading.config;
}

function errorsOf(files: Record<string, string>, environment: Record<string, string> = {}): readonly string[] {
  const reading = read(files, environment);
  return 'errors' in reading ? reading.errors.map(formatConfigError) : [];
}

describe('defaults are the strict ones', () => {
  test('of a target', () => {
    expect(configOf({}).targets).toEqual([
      {
        kind: 'postgres',
        name: 'bank',
        host: 'db.example',
        port: 5432,
        database: 'bank',
        user: 'agent',
        tls: { mode: 'verify-full' },
        credential: { kind: 'env', name: 'PASSWORD' },
        limits: {
          maxRows: 100_000,
          maxBytes: 268_435_456,
          budgets: [],
          maxSessionMs: 28_800_000,
          idleMs: 1_800_000,
          maxStatementBytes: 1_048_576,
        },
        readsUnrecorded: false,
        recordRows: 'rows',
        detectors: [],
      },
    ]);
  });

  test('of an issuer and the listeners', () => {
    const { issuers, listeners } = configOf({});
    expect(issuers[0]).toMatchObject({
      groupsAre: 'human',
      clockSkewMs: 30_000,
      algorithms: ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA'],
      approverClientIds: [],
    });
    expect(listeners).toEqual({ postgres: { host: '127.0.0.1', port: 6432 }, api: { host: '127.0.0.1', port: 8080 } });
  });
});

test('owners are person keys, and limits of a target win over those of all', () => {
  const config = configOf({
    'sallyport.yaml': `${MAIN}    limits: { maxRows: 5 }\nlimits: { maxRows: 9, idle: 1m }\nagents: [{ name: corp/a, owner: "Ann@Bank.example" }]\n`,
  });
  expect(config.targets[0]?.limits).toMatchObject({ maxRows: 5, idleMs: 60_000 });
  expect(config.agents).toEqual([{ name: 'corp/a', owner: 'ann@bank.example' }]);
});

test('a reference to the environment in a plain scalar can be a number, in a quoted one it stays text', () => {
  const main = MAIN.replace('    user: agent', '    user: "${NAME}"\n    port: ${PORT}').replace('db.example', 'db-${NAME}.example');
  expect(configOf({ 'sallyport.yaml': main }, { NAME: '7', PORT: '6000' }).targets[0]).toMatchObject({
    user: '7',
    port: 6000,
    host: 'db-7.example',
  });
});

test('a reference may carry what holds when the variable is not set, and an empty variable is set', () => {
  const main = MAIN.replace('    user: agent', '    user: ${NAME:-agent}\n    port: ${PORT:-6000}');
  expect(configOf({ 'sallyport.yaml': main }).targets[0]).toMatchObject({ user: 'agent', port: 6000 });
  expect(configOf({ 'sallyport.yaml': main }, { NAME: 'x', PORT: '7' }).targets[0]).toMatchObject({ user: 'x', port: 7 });
  expect(errorsOf({ 'sallyport.yaml': main }, { NAME: '' }).join()).toContain('`targets.0.user` must NOT have fewer');
});

describe('findings name file, line, column and fix', () => {
  const main = (from: string, to: string) => ({ 'sallyport.yaml': MAIN.replace(from, to) });
  const masking = (text: string) => ({ 'masking.yaml': text });
  test.each<[string, Record<string, string>, RegExp]>([
    [
      'an unknown key',
      main('    user: agent', '    user: agent\n    usr: x'),
      /^sallyport\.yaml:10:5: unknown key `usr`\. Fix: remove it, or use one of name, kind/,
    ],
    ['a missing key', main('    user: agent\n', ''), /^sallyport\.yaml:7:5: `targets\.0` has no `user`\. Fix: add `user`/],
    [
      'a wrong type',
      main('    user: agent', '    user: agent\n    port: "1"'),
      /^sallyport\.yaml:10:11: `targets\.0\.port` must be integer/,
    ],
    ['a key twice', main('    user: agent', '    user: agent\n    user: b'), /^sallyport\.yaml:10:5: Map keys must be unique/],
    ['an alias', main('    user: agent', '    user: &u agent\n    database: *u'), /aliases are not allowed/],
    ['a tag', main('    user: agent', '    user: !!binary agent'), /tag/],
    [
      'a variable that is not set',
      main('agent', '${NOPE}'),
      /^sallyport\.yaml:9:11: the environment variable `\$\{NOPE\}` is not set\. Fix: set NOPE/,
    ],
    ['a variable that every object has', main('agent', '${constructor}'), /`\$\{constructor\}` is not set/],
    ['a reference that does not end', main('agent', '${PASSWORD'), /is not written as one/],
    ['a reference to no name', main('agent', '${}'), /is not written as one/],
    ['a password instead of a reference', main('env:PASSWORD', 'hunter2'), /the credential is no reference\. Fix: write env:NAME/],
    [
      'no TLS to another machine',
      main('    user: agent', '    user: agent\n    tls: { mode: disable }'),
      /^sallyport\.yaml:10:18: the connection to `db\.example` would be readable/,
    ],
    [
      'a listener without TLS',
      { 'sallyport.yaml': `${MAIN}listeners: { postgres: { host: 0.0.0.0 } }\n` },
      /`0\.0\.0\.0` is reachable from outside/,
    ],
    [
      'a sign-in without TLS',
      { 'sallyport.yaml': `${MAIN}listeners: { api: { publicUrl: "http://gate.example" } }\n` },
      /people would sign in without TLS/,
    ],
    [
      'an issuer without TLS',
      main('https://issuer.example', 'http://issuer.example'),
      /keys would come from `http:\/\/issuer\.example` without TLS/,
    ],
    [
      'a symmetric algorithm',
      main('    audience: sallyport', '    audience: sallyport\n    algorithms: [HS256]'),
      /^sallyport\.yaml:6:18: `issuers\.0\.algorithms\.0`/,
    ],
    ['a private key', main('    audience: sallyport', '    audience: sallyport\n    keys: [{ kty: EC, d: x }]'), /holds a secret/],
    ['a clock skew of hours', main('    audience: sallyport', '    audience: sallyport\n    clockSkew: 2h'), /clockSkew is more than 60s/],
    [
      'one audience for agents and approvers',
      main('    audience: sallyport', '    audience: sallyport\n    approverClientIds: [sallyport]'),
      /the same audience/,
    ],
    ['a duration without unit', main('    user: agent', '    user: agent\n    limits: { idle: "5" }'), /`5` is no duration/],
    [
      'a target twice',
      { 'sallyport.yaml': `${MAIN}  - { name: bank, host: b.example, user: x, credential: rdsIam }\n` },
      /^sallyport\.yaml:11:13: `bank` is there twice/,
    ],
    [
      'authorities twice',
      main('    user: agent', `    user: agent\n    tls: { mode: verify-full, caFile: a, ca: "${PEM}" }`),
      /both caFile and ca are given/,
    ],
    [
      'a private key among the authorities',
      main('    user: agent', '    user: agent\n    tls: { mode: verify-full, ca: "-----BEGIN PRIVATE KEY-----" }'),
      /`targets\.0\.tls\.ca`.*nothing else/,
    ],
    [
      'a role for a credential of one machine',
      main('    credential: env:PASSWORD', `    credential: env:PASSWORD\n    assume: { role: 'arn:aws:iam::111122223333:role/x' }`),
      /a role is assumed for secretsManager and rdsIam only/,
    ],
    [
      'a role that is none',
      main('    credential: env:PASSWORD', `    credential: rdsIam\n    assume: { role: 'arn:aws:iam::111122223333:user/x' }`),
      /`targets\.0\.assume\.role`.*arn:aws:iam/,
    ],
    [
      'a short name that AWS does not take',
      { 'sallyport.yaml': `${MAIN}agents: [{ name: corp/a, shortName: 'a b' }]\n` },
      /`agents\.0\.shortName`/,
    ],
    [
      'a short name that looks like one of ours',
      { 'sallyport.yaml': `${MAIN}agents: [{ name: corp/a, shortName: sp-1 }]\n` },
      /`agents\.0\.shortName`/,
    ],
    [
      'a short name twice',
      { 'sallyport.yaml': `${MAIN}agents: [{ name: corp/a }, { name: corp/b, shortName: ab }, { name: corp/c, shortName: ab }]\n` },
      /`ab` is there twice/,
    ],
    [
      'an agent of no issuer',
      { 'sallyport.yaml': `${MAIN}agents: [{ name: crop/a }]\n` },
      /`crop\/a` is of no configured issuer\. Fix: start it with one of corp\//,
    ],
    [
      'an approver group of no issuer',
      { 'sallyport.yaml': `${MAIN}approverGroups: { dba: crop/dba }\n` },
      /`crop\/dba` is of no configured issuer/,
    ],
    ['a file without a place', { 'policies/more/x.cedar': POLICY }, /^policies\/more\/x\.cedar:1:1: the file has no place/],
    ['a policy with another ending', { 'policies/x.ceder': POLICY }, /the file has no place/],
    ['no policy', { 'policies/a.cedar': '// none' }, /there is no policy/],
    [
      'a policy on an unknown target',
      { 'policies/a.cedar': `\n${POLICY.replace('"bank"', '"bnak"')}` },
      /^policies\/a\.cedar:2:76: Target::"bnak" is on no configured target/,
    ],
    [
      'a mask on an unknown target',
      masking('columns: [{ target: b, column: a.b.c, method: redact }]'),
      /^masking\.yaml:1:21: there is no target `b`/,
    ],
    ['a mask on a table', masking('columns: [{ target: bank, column: public.t, method: redact }]'), /`public\.t` is no column/],
    [
      'a mask twice',
      masking('columns:\n- { target: bank, column: a.b.c, method: redact }\n- { target: bank, column: a.b.c, method: hash }'),
      /^masking\.yaml:3:27: `a\.b\.c` has a rule already/,
    ],
    ['a partial that keeps nothing', masking('columns: [{ target: bank, column: a.b.c, method: partial }]'), /partial keeps nothing/],
    [
      'keepLast without partial',
      masking('columns: [{ target: bank, column: a.b.c, method: redact, keepLast: 2 }]'),
      /mean nothing with redact/,
    ],
    ['an unknown detector', masking('patterns: [{ target: bank, detectors: [ssn] }]'), /value that is not known\. Fix: use one of us-ssn/],
    ['a pattern that looks for nothing', masking('patterns: [{ target: bank }]'), /looks for nothing/],
    ['look-ahead', masking('patterns: [{ target: bank, expressions: [{ name: x, pattern: "a(?=b)" }] }]'), /not in RE2 syntax/],
    [
      'an expression that matches nothing at all',
      masking('patterns: [{ target: bank, expressions: [{ name: x, pattern: "a*" }] }]'),
      /matches empty text/,
    ],
    [
      'a case without decision',
      { 'tests/a.yaml': 'cases: [{ name: x, principal: corp/a, target: bank, effects: [] }]' },
      /^tests\/a\.yaml:1:9: the case has no `decision`/,
    ],
    [
      'a case with an effect that is none',
      { 'tests/a.yaml': 'cases: [{ name: x, principal: corp/a, target: bank, decision: block, effects: [select Table a] }]' },
      /`select Table a` is no effect/,
    ],
    [
      'a case of both kinds',
      { 'tests/a.yaml': 'cases: [{ name: x, mask: { method: hash }, value: a, masked: b, decision: block }]' },
      /`decision` belongs to a policy case/,
    ],
    ['YAML that nests without end', { 'masking.yaml': `columns: ${'['.repeat(50_000)}` }, /^masking\.yaml:1:\d+: .* Fix: correct the YAML/],
    ['text that is no YAML', main('issuers:', 'issuers: ]'), /Fix: correct the YAML/],
  ])('%s', (_, files, expected) => {
    const errors = errorsOf(files);
    expect(
      errors.some((error) => expected.test(error)),
      errors.join('\n'),
    ).toBe(true);
  });

  test('a password that stands where its reference should is not repeated', () => {
    expect(errorsOf(main('env:PASSWORD', 'hunter2')).join()).not.toContain('hunter2');
  });

  test('without the main file there is one error, and it says so', () => {
    expect(readConfig(new Map(), {})).toMatchObject({ errors: [{ file: 'sallyport.yaml', message: 'the file is missing' }] });
  });
});

describe('the version', () => {
  const version = (files: Record<string, string>, environment: Record<string, string> = {}): string => configOf(files, environment).version;

  test('is `b-` and 16 hex digits, and equal for equal content', () => {
    expect(version({})).toMatch(/^b-[0-9a-f]{16}$/);
    expect(version({ 'sallyport.yaml': `# a comment\n${MAIN.replaceAll('\n', '\r\n')}`, 'README.md': 'x' })).toBe(version({}));
  });

  test.each<[string, Record<string, string>]>([
    ['a policy', { 'policies/a.cedar': POLICY.replace('principal,', 'principal in Group::"corp/x",') }],
    ['the name of a policy file', { 'policies/a.cedar': '', 'policies/b.cedar': POLICY }],
    ['a mask', { 'masking.yaml': 'columns: [{ target: bank, column: a.b.c, method: redact }]' }],
    ['a setting', { 'sallyport.yaml': MAIN.replace('db.example', 'db2.example') }],
    ['a case', { 'tests/a.yaml': 'cases: [{ name: x, principal: corp/a, target: bank, decision: block, effects: [] }]' }],
  ])('changes with %s', (_, files) => {
    expect(version(files)).not.toBe(version({}));
  });

  test('is that of the configuration after substitution', () => {
    const files = { 'sallyport.yaml': MAIN.replace('db.example', '${HOST}') };
    expect(version(files, { HOST: 'db.example' })).toBe(version({}));
    expect(version(files, { HOST: 'db3.example' })).not.toBe(version({}));
  });

  test('is the bundle’s', () => {
    const config = configOf({});
    const bundle = buildBundle(config);
    expect(bundle.version).toBe(config.version);
    expect(bundle.policies.mayConnect({ issuer: 'corp', agent: 'a', groups: [], expiresAtMs: 0 }, 'bank').kind).toBe('permit');
  });
});

test('an approver group may be written bare or with its issuer', () => {
  const policy = (group: string): string =>
    `${POLICY}\n@id("w") @approvers("${group}") permit (principal, action in Action::"write", resource in Target::"bank") when { context has approval };`;
  const main = { 'sallyport.yaml': `${MAIN}approverGroups: { dba: corp/database-people }\n` };
  const quorums = (group: string): unknown => configOf({ ...main, 'policies/a.cedar': policy(group) }).policies[1]?.demand?.quorums;
  expect(quorums('dba')).toEqual([{ group: 'corp/database-people', quorum: 1 }]);
  expect(quorums('corp/security')).toEqual([{ group: 'corp/security', quorum: 1 }]);
  expect(errorsOf({ ...main, 'policies/a.cedar': policy('toString') }).join()).toContain('unknown approver group `toString`');
  expect(errorsOf({ ...main, 'policies/a.cedar': policy('crop/dba') }).join()).toContain('unknown approver group `crop/dba`');
});

test('a target’s detectors are those of its own pattern rules', () => {
  const masks = 'patterns: [{ target: bank, detectors: [us-ssn, email] }, { target: bank, detectors: [email] }]';
  expect(configOf({ 'masking.yaml': masks }).targets[0]?.detectors).toEqual(['email', 'us-ssn']);
});

test.each([
  ['55s', 55_000],
  ['15m', 900_000],
  ['4h', 14_400_000],
  ['30d', 2_592_000_000],
  ['500ms', 500],
  ['0s', undefined],
  ['1.5h', undefined],
  ['-1s', undefined],
  [' 1s', undefined],
  ['1S', undefined],
  ['9999d', undefined],
])('the duration %s is %s', (text, ms) => {
  expect(parseDuration(text)).toBe(ms);
});

test.each([
  ['http://127.0.0.1:80', true],
  ['http://[::1]:80', true],
  ['http://localhost', true],
  ['https://a.example', true],
  ['http://a.example', false],
  ['http://127.0.0.1.a.example', false],
  ['http://127.1.a', false],
  ['https://user:pass@a.example', false],
  ['ftp://127.0.0.1', false],
  ['nonsense', false],
])('keys may come from %s: %s', (url, trustworthy) => {
  expect(isTrustworthyUrl(url)).toBe(trustworthy);
});

test('only addresses of this machine are loopback', () => {
  expect(['localhost', '127.0.0.1', '127.9.9.9', '::1'].every(isLoopback)).toBe(true);
  expect(['0.0.0.0', '127.0.0.1.example', '127.0.0.256', '128.0.0.1', '::', ''].some(isLoopback)).toBe(false);
});

test('positions count lines and columns from one', () => {
  expect(positionAt('ab\ncd', 4)).toEqual({ line: 2, column: 2 });
  expect(positionAt('ab', 99)).toEqual({ line: 1, column: 3 });
});
