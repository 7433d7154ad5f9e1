import { beforeEach, describe, expect, test } from 'vitest';
import { BundleRefused, type PublishedBundle } from '../../../core/config/published-bundle.ts';
import { FollowedBundle } from '../../../proxy-task/pipeline/followed-bundle.ts';
import { bundleSourceContract } from '../../contract/bundle-source.ts';
import { awsBankFiles, withQuorum } from '../../support/aws-bank.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { SignedBundles } from '../../support/signed-bundles.ts';

const FILES = awsBankFiles('https://issuer.bank.example');

let bundles: SignedBundles;
let clock: ManualClock;
let reported: string[];

beforeEach(() => {
  bundles = new SignedBundles();
  clock = new ManualClock();
  reported = [];
});

const problem = (error: unknown): void => void reported.push(error instanceof BundleRefused ? error.message : 'another error');

/** Starts following; the first poll comes at once. */
function start(): Promise<FollowedBundle> {
  const { poller, object, publicKey } = bundles;
  const started = FollowedBundle.start({ poller, object, publicKey, clock, report: (message) => reported.push(message), problem });
  bundles.poll();
  return started;
}

/** Everything that a poll set off has been done. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

async function polled(): Promise<void> {
  bundles.poll();
  await settled();
}

bundleSourceContract('the bundle that a task follows', async () => {
  await bundles.putInForce(FILES);
  const source = await start();
  let at = 3_000;
  const policies = 'policies/bank.cedar';
  return {
    source,
    reported,
    change: async (edit) => {
      at += 1;
      await bundles.putInForce({ ...FILES, [policies]: edit(FILES[policies] ?? '') }, { activatedAtMs: at });
    },
    breakPolicies: async () => {
      // Signed by the right key, as by a publisher that checks nothing.
      const version = await bundles.store('b-00000000000000aa', { ...FILES, [policies]: 'permit' });
      bundles.write(await bundles.pointer(version, { activatedAtMs: 2_500 }));
    },
    vanish: async () => {
      bundles.objects.clear();
      bundles.write(undefined);
    },
    look: polled,
    stop: () => source.stop(),
  };
});

describe('a bundle that is in force', () => {
  test('reaches a running task by the poll after its activation', async () => {
    await bundles.putInForce(FILES);
    const source = await start();
    const version = await bundles.putInForce(withQuorum(FILES, 2), { activatedAtMs: 3_000 });
    await polled();
    expect(source.current().version).toBe(version);
    expect(reported.at(-1)).toBe(`bundle ${version} is in force, published by pia@bank.example, activated by ada@bank.example`);
  });

  test('is loaded once, however often it is polled', async () => {
    const version = await bundles.putInForce(FILES);
    await start();
    await polled();
    await polled();
    expect(bundles.asked).toEqual([version]);
  });

  test('that two activations name in a row ends as the last one', async () => {
    await bundles.putInForce(FILES);
    const source = await start();
    await bundles.putInForce(withQuorum(FILES, 2), { activatedAtMs: 3_000 });
    bundles.poll();
    const last = await bundles.putInForce(withQuorum(FILES, 3), { activatedAtMs: 4_000 });
    bundles.poll();
    await settled();
    expect(source.current().version).toBe(last);
  });
});

describe('a bundle that cannot be trusted leaves the old one in force', () => {
  let source: FollowedBundle;
  let before: string;
  let next: string;
  beforeEach(async () => {
    before = await bundles.putInForce(FILES);
    source = await start();
    next = await bundles.publish(withQuorum(FILES, 2));
  });

  const published = (): PublishedBundle => JSON.parse(bundles.objects.get(next) ?? '') as PublishedBundle; // Published by the test.
  const replace = (over: Partial<PublishedBundle>): void => void bundles.objects.set(next, JSON.stringify({ ...published(), ...over }));
  const other = new SignedBundles();

  const attacks: readonly (readonly [name: string, says: RegExp, attack: () => Promise<void>])[] = [
    [
      'whose object is missing',
      /no published bundle/,
      async () => {
        bundles.write(await bundles.pointer(next, { activatedAtMs: 3_000 }));
        bundles.objects.delete(next);
      },
    ],
    [
      'whose file was changed after it was signed',
      /not signed/,
      async () => {
        replace({ files: withQuorum(FILES, 1) });
        bundles.write(await bundles.pointer(next, { activatedAtMs: 3_000 }));
      },
    ],
    [
      'whose publisher was changed after it was signed',
      /not signed/,
      async () => {
        replace({ publishedBy: 'eve@bank.example' });
        bundles.write(await bundles.pointer(next, { activatedAtMs: 3_000 }));
      },
    ],
    [
      'that another key signed',
      /not signed/,
      async () => {
        const version = await other.publish(withQuorum(FILES, 2));
        bundles.objects.set(version, other.objects.get(version) ?? '');
        bundles.write(await bundles.pointer(version, { activatedAtMs: 3_000 }));
      },
    ],
    [
      'that is not signed at all',
      /not signed/,
      async () => {
        replace({ signature: '' });
        bundles.write(await bundles.pointer(next, { activatedAtMs: 3_000 }));
      },
    ],
    [
      'that stands under the name of another version',
      /holds b-/,
      async () => {
        const alias = 'b-00000000000000ff';
        bundles.objects.set(alias, bundles.objects.get(next) ?? '');
        bundles.write(await bundles.pointer(alias, { activatedAtMs: 3_000 }));
      },
    ],
    [
      'whose activation was written by hand',
      /activation of .* is not signed/,
      async () => bundles.write({ ...(await bundles.pointer(next, { activatedAtMs: 3_000 })), activatedBy: 'eve@bank.example' }),
    ],
    [
      'whose activation another key signed',
      /activation of .* is not signed/,
      async () => bundles.write(await other.pointer(next, { activatedAtMs: 3_000 })),
    ],
    [
      'whose content has another version than its name',
      /has the version b-/,
      async () => {
        const version = await bundles.store('b-00000000000000ab', withQuorum(FILES, 2));
        bundles.write(await bundles.pointer(version, { activatedAtMs: 3_000 }));
      },
    ],
    [
      'whose pointer has no signature, as before there were any',
      /not its shape/,
      async () => bundles.write({ version: next, activatedBy: 'eve@bank.example', activatedAtMs: 3_000 }),
    ],
    [
      'whose content is not the one that was activated',
      /not the one that was activated/,
      async () => bundles.write(await bundles.pointer(next, { activatedAtMs: 3_000, digest: 'f'.repeat(64) })),
    ],
    [
      'whose version is part of a path',
      /not its shape/,
      async () => bundles.write(await bundles.pointer('../x', { activatedAtMs: 3_000 })),
    ],
    [
      'whose activation is older than the one in force',
      /is older than/,
      async () => bundles.write(await bundles.pointer(next, { activatedAtMs: 1_999 })),
    ],
  ];
  test.each(attacks)('%s', async (_, says, attack) => {
    await attack();
    await polled();
    expect(source.current().version).toBe(before);
    expect(source.config.version).toBe(before);
    expect(reported.at(-1)).toMatch(says);
  });

  test('and is reported once, not at every try', async () => {
    bundles.write(await bundles.pointer(next, { activatedAtMs: 1 }));
    await polled();
    const told = reported.length;
    for (let tries = 0; tries < 5; tries += 1) {
      clock.advance(30_000);
      await settled();
    }
    expect(reported).toHaveLength(told);
  });
});

describe('a bucket that does not answer', () => {
  test('is asked again, and the bundle is taken up then', async () => {
    await bundles.putInForce(FILES);
    const source = await start();
    const version = await bundles.putInForce(withQuorum(FILES, 2), { activatedAtMs: 3_000 });
    bundles.failure = new Error('slow');
    await polled();
    expect(source.current().version).not.toBe(version);
    bundles.failure = undefined;
    clock.advance(1_000);
    await settled();
    expect(source.current().version).toBe(version);
  });

  test('keeps a task from starting, since nobody knows what is in force', async () => {
    await bundles.putInForce(FILES);
    bundles.failure = new Error('slow');
    let started = false;
    const starting = start().then((source) => {
      started = true;
      return source;
    });
    await settled();
    expect(started).toBe(false);
    expect(reported.at(-1)).toMatch(/not taken up/);
    bundles.failure = undefined;
    clock.advance(1_000);
    expect((await starting).find('bank')).toBeDefined();
  });
});

describe('before the first bundle is activated', () => {
  test('a task starts and lets nobody in', async () => {
    const source = await start();
    const principal = { issuer: 'demo', agent: 'agent-7', groups: ['demo/analysts'], expiresAtMs: Number.MAX_SAFE_INTEGER };
    expect(source.config.issuers).toEqual([]);
    expect(source.current().policies.mayConnect(principal, 'bank').kind).toBe('block');
    expect(reported).toEqual(['no bundle is in force: nobody is let in']);
  });

  test('and takes up the first one', async () => {
    const source = await start();
    const version = await bundles.putInForce(FILES);
    await polled();
    expect(source.current().version).toBe(version);
  });
});
