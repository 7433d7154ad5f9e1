import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { FunctionUnavailable, invokeFunction } from '../../cli/adapters/lambda-invoke.ts';
import { activate, publish, type Invoke } from '../../cli/config-publish.ts';
import { verb } from '../../cli/config.ts';
import { approverIssuers, idTokenVerifier } from '../../console/id-token-verifier.ts';
import { textsOf } from '../../core/config/published-bundle.ts';
import { activateBundle } from '../../lambdas/activate-bundle/activate-bundle.ts';
import { publishBundle } from '../../lambdas/publish-bundle/publish-bundle.ts';
import { startDemoIssuer, type DemoIssuer } from '../../standalone/demo/issuer.ts';
import { awsBankFiles } from '../support/aws-bank.ts';
import { SignedBundles } from '../support/signed-bundles.ts';
import { keptIo, type KeptIo } from '../support/verb-io.ts';

let dataDir: string;
let directory: string;
let issuer: DemoIssuer;
let bundles: SignedBundles;
let called: string[];

beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'sallyport-publish-'));
  issuer = await startDemoIssuer({ port: 0, dataDir });
});
afterAll(async () => {
  await issuer.stop();
  rmSync(dataDir, { recursive: true });
});
beforeEach(() => {
  bundles = new SignedBundles();
  called = [];
  directory = mkdtempSync(join(dataDir, 'config-'));
  for (const [path, text] of Object.entries(awsBankFiles(issuer.url))) write(path, text);
});

function write(path: string, text: string): void {
  mkdirSync(dirname(join(directory, path)), { recursive: true });
  writeFileSync(join(directory, path), text);
}

/** The functions as they are behind Lambda: events and answers are JSON. */
const invoke: Invoke = async (name, payload) => {
  called.push(name);
  const event = JSON.parse(JSON.stringify(payload)) as Readonly<Record<string, unknown>>; // What the command sends is an object.
  const inForce = bundles.inForce();
  const ports = {
    inForce: () => inForce.find(),
    open: (version: string) => inForce.open(version),
    verifier: (config: Parameters<Parameters<typeof publishBundle>[0]['verifier']>[0]) => idTokenVerifier(approverIssuers(config.issuers)),
    sign: bundles.sign,
    now: Date.now,
  };
  const idToken = typeof event['idToken'] === 'string' ? { idToken: event['idToken'] } : {};
  const answer = name.endsWith('-publish-bundle')
    ? await publishBundle(
        { ...ports, put: bundles.put },
        { files: textsOf(event['files']) ?? {}, ...idToken, seed: event['seed'] === true },
      )
    : await activateBundle({ ...ports, point: bundles.point }, { version: String(event['version']), ...idToken });
  return JSON.parse(JSON.stringify(answer)) as unknown; // As above.
};

const io = (): KeptIo => keptIo({ env: { SALLYPORT_INSTANCE: 'test' } });

async function published(as = 'dana@bank.example'): Promise<string> {
  const out = io();
  expect(await publish(directory, false, { as, json: true }, out, invoke)).toBe(0);
  return String((JSON.parse(out.written.stdout) as { version: unknown }).version); // Checked as a text.
}

describe('config publish and config activate', () => {
  test('carry a directory into force, by two people who signed in', async () => {
    const version = await published('dana@bank.example');
    const out = io();
    expect(await activate(version, { as: 'erin@bank.example', json: false }, out, invoke)).toBe(0);
    expect(out.written.stdout).toBe(`${version} is in force, activated by erin@bank.example\n`);
    expect(out.written.stderr).toMatch(new RegExp(`^${version}, published by dana@bank.example`));
    expect(out.written.stderr).toMatch(/is the first one:\n {2}added {3}masking.yaml/);
    expect(out.written.stderr).toMatch(/\d+ cases pass; \d+ need a catalog/);
    expect(called[0]).toBe('sallyport-test-publish-bundle');
    expect((await bundles.inForce().current()).bundle.version).toBe(version);
  });

  test('publish the same version that check prints', async () => {
    const out = keptIo();
    await verb.run(['check', '--config', directory, '--json'], out);
    expect(out.written.stdout).toContain(`"version":"${await published()}"`);
  });

  test('refuse the publisher as activator, in words', async () => {
    const version = await published('dana@bank.example');
    await expect(activate(version, { as: 'dana@bank.example', json: false }, io(), invoke)).rejects.toMatchObject({
      code: 'bundle-not-taken',
      message: expect.stringContaining('another person'),
    });
  });

  test('show what an activation would change', async () => {
    await activate(await published(), { as: 'erin@bank.example', json: false }, io(), invoke);
    write('policies/more.cedar', '@id("more") @reason("no copies") forbid (principal, action == Action::"copyOut", resource);');
    rmSync(join(directory, 'tests/masking.yaml'));
    const out = io();
    await activate(await published(), { as: 'erin@bank.example', json: false }, out, invoke);
    expect(out.written.stderr).toMatch(/replaces b-[0-9a-f]{16}:\n {2}added {3}policies\/more.cedar\n {2}removed tests\/masking.yaml\n/);
  });

  test('print findings as compilers do, and publish nothing', async () => {
    write('policies/bank.cedar', 'permit');
    const out = io();
    expect(await publish(directory, false, { json: false }, out, invoke)).toBe(1);
    expect(out.written.stderr).toMatch(/^policies\/bank.cedar:1:\d+: .* Fix: /m);
    expect(bundles.objects.size).toBe(0);
  });

  test('print the cases that fail, and activate nothing', async () => {
    write(
      'tests/policy.yaml',
      'cases:\n  - { name: wrong, principal: demo/x, target: bank, effects: [connect Target], decision: permit }\n',
    );
    const version = await published();
    const out = io();
    expect(await activate(version, { json: false }, out, invoke)).toBe(1);
    expect(out.written.stderr).toMatch(/^FAIL tests\/policy.yaml:2 wrong\n {5}expected permit, got block/);
    expect(bundles.item).toBeUndefined();
  });

  test('publish a seed without a sign-in, which says who activates it', async () => {
    const out = io();
    expect(await publish(directory, true, { json: false }, out, invoke)).toBe(0);
    expect(out.written.stdout).toMatch(/^b-[0-9a-f]{16} is published by seed\n$/);
    expect(out.written.stderr).toMatch(/Another person puts it in force: sallyport config activate b-/);
  });

  test('want to know which instance', async () => {
    await expect(publish(directory, false, { json: false }, keptIo(), invoke)).rejects.toMatchObject({ code: 'usage' });
    await expect(activate('b-1', { instance: '../x', json: false }, keptIo(), invoke)).rejects.toMatchObject({ code: 'usage' });
    expect(called).toEqual([]);
  });

  test('do not believe an answer that they do not understand', async () => {
    await expect(activate('b-1', { json: false }, io(), async () => 'yes')).rejects.toMatchObject({ code: 'bundle-not-taken' });
  });

  test('leave out what git and editors keep in the directory', async () => {
    cpSync(join(directory, 'masking.yaml'), join(directory, '.hidden'));
    write('README.md', 'for people');
    const { files } = (await bundles.inForce().open(await published())).bundle;
    expect(Object.keys(files).toSorted()).toEqual(Object.keys(awsBankFiles(issuer.url)).toSorted());
  });
});

test('a function that cannot be called is named, with what to look at', async () => {
  Object.assign(process.env, {
    AWS_ENDPOINT_URL_LAMBDA: 'http://127.0.0.1:9',
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'x',
    AWS_SECRET_ACCESS_KEY: 'x',
  });
  await expect(invokeFunction('sallyport-test-publish-bundle', {})).rejects.toThrow(FunctionUnavailable);
  await expect(invokeFunction('sallyport-test-publish-bundle', {})).rejects.toThrow(/sallyport-test-publish-bundle cannot be called/);
});
