import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { roleSession, shortNameOf, tagValue, type Purpose } from '../../../core/credential/role-session.ts';
import { checkRoleSession } from '../../../core/credential/role-session-limits.ts';
import { passwordIn } from '../../../core/credential/secret-value.ts';
import type { PostgresTarget } from '../../../core/target.ts';
import { awsTarget, principal } from '../../support/aws-target.ts';

const SECRET = 'arn:aws:secretsmanager:eu-central-1:222222222222:secret:bank-a1B2c3';
const session = (over: Partial<Purpose & { kind: 'session' }> = {}): Purpose => ({
  kind: 'session',
  session: 's_01J',
  principal: principal(),
  ...over,
});
const allowed = (target: PostgresTarget): unknown => JSON.parse(roleSession(target, session()).policy);

describe('the STS session of a credential', () => {
  test('names the agent by its registered short name', () => {
    const agents = [{ name: 'corp/agent-7', shortName: 'agent-seven' }];
    expect(shortNameOf(agents, principal())).toBe('agent-seven');
    expect(roleSession(awsTarget(), session({ shortName: 'agent-seven' })).sourceIdentity).toBe('agent-seven');
  });

  test('names an agent without one by a hash that differs from any short name', () => {
    const { sourceIdentity } = roleSession(awsTarget(), session());
    expect(sourceIdentity).toMatch(/^sp-[0-9a-f]{40}$/);
    expect(roleSession(awsTarget(), session({ principal: principal({ agent: 'agent-8' }) })).sourceIdentity).not.toBe(sourceIdentity);
  });

  test('carries session, subject, human and target in tags that stay with the session', () => {
    const { tags, transitiveTagKeys } = roleSession(awsTarget(), session({ principal: principal({ human: 'ann@bank.example' }) }));
    expect(Object.fromEntries(tags.map(({ key, value }) => [key, value]))).toEqual({
      'sallyport-target': 'bank',
      'sallyport-purpose': 'session',
      'sallyport-session': 's_01J',
      'sallyport-subject': 'corp/agent-7',
      'sallyport-human': 'ann@bank.example',
    });
    expect(transitiveTagKeys).toEqual(tags.map(({ key }) => key));
  });

  test('for the catalog names no agent', () => {
    const { tags, sourceIdentity } = roleSession(awsTarget(), { kind: 'catalog' });
    expect(sourceIdentity).toBe('sallyport-catalog');
    expect(tags).toEqual([
      { key: 'sallyport-target', value: 'bank' },
      { key: 'sallyport-purpose', value: 'catalog' },
    ]);
  });

  test('is cut to one database login', () => {
    expect(allowed(awsTarget({ assume: { role: awsTarget().assume?.role ?? '', dbResourceId: 'db-ABC' } }))).toEqual({
      Version: '2012-10-17',
      Statement: [
        { Effect: 'Allow', Action: 'rds-db:connect', Resource: 'arn:aws:rds-db:eu-central-1:222222222222:dbuser:db-ABC/sallyport_agent' },
      ],
    });
  });

  test('is cut to one secret, and to its key through Secrets Manager only', () => {
    expect(allowed(awsTarget({ credential: { kind: 'secretsManager', arn: SECRET } }))).toEqual({
      Version: '2012-10-17',
      Statement: [
        { Effect: 'Allow', Action: 'secretsmanager:GetSecretValue', Resource: SECRET },
        {
          Effect: 'Allow',
          Action: 'kms:Decrypt',
          Resource: '*',
          Condition: {
            StringEquals: { 'kms:ViaService': 'secretsmanager.eu-central-1.amazonaws.com', 'kms:EncryptionContext:SecretARN': SECRET },
          },
        },
      ],
    });
  });

  const incomplete: readonly (readonly [name: string, over: Partial<PostgresTarget>, says: RegExp])[] = [
    ['a credential of one machine', { credential: { kind: 'env', name: 'X' } }, /one machine/],
    ['an RDS host whose region is not said', { host: 'db.internal' }, /region/],
  ];
  test.each(incomplete)('is refused for %s', (_, over, says) => {
    expect(() => roleSession(awsTarget(over), session())).toThrow(says);
  });

  test('is refused where the target names no role', () => {
    const { assume: _, ...without } = awsTarget();
    expect(() => roleSession(without, session())).toThrow(/names no role/);
  });

  test('keeps within the limits of AWS whatever agents and people are called', () => {
    const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 256 });
    fc.assert(
      fc.property(name, name, (agent, human) => {
        const built = roleSession(awsTarget(), session({ principal: principal({ agent, human }) }));
        expect(() => checkRoleSession(built)).not.toThrow();
      }),
    );
  });

  test('two subjects have two tags', () => {
    fc.assert(fc.property(fc.string({ maxLength: 400 }), fc.string({ maxLength: 400 }), (a, b) => a === b || tagValue(a) !== tagValue(b)));
    expect(tagValue('auth0|7')).toBe('auth0=7C7');
  });
});

describe('the limits of AWS', () => {
  const good = roleSession(awsTarget(), session());
  const broken: readonly (readonly [name: string, change: Partial<typeof good>, says: RegExp])[] = [
    ['a source identity with a slash', { sourceIdentity: 'corp/agent' }, /source identity/],
    ['a source identity of one character', { sourceIdentity: 'a' }, /source identity/],
    ['a source identity of 65 characters', { sourceIdentity: 'a'.repeat(65) }, /source identity/],
    ['a session name with a space', { roleSessionName: 'a b' }, /session name/],
    ['a policy of 2,049 characters', { policy: `"${'x'.repeat(2_047)}"` }, /2048/],
    ['a policy with characters outside Latin 1', { policy: '{"a":"ł"}' }, /characters/],
    ['51 tags', { tags: Array.from({ length: 51 }, (_, i) => ({ key: `k${i}`, value: '' })) }, /50 tags/],
    ['a tag twice, whatever its case', { tags: [...good.tags, { key: 'Sallyport-Target', value: 'x' }] }, /twice/],
    ['a tag with a bar', { tags: [...good.tags, { key: 'x', value: 'a|b' }] }, /value of a tag/],
    ['a tag of 257 characters', { tags: [...good.tags, { key: 'x', value: 'a'.repeat(257) }] }, /value of a tag/],
    ['a key that begins with aws:', { tags: [...good.tags, { key: 'aws:x', value: 'a' }] }, /key of a tag/],
    ['a transitive tag that is none of the tags', { transitiveTagKeys: ['other'] }, /transitive/],
    ['more than an hour', { durationSeconds: 3_601 }, /one hour/],
    ['an external id with a space', { externalId: 'a b' }, /external id/],
    ['an ARN of a user', { roleArn: 'arn:aws:iam::222222222222:user/x' }, /none of a role/],
  ];
  test.each(broken)('%s is not sent', (_, change, says) => {
    expect(() => checkRoleSession({ ...good, ...change })).toThrow(says);
  });
});

describe('the password in a secret', () => {
  const target = { name: 'bank', user: 'sallyport_agent' };
  test.each([
    ['a plain text', 'hunter2\n', 'hunter2'],
    ['what rotation writes', JSON.stringify({ engine: 'postgres', username: 'sallyport_agent', password: 'p' }), 'p'],
    ['a text that begins with a brace', '{x', '{x'],
  ])('is %s', (_, secret, password) => expect(passwordIn(secret, target)).toBe(password));
  test.each([
    ['of another user', JSON.stringify({ username: 'admin', password: 'p' })],
    ['that is empty', ''],
    ['without a password', '{"username":"sallyport_agent"}'],
  ])('%s is refused, and not repeated', (_, secret) => {
    expect(() => passwordIn(secret, target)).toThrow(
      expect.objectContaining({ code: 'credential-unavailable', message: expect.not.stringContaining('"p"') }),
    );
  });
});
