/** Bucket, pointer and key of bundles in memory, behind the ports of everything that reads or writes them. */
import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { BundleInForce } from '../../core/config/bundle-in-force.ts';
import {
  activationText,
  BUNDLE_FORMAT,
  bundleText,
  filesDigest,
  readPublished,
  type PublishedBundle,
} from '../../core/config/published-bundle.ts';
import type { BundlePointer } from '../../core/state/control.ts';
import type { StateItem, StatePoller } from '../../proxy-task/ports.ts';

type Follower = (item: StateItem | undefined) => void;

export class SignedBundles {
  readonly key: KeyObject;
  readonly #private: KeyObject;
  readonly objects = new Map<string, string>();
  /** Versions that were asked for. */
  readonly asked: string[] = [];
  item: StateItem | undefined;
  /** What reading an object fails with. */
  failure: Error | undefined;
  readonly #followers = new Set<Follower>();

  constructor() {
    const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    this.key = pair.publicKey;
    this.#private = pair.privateKey;
  }

  readonly sign = (text: string): Promise<Buffer> => Promise.resolve(sign('sha256', Buffer.from(text), this.#private));
  readonly publicKey = (): Promise<KeyObject> => Promise.resolve(this.key);
  readonly object = async (version: string): Promise<string | undefined> => {
    this.asked.push(version);
    if (this.failure !== undefined) throw this.failure;
    return this.objects.get(version);
  };
  readonly put = async (version: string, text: string): Promise<'stored' | 'exists'> => {
    if (this.objects.has(version)) return 'exists';
    this.objects.set(version, text);
    return 'stored';
  };
  readonly point = async (pointer: BundlePointer, v: number): Promise<'written' | 'conflict'> => {
    if ((this.item?.v ?? 0) !== v) return 'conflict';
    this.item = { v: v + 1, body: pointer };
    return 'written';
  };

  inForce(): BundleInForce {
    return new BundleInForce({ pointer: () => Promise.resolve(this.item), object: this.object, publicKey: this.publicKey });
  }

  /** Puts a signed bundle of these files into the bucket; its version. */
  async publish(files: Readonly<Record<string, string>>, publishedBy = 'pia@bank.example'): Promise<string> {
    const reading = readPublished(files);
    if ('errors' in reading) throw new Error(JSON.stringify(reading.errors));
    return this.store(reading.config.version, files, publishedBy);
  }

  /** Signs whatever it is given, as a publisher that checks nothing. */
  async store(version: string, files: Readonly<Record<string, string>>, publishedBy = 'pia@bank.example'): Promise<string> {
    const content = { version, files, publishedBy, publishedAtMs: 1_000 };
    const bundle: PublishedBundle = {
      format: BUNDLE_FORMAT,
      ...content,
      signature: (await this.sign(bundleText(content))).toString('base64'),
    };
    this.objects.set(content.version, JSON.stringify(bundle));
    return content.version;
  }

  /** A pointer as `activate-bundle` signs it. */
  async pointer(version: string, over: Partial<BundlePointer> = {}): Promise<BundlePointer> {
    const files = (JSON.parse(this.objects.get(version) ?? '{"files":{}}') as PublishedBundle).files; // Stored above, or by the code under test.
    const unsigned = { version, digest: filesDigest(files), activatedBy: 'ada@bank.example', activatedAtMs: 2_000, ...over };
    return { ...unsigned, signature: over.signature ?? (await this.sign(activationText(unsigned))).toString('base64') };
  }

  /** Publishes and activates, as two people would have. */
  async putInForce(files: Readonly<Record<string, string>>, over: Partial<BundlePointer> = {}): Promise<string> {
    const version = await this.publish(files);
    this.write(await this.pointer(version, over));
    return version;
  }

  /** Writes the item as it is, checked by nobody. */
  write(body: unknown): void {
    this.item = body === undefined ? undefined : { v: (this.item?.v ?? 0) + 1, body };
  }

  readonly poller: Pick<StatePoller, 'follow'> = {
    follow: (table, id, changed) => {
      if (table !== 'control' || id !== 'bundle') throw new Error('another item');
      this.#followers.add(changed);
      return { stop: () => void this.#followers.delete(changed) };
    },
  };

  /** One poll. */
  poll(): void {
    for (const changed of this.#followers) changed(this.item);
  }
}
