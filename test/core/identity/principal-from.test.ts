import { describe, expect, test } from 'vitest';
import type { IssuerConfig } from '../../../core/config/config.ts';
import type { Claims } from '../../../core/identity/claims.ts';
import { principalFrom } from '../../../core/identity/principal-from.ts';
import { TokenRefused } from '../../../core/identity/token-refused.ts';
import type { Principal } from '../../../core/principal.ts';

const NOW = 1_800_000_000_000;
const ISSUER: IssuerConfig = {
  name: 'corp',
  issuer: 'https://issuer.example',
  audience: 'sallyport',
  audienceClaim: 'aud',
  algorithms: ['ES256'],
  groupsClaim: 'groups',
  groupsAre: 'human',
  personClaim: 'email',
  clockSkewMs: 30_000,
  approverClientIds: ['console', 'cli'],
};
const AGENTS = [{ name: 'corp/agent-7', owner: 'owen@bank.example', groups: ['corp/analysts', 'corp/ops'] }];
const CLAIMS = { iss: ISSUER.issuer, aud: 'sallyport', sub: 'agent-7', exp: NOW / 1_000 + 600, groups: ['analysts'] };
const DELEGATED = { ...CLAIMS, sub: 'u-1', email: 'Ann@Bank.example', act: { sub: 'agent-7' }, groups: ['analysts', 'dba'] };

function principal(claims: Claims, issuer: Partial<IssuerConfig> = {}): Principal {
  return principalFrom(claims, { ...ISSUER, ...issuer }, AGENTS, NOW);
}

function refusal(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof TokenRefused) return error.refusal;
    throw error;
  }
  return 'accepted';
}

describe('who acts', () => {
  test('a token without `act` is the agent itself, with its configured owner', () => {
    expect(principal({ ...CLAIMS, jti: 't-1' })).toEqual({
      issuer: 'corp',
      agent: 'agent-7',
      owner: 'owen@bank.example',
      groups: ['corp/analysts'],
      expiresAtMs: NOW + 600_000,
      tokenId: 't-1',
    });
  });

  test('an agent that is not configured has no owner', () => {
    expect(principal({ ...CLAIMS, sub: 'agent-8' }).owner).toBeUndefined();
  });

  test('in a delegated token the agent is the outermost actor and the human a person key', () => {
    const nested = { sub: 'agent-7', act: { sub: 'agent-9', act: { sub: 'agent-10' } } };
    expect(principal({ ...DELEGATED, act: nested })).toMatchObject({
      agent: 'agent-7',
      human: 'ann@bank.example',
      groups: ['corp/analysts'],
    });
  });

  test('a person claim may have another name', () => {
    expect(principal({ ...DELEGATED, 'https://corp.example/person': 'P-1' }, { personClaim: 'https://corp.example/person' }).human).toBe(
      'p-1',
    );
  });
});

describe('rights', () => {
  test('of a delegation are those that human and agent both have', () => {
    expect(principal({ ...DELEGATED, groups: ['dba', 'ops', 'analysts', 'ops'] }).groups).toEqual(['corp/analysts', 'corp/ops']);
  });

  test('of an agent without configured groups are none when it acts for a human', () => {
    expect(principal({ ...DELEGATED, act: { sub: 'agent-8' } }).groups).toEqual([]);
  });

  test('are the token’s when the issuer has intersected already, and still bounded by configuration', () => {
    expect(principal({ ...DELEGATED, act: { sub: 'agent-8' } }, { groupsAre: 'delegated' }).groups).toEqual(['corp/analysts', 'corp/dba']);
    expect(principal(DELEGATED, { groupsAre: 'delegated' }).groups).toEqual(['corp/analysts']);
  });

  test('of an agent on its own are bounded by configuration', () => {
    expect(principal({ ...CLAIMS, groups: ['analysts', 'dba'] }).groups).toEqual(['corp/analysts']);
  });

  test('come from the configured claim, be it one string or none', () => {
    expect(principal({ ...CLAIMS, 'cognito:groups': 'ops' }, { groupsClaim: 'cognito:groups' }).groups).toEqual(['corp/ops']);
    expect(principal(CLAIMS, { groupsClaim: 'roles' }).groups).toEqual([]);
  });

  test('a group that carries another issuer’s name stays within its own', () => {
    expect(principal({ ...CLAIMS, sub: 'agent-8', groups: ['other/dba'] }).groups).toEqual(['corp/other/dba']);
  });
});

describe('tokens that are refused', () => {
  test.each<[string, Claims, string]>([
    ['of another issuer', { ...CLAIMS, iss: 'https://issuer.example/' }, 'issuer'],
    ['for another audience', { ...CLAIMS, aud: 'other' }, 'audience'],
    ['for a longer audience', { ...CLAIMS, aud: 'sallyport2' }, 'audience'],
    ['without audience', { ...CLAIMS, aud: undefined }, 'audience'],
    ['without expiry', { ...CLAIMS, exp: undefined }, 'no-expiry'],
    ['whose expiry is text', { ...CLAIMS, exp: String(CLAIMS.exp) }, 'malformed'],
    ['expired beyond the skew', { ...CLAIMS, exp: NOW / 1_000 - 30 }, 'expired'],
    ['not valid yet', { ...CLAIMS, nbf: NOW / 1_000 + 31 }, 'not-yet-valid'],
    ['issued in the future', { ...CLAIMS, iat: NOW / 1_000 + 31 }, 'issued-in-future'],
    ['without subject', { ...CLAIMS, sub: undefined }, 'subject'],
    ['with an empty subject', { ...CLAIMS, sub: '' }, 'subject'],
    ['with a subject of blanks', { ...CLAIMS, sub: ' agent-7' }, 'subject'],
    ['with a line break in its subject', { ...CLAIMS, sub: 'agent\n7' }, 'subject'],
    ['with an invisible character in its subject', { ...CLAIMS, sub: 'agent\u200b7' }, 'subject'],
    ['with a subject of a thousand characters', { ...CLAIMS, sub: 'a'.repeat(1_000) }, 'subject'],
    ['with an actor that is text', { ...DELEGATED, act: 'agent-7' }, 'actor'],
    ['with an actor that is null', { ...DELEGATED, act: null }, 'actor'],
    ['with an actor without subject', { ...DELEGATED, act: {} }, 'actor'],
    ['with an actor of another issuer', { ...DELEGATED, act: { sub: 'agent-7', iss: 'https://other.example' } }, 'actor'],
    ['delegated by a nameless human', { ...DELEGATED, email: undefined }, 'person'],
    ['delegated by an unproven address', { ...DELEGATED, email_verified: false }, 'person'],
    ['with groups that are an object', { ...CLAIMS, groups: { 0: 'dba' } }, 'groups'],
    ['with a group that is a number', { ...CLAIMS, groups: [1] }, 'groups'],
    ['with thousands of groups', { ...CLAIMS, groups: Array.from({ length: 1_001 }, (_, i) => `g${i}`) }, 'groups'],
    ['with an id that is a number', { ...CLAIMS, jti: 5 }, 'malformed'],
  ])('%s', (_, claims, expected) => {
    expect(refusal(() => principal(claims))).toBe(expected);
  });

  test('the skew that is tolerated never makes a session longer than its token', () => {
    expect(principal({ ...CLAIMS, exp: NOW / 1_000 - 29 }).expiresAtMs).toBe(NOW - 29_000);
  });

  test('one of several audiences suffices, and the audience may be in another claim', () => {
    expect(refusal(() => principal({ ...CLAIMS, aud: ['x', 'sallyport'] }))).toBe('accepted');
    expect(refusal(() => principal({ ...CLAIMS, client_id: 'sallyport', aud: 'x' }, { audienceClaim: 'client_id' }))).toBe('accepted');
    expect(refusal(() => principal({ ...CLAIMS, client_id: 'x' }, { audienceClaim: 'client_id' }))).toBe('audience');
  });

  test('every refusal says the same', () => {
    expect(new TokenRefused('signature').message).toBe(new TokenRefused('expired').message);
  });
});
