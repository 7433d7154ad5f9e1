/** The bundle in force as a function reads it: the pointer at every request, the object once per version. */
import type { KeyObject } from 'node:crypto';
import type { Bundle } from '../policy/bundle.ts';
import type { BundlePointer } from '../state/control.ts';
import { buildBundle } from './build-bundle.ts';
import type { Config } from './config.ts';
import { BundleRefused, filesDigest, openBundle, openPointer, type PublishedBundle } from './published-bundle.ts';

export type BundlePorts = {
  /** The control table's item `bundle`, read consistently; undefined where nothing was ever activated. */
  readonly pointer: () => Promise<{ readonly v: number; readonly body: unknown } | undefined>;
  /** The object of a version; undefined where there is none. */
  readonly object: (version: string) => Promise<string | undefined>;
  /** The public key for bundles. */
  readonly publicKey: () => Promise<KeyObject>;
};

export type InForce = {
  readonly config: Config;
  readonly bundle: Bundle;
  readonly published: PublishedBundle;
  readonly pointer: BundlePointer;
  /** Version of the pointer's item. */
  readonly v: number;
};

export class BundleInForce {
  readonly #ports: BundlePorts;
  #opened:
    | {
        readonly version: string;
        readonly digest: string;
        readonly published: PublishedBundle;
        readonly config: Config;
        readonly bundle: Bundle;
      }
    | undefined;
  /** The activation that was followed last. */
  #followed: BundlePointer | undefined;
  #key: Promise<KeyObject> | undefined;

  constructor(ports: BundlePorts) {
    this.#ports = ports;
  }

  /** Undefined where nothing was ever activated. Throws BundleRefused, and what the ports throw. */
  async find(): Promise<InForce | undefined> {
    const item = await this.#ports.pointer();
    if (item === undefined) return undefined;
    const key = await this.publicKey();
    const pointer = openPointer(item.body, key);
    const { version, digest } = pointer;
    // An activation that was replaced could be put back by whoever can write the table: its signature is good for ever.
    const before = this.#followed;
    if (before !== undefined && pointer.activatedAtMs < before.activatedAtMs)
      throw new BundleRefused(`the activation of ${version} is older than that of ${before.version}`);
    if (this.#opened?.version !== version || this.#opened.digest !== digest) {
      const { bundle: published, config } = await this.open(version);
      // The object is the one that was looked at when it was activated, byte for byte.
      if (filesDigest(published.files) !== digest) throw new BundleRefused(`the bundle ${version} is not the one that was activated`);
      this.#opened = { version, digest, published, config, bundle: buildBundle(config) };
    }
    this.#followed = pointer;
    const { published, config, bundle } = this.#opened;
    return { config, bundle, published, pointer, v: item.v };
  }

  /** Throws BundleRefused where nothing is in force, or what is cannot be trusted; and what the ports throw. */
  async current(): Promise<InForce> {
    const found = await this.find();
    if (found === undefined) throw new BundleRefused('no bundle is in force: publish and activate one');
    return found;
  }

  /** Any published version, checked. Throws BundleRefused, and what the ports throw. */
  async open(version: string): Promise<{ readonly bundle: PublishedBundle; readonly config: Config }> {
    const text = await this.#ports.object(version);
    if (text === undefined) throw new BundleRefused(`there is no published bundle ${version} that may be read`);
    return openBundle(text, version, await this.publicKey());
  }

  /** Fetched once; a failure is not kept. */
  async publicKey(): Promise<KeyObject> {
    const key = (this.#key ??= this.#ports.publicKey());
    try {
      return await key;
    } catch (error) {
      if (this.#key === key) this.#key = undefined;
      throw error;
    }
  }
}
