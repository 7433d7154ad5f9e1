import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ConfigWatch } from '../../standalone/config-watch.ts';
import { bundleSourceContract } from '../contract/bundle-source.ts';
import { ManualClock } from '../support/manual-clock.ts';

const BANK = fileURLToPath(new URL('../../examples/bank/config', import.meta.url));

let directory: string;
let clock: ManualClock;
let reported: string[];
let watch: ConfigWatch;
let versions: string[];

beforeEach(async () => {
  directory = join(mkdtempSync(join(tmpdir(), 'sallyport-config-watch-')), 'config');
  cpSync(BANK, directory, { recursive: true });
  clock = new ManualClock();
  reported = [];
  versions = [];
  watch = await ConfigWatch.open(directory, {}, clock, (message) => reported.push(message));
  watch.onChange((bundle) => versions.push(bundle.version));
});
afterEach(() => {
  watch.stop();
  rmSync(directory, { recursive: true, force: true });
});

const edit = (file: string, change: (text: string) => string): void =>
  writeFileSync(join(directory, file), change(readFileSync(join(directory, file), 'utf8')));

/** Lets the watch look, again and again, until it has reported. */
async function looked(): Promise<void> {
  const before = reported.length;
  const look = (): number => {
    clock.advance(1_500);
    return reported.length;
  };
  await expect.poll(look, { timeout: 5_000, interval: 20 }).toBeGreaterThan(before);
}

bundleSourceContract('the watched directory of one machine', async () => {
  const policies = join(directory, 'policies/bank.cedar');
  const good = readFileSync(policies, 'utf8');
  return {
    source: watch,
    reported,
    change: async (change) => writeFileSync(policies, change(good)),
    breakPolicies: async () => writeFileSync(policies, 'permit'),
    vanish: async () => rmSync(directory, { recursive: true }),
    look: async () => {
      await looked();
    },
    stop: () => watch.stop(),
  };
});

describe('a configuration that is changed while it is in force', () => {
  test('is taken up as a whole, and sessions hear of it', async () => {
    const before = watch.current().version;
    edit('policies/bank.cedar', (text) => text.replace('@quorum("1")', '@quorum("2")'));
    await looked();
    expect(versions).toEqual([watch.current().version]);
    expect(watch.current().version).not.toBe(before);
    expect(watch.config.version).toBe(watch.current().version);
  });

  const broken: readonly (readonly [name: string, file: string, change: (text: string) => string])[] = [
    ['YAML that does not end', 'sallyport.yaml', (text) => `${text}\n  - {`],
    ['a key twice', 'sallyport.yaml', (text) => `${text}\nissuers: []\n`],
    ['anchors that multiply', 'sallyport.yaml', (text) => `a: &a [x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\n${text}`],
    ['an unknown key', 'sallyport.yaml', (text) => `${text}\npolices: []\n`],
    ['a wrong type', 'sallyport.yaml', (text) => text.replace(/targets:/, 'targets: 7\nx:')],
    ['an empty file', 'sallyport.yaml', () => ''],
    ['a file that is not UTF-8', 'masking.yaml', (text) => text],
    ['a policy that does not parse', 'policies/bank.cedar', (text) => `${text}\npermit (principal, action, resource`],
    [
      'a policy on an unknown action',
      'policies/bank.cedar',
      (text) => `${text}\n@id("x") permit (principal, action == Action::"slect", resource);`,
    ],
    [
      'a policy on an unknown type',
      'policies/bank.cedar',
      (text) => `${text}\n@id("x") permit (principal in Team::"a", action, resource);`,
    ],
    [
      'a policy that permits everything to all by its error',
      'policies/bank.cedar',
      (text) => `${text}\n@id("x") permit (principal, action, resource) when { context.nope };`,
    ],
    ['approvers of no known group', 'policies/bank.cedar', (text) => text.replaceAll('@approvers("dba")', '@approvers("nobody")')],
    ['a masking method that is none', 'masking.yaml', (text) => text.replace('method:', 'methd:')],
  ];
  test.each(broken)('%s is not taken up: the old one stays, and the reason is told', async (name, file, change) => {
    const before = watch.current();
    if (name === 'a file that is not UTF-8') writeFileSync(join(directory, file), Buffer.from([0x63, 0xff, 0xfe]));
    else edit(file, change);
    await looked();
    expect(reported.join('\n')).toMatch(/not taken up|could not be read/);
    expect(watch.current()).toBe(before);
    expect(versions).toEqual([]);
  });

  test('is not taken up between two writes of it, although each half is valid', async () => {
    const whole = readFileSync(join(directory, 'policies/guardrails.cedar'), 'utf8');
    writeFileSync(join(directory, 'policies/guardrails.cedar'), '');
    // A look is over when it has asked for the next one.
    const over = new Promise<void>((resolve) => {
      const after = clock.after.bind(clock);
      clock.after = (ms, run) => {
        resolve();
        return after(ms, run);
      };
    });
    clock.advance(1_500);
    await over;
    expect(versions).toEqual([]);
    writeFileSync(join(directory, 'policies/guardrails.cedar'), `${whole}\n// and one more line\n`);
    await looked();
    expect(versions).toHaveLength(1);
    expect(watch.config.policies.map(({ id }) => id)).toContain('no-drop');
  });

  test('after a mistake, the corrected one is taken up', async () => {
    const good = readFileSync(join(directory, 'policies/bank.cedar'), 'utf8');
    writeFileSync(join(directory, 'policies/bank.cedar'), 'permit');
    await looked();
    writeFileSync(join(directory, 'policies/bank.cedar'), `${good}\n// corrected\n`);
    await looked();
    expect(versions).toHaveLength(1);
  });

  test('a directory that is gone leaves the old one in force', async () => {
    const before = watch.current();
    rmSync(directory, { recursive: true });
    await looked();
    expect(watch.current()).toBe(before);
  });
});
