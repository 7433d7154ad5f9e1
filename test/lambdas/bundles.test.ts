import { beforeEach, describe, expect, test } from 'vitest';
import type { VerifyIdToken } from '../../core/approval/votes.ts';
import type { Config } from '../../core/config/config.ts';
import { bundleNonce, parseBundle } from '../../core/config/published-bundle.ts';
import { activateBundle, type ActivateAnswer } from '../../lambdas/activate-bundle/activate-bundle.ts';
import { publishBundle, type PublishAnswer } from '../../lambdas/publish-bundle/publish-bundle.ts';
import { ApproverTokens } from '../support/approver-tokens.ts';
import { awsBankFiles, withQuorum } from '../support/aws-bank.ts';
import { SignedBundles } from '../support/signed-bundles.ts';

const ISSUER = 'https://issuer.bank.example';
const FILES = awsBankFiles(ISSUER);
const NOW_MS = 10_000_000;

let bundles: SignedBundles;
let tokens: ApproverTokens;
let trusted: Config[];

beforeEach(() => {
  bundles = new SignedBundles();
  tokens = new ApproverTokens();
  trusted = [];
});

const verifier = (config: Config): VerifyIdToken => {
  trusted.push(config);
  return tokens.verify;
};
const common = () => {
  const inForce = bundles.inForce();
  return {
    inForce: () => inForce.find(),
    open: (version: string) => inForce.open(version),
    verifier,
    sign: bundles.sign,
    now: () => NOW_MS,
  };
};
const publish = (files: Readonly<Record<string, string>>, over: { idToken?: string; seed?: boolean } = {}): Promise<PublishAnswer> =>
  publishBundle({ ...common(), put: bundles.put }, { files, ...over });
const activate = (version: string, idToken?: string): Promise<ActivateAnswer> =>
  activateBundle({ ...common(), point: bundles.point }, { version, ...(idToken === undefined ? {} : { idToken }) });

/** The token that this person gets for this step. */
const token = (person: string, step: 'publish' | 'activate', version: string, groups?: readonly string[]): string =>
  tokens.issue(person, bundleNonce(step, version, bundles.item?.v ?? 0), NOW_MS, groups);

async function versionOf(files: Readonly<Record<string, string>>): Promise<string> {
  const answer = await publish(files);
  if (answer.kind !== 'sign-in') throw new Error(answer.kind);
  return answer.version;
}

async function published(files: Readonly<Record<string, string>>, person = 'pia@bank.example'): Promise<string> {
  const version = await versionOf(files);
  expect(await publish(files, { idToken: token(person, 'publish', version) })).toMatchObject({ kind: 'published', publishedBy: person });
  return version;
}

async function inForce(files: Readonly<Record<string, string>>): Promise<string> {
  const version = await published(files);
  expect((await activate(version, token('ada@bank.example', 'activate', version))).kind).toBe('activated');
  return version;
}

describe('publishing', () => {
  test('asks for a sign-in that is bound to the version, then stores a signed bundle in the person’s name', async () => {
    const answer = await publish(FILES);
    expect(answer).toEqual({
      kind: 'sign-in',
      version: expect.stringMatching(/^b-[0-9a-f]{16}$/),
      signIn: { issuer: ISSUER, clientId: 'sallyport-cli', nonce: expect.any(String) },
    });
    expect(bundles.objects.size).toBe(0);
    const version = await published(FILES);
    expect(parseBundle(bundles.objects.get(version) ?? '')).toMatchObject({
      version,
      files: FILES,
      publishedBy: 'pia@bank.example',
      publishedAtMs: NOW_MS,
    });
    expect((await bundles.inForce().open(version)).config.version).toBe(version);
    expect(bundles.item).toBeUndefined();
  });

  test('names every finding with file, line and fix, and stores nothing', async () => {
    const answer = await publish({
      ...FILES,
      'policies/bank.cedar': '@id("x") permit (principal in Team::"a", action, resource);',
      'stray.txt': '',
    });
    expect(answer).toMatchObject({
      kind: 'invalid',
      errors: expect.arrayContaining([
        expect.objectContaining({ file: 'policies/bank.cedar', line: 1, fix: expect.any(String) }),
        expect.objectContaining({ file: 'stray.txt' }),
      ]),
    });
    expect(bundles.objects.size).toBe(0);
  });

  const unfit: readonly (readonly [name: string, from: string, to: string, says: RegExp])[] = [
    ['a credential of one machine', 'credential: rdsIam', 'credential: env:PASSWORD', /one machine/],
    ['a variable of an environment that nobody has there', 'user: sallyport_agent', 'user: ${DB_USER}', /not set/],
    [
      'a target without a role',
      "    assume: { role: 'arn:aws:iam::222222222222:role/sallyport-target-bank', externalId: x-17 }\n",
      '',
      /none is named/,
    ],
    [
      'a file of authorities that no bundle carries',
      'user: sallyport_agent',
      'user: sallyport_agent\n    tls: { mode: verify-full, caFile: rds.pem }',
      /no such file/,
    ],
    ['a database whose region is not said', 'bank.abc123.eu-central-1.rds.amazonaws.com', 'db.bank.example', /region/],
  ];
  test.each(unfit)('refuses %s', async (name, from, to, says) => {
    const text = (FILES['sallyport.yaml'] ?? '').replace(from, to);
    const without = name === 'a credential of one machine' ? text.replace(/ *assume: .*\n/, '') : text;
    expect(text).not.toBe(FILES['sallyport.yaml']);
    const answer = await publish({ ...FILES, 'sallyport.yaml': without });
    expect(answer).toMatchObject({
      kind: 'invalid',
      errors: [{ file: 'sallyport.yaml', line: expect.any(Number), message: expect.stringMatching(says) }],
    });
  });

  test('leaves out what carries no rule', async () => {
    const version = await published({ ...FILES, 'README.md': 'for people' });
    expect(Object.keys(parseBundle(bundles.objects.get(version) ?? '').files)).not.toContain('README.md');
  });

  test('of the same content again changes nothing and names the first publisher', async () => {
    const version = await published(FILES);
    const before = bundles.objects.get(version);
    const again = await publish(FILES, { idToken: token('eve@bank.example', 'publish', version) });
    expect(again).toEqual({ kind: 'published', version, publishedBy: 'pia@bank.example', already: true });
    expect(bundles.objects.get(version)).toBe(before);
  });

  test('fails where an object that is not ours stands under the name', async () => {
    const version = await versionOf(FILES);
    bundles.objects.set(version, '{}');
    await expect(publish(FILES, { idToken: token('pia@bank.example', 'publish', version) })).rejects.toMatchObject({
      code: 'bundle-refused',
    });
  });

  test.each([
    ['for another version', () => tokens.issue('pia@bank.example', bundleNonce('publish', 'b-0000000000000001', 0), NOW_MS)],
    ['for the other step', () => tokens.issue('pia@bank.example', bundleNonce('activate', 'b-0000000000000001', 0), NOW_MS)],
    ['that nobody issued', () => 'made-up'],
  ])('refuses a sign-in %s', async (_, made) => {
    expect(await publish(FILES, { idToken: made() })).toMatchObject({ kind: 'refused', reason: expect.stringMatching(/sign in again/) });
    expect(bundles.objects.size).toBe(0);
  });

  test('refuses a sign-in of an hour ago', async () => {
    const version = await versionOf(FILES);
    const old = tokens.issue('pia@bank.example', bundleNonce('publish', version, 0), NOW_MS - 3_600_000);
    expect(await publish(FILES, { idToken: old })).toMatchObject({
      kind: 'refused',
      reason: expect.stringMatching(/older than 10 minutes/),
    });
  });

  test('takes more than IAM’s word where a group of publishers is named', async () => {
    const grouped = {
      ...FILES,
      'sallyport.yaml': (FILES['sallyport.yaml'] ?? '').replace('dba: demo/dba', 'dba: demo/dba\n  publishers: demo/platform'),
    };
    const version = await versionOf(grouped);
    const refused = await publish(grouped, { idToken: token('pia@bank.example', 'publish', version, ['demo/dba']) });
    expect(refused).toEqual({ kind: 'refused', reason: 'to publish needs the group demo/platform' });
    const taken = await publish(grouped, { idToken: token('pia@bank.example', 'publish', version, ['demo/platform']) });
    expect(taken.kind).toBe('published');
  });

  test('believes the issuers of the bundle in force, not those of the bundle that wants to follow it', async () => {
    const first = await inForce(FILES);
    trusted = [];
    const next = awsBankFiles('https://evil.example');
    const answer = await publish(next);
    expect(answer).toMatchObject({ kind: 'sign-in', signIn: { issuer: ISSUER } });
    await published(next);
    expect(trusted.map(({ version }) => version)).toEqual([first]);
  });

  test('of a seed needs no sign-in, but only before anything is in force', async () => {
    expect(await publish(FILES, { seed: true })).toMatchObject({ kind: 'published', publishedBy: 'seed' });
    const version = await versionOf(FILES);
    expect((await activate(version, token('ada@bank.example', 'activate', version))).kind).toBe('activated');
    expect(await publish(withQuorum(FILES, 2), { seed: true })).toMatchObject({
      kind: 'refused',
      reason: expect.stringMatching(/only the first/),
    });
  });
});

describe('activating', () => {
  test('shows what is at stake, asks for a sign-in, then puts the version in force', async () => {
    const first = await inForce(FILES);
    const next = withQuorum(FILES, 2);
    const version = await published(next);
    const answer = await activate(version);
    expect(answer).toEqual({
      kind: 'sign-in',
      version,
      publishedBy: 'pia@bank.example',
      publishedAtMs: NOW_MS,
      replaces: first,
      changes: [{ path: 'policies/bank.cedar', change: 'changed' }],
      cases: { passed: expect.any(Number), needCatalog: expect.any(Number) },
      signIn: { issuer: ISSUER, clientId: 'sallyport-cli', nonce: expect.any(String) },
    });
    expect(await activate(version, token('ada@bank.example', 'activate', version))).toEqual({
      kind: 'activated',
      version,
      activatedBy: 'ada@bank.example',
      replaced: first,
    });
    expect((await bundles.inForce().current()).bundle.version).toBe(version);
  });

  test('is refused to the one who published, however the address is written', async () => {
    const version = await published(FILES, 'pia@bank.example');
    const answer = await activate(version, token('PIA@bank.example ', 'activate', version));
    expect(answer).toMatchObject({ kind: 'refused', reason: expect.stringMatching(/another person/) });
    expect(bundles.item).toBeUndefined();
  });

  test.each(['b-0000000000000001', '../../x', 'B-0'])('of %s, which nobody published, is refused', async (version) => {
    expect((await activate(version, 'x')).kind).toBe('refused');
    expect(bundles.item).toBeUndefined();
  });

  test('of a bundle that was changed in the bucket is refused', async () => {
    const version = await published(FILES);
    const bundle = parseBundle(bundles.objects.get(version) ?? '');
    bundles.objects.set(version, JSON.stringify({ ...bundle, publishedBy: 'nobody@bank.example' }));
    const answer = await activate(version, token('pia@bank.example', 'activate', version));
    expect(answer).toMatchObject({ kind: 'refused', reason: expect.stringMatching(/not signed/) });
  });

  test('is refused while one of the bundle’s own cases fails', async () => {
    const path = 'tests/policy.yaml';
    const broken = { ...FILES, [path]: (FILES[path] ?? '').replace('decision: permit', 'decision: block') };
    const version = await published(broken);
    const answer = await activate(version, token('ada@bank.example', 'activate', version));
    expect(answer).toMatchObject({
      kind: 'cases-failed',
      failed: [{ source: expect.stringMatching(/^tests\/policy.yaml:\d+$/), problems: [expect.any(String)] }],
    });
    expect(bundles.item).toBeUndefined();
  });

  test('cannot be repeated with the same sign-in after something else came into force', async () => {
    await inForce(FILES);
    const two = await published(withQuorum(FILES, 2));
    const kept = token('ada@bank.example', 'activate', two);
    await activate(two, kept);
    const three = await published(withQuorum(FILES, 3));
    await activate(three, token('ada@bank.example', 'activate', three));
    expect(await activate(two, kept)).toMatchObject({ kind: 'refused', reason: expect.stringMatching(/sign in again/) });
    expect((await bundles.inForce().current()).bundle.version).toBe(three);
  });

  test('that came second is refused: of two activators one is told', async () => {
    const one = await published(FILES);
    const two = await published(withQuorum(FILES, 2));
    const point = bundles.point;
    const ports = { ...common(), point };
    const late = {
      ...ports,
      point: async (pointer: Parameters<typeof point>[0], v: number) => {
        await activateBundle(ports, { version: two, idToken: tokens.issue('ada@bank.example', bundleNonce('activate', two, 0), NOW_MS) });
        return point(pointer, v);
      },
    };
    const answer = await activateBundle(late, { version: one, idToken: token('ann@bank.example', 'activate', one) });
    expect(answer).toMatchObject({ kind: 'refused', reason: expect.stringMatching(/came first/) });
    expect((await bundles.inForce().current()).bundle.version).toBe(two);
  });

  test('never goes back in time, whatever the clock of the function says', async () => {
    await inForce(FILES);
    const before = (await bundles.inForce().current()).pointer.activatedAtMs;
    const version = await published(withQuorum(FILES, 2));
    const early = { ...common(), point: bundles.point, now: () => NOW_MS - 30_000 };
    expect((await activateBundle(early, { version, idToken: token('ada@bank.example', 'activate', version) })).kind).toBe('activated');
    expect((await bundles.inForce().current()).pointer.activatedAtMs).toBe(before + 1);
  });

  test('of what is in force already says so and writes nothing', async () => {
    const version = await inForce(FILES);
    const before = bundles.item;
    expect(await activate(version)).toEqual({ kind: 'activated', version, activatedBy: 'ada@bank.example' });
    expect(bundles.item).toBe(before);
  });

  test('is read by functions as by tasks: an activation that was replaced and put back is refused', async () => {
    await inForce(FILES);
    const kept = bundles.item?.body;
    const reader = bundles.inForce();
    await inForce(withQuorum(FILES, 2));
    await reader.current();
    bundles.write(kept);
    await expect(reader.current()).rejects.toThrow(/older than/);
  });

  test('does not follow a pointer that was written by hand', async () => {
    const version = await published(FILES);
    bundles.write({ version, digest: '', activatedBy: 'eve', activatedAtMs: 1, signature: '' });
    await expect(activate(version)).rejects.toMatchObject({ code: 'bundle-refused' });
  });

  test('an older version again is a rollback, by a person who did not publish it', async () => {
    const one = await inForce(FILES);
    await inForce(withQuorum(FILES, 2));
    expect((await activate(one, token('pia@bank.example', 'activate', one))).kind).toBe('refused');
    expect((await activate(one, token('ada@bank.example', 'activate', one))).kind).toBe('activated');
  });
});
