/** What every source of bundles keeps, whatever it follows. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Config } from '../../core/config/config.ts';
import type { BundleSource, TargetDirectory } from '../../proxy-task/ports.ts';

export type BundleSourceHarness = {
  readonly source: BundleSource & TargetDirectory & { readonly config: Config };
  /** What was told to the operator so far. */
  readonly reported: readonly string[];
  /** Another valid configuration comes into force; `edit` changes the policies of the bank. */
  change(edit: (policies: string) => string): Promise<void>;
  /** Policies that do not validate are put where valid ones were. */
  breakPolicies(): Promise<void>;
  /** What stands there can no longer be read. */
  vanish(): Promise<void>;
  /** Lets the source look until it has had every chance to take something up. */
  look(): Promise<void>;
  stop(): void;
};

export function bundleSourceContract(name: string, open: () => Promise<BundleSourceHarness>): void {
  describe(`${name}, as a source of bundles`, () => {
    let harness: BundleSourceHarness;
    beforeEach(async () => {
      harness = await open();
    });
    afterEach(() => harness.stop());

    test('has a bundle, a configuration and targets of one version from the start', () => {
      const { source } = harness;
      expect(source.current().version).toMatch(/^b-[0-9a-f]{16}$/);
      expect(source.config.version).toBe(source.current().version);
      expect(source.find('bank')?.name).toBe('bank');
      expect(source.find('nowhere')).toBeUndefined();
    });

    test('tells its listeners of a change once, and is of the new version when it does', async () => {
      const { source } = harness;
      const before = source.current().version;
      const seen: (readonly [string, string, string])[] = [];
      source.onChange((bundle) => seen.push([bundle.version, source.current().version, source.config.version]));
      await harness.change((policies) => policies.replace('@quorum("1")', '@quorum("2")'));
      await harness.look();
      const { version } = source.current();
      expect(version).not.toBe(before);
      expect(seen).toEqual([[version, version, version]]);
    });

    test('tells nothing to a listener that has stopped', async () => {
      const seen: string[] = [];
      harness.source.onChange((bundle) => seen.push(bundle.version)).stop();
      await harness.change((policies) => policies.replace('@quorum("1")', '@quorum("2")'));
      await harness.look();
      expect(seen).toEqual([]);
    });

    test('keeps the old one where the new one does not validate, and says so', async () => {
      const before = harness.source.current();
      await harness.breakPolicies();
      await harness.look();
      expect(harness.source.current()).toBe(before);
      expect(harness.reported.join('\n')).toMatch(/not taken up/);
    });

    test('keeps the old one where nothing can be read any more', async () => {
      const before = harness.source.current();
      await harness.vanish();
      await harness.look();
      expect(harness.source.current()).toBe(before);
      expect(harness.source.find('bank')).toBeDefined();
    });

    test('takes up the corrected one after a mistake', async () => {
      const before = harness.source.current().version;
      await harness.breakPolicies();
      await harness.look();
      await harness.change((policies) => policies.replace('@quorum("1")', '@quorum("2")'));
      await harness.look();
      expect(harness.source.current().version).not.toBe(before);
    });
  });
}
