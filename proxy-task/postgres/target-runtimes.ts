/** The runtime of each target, made when its first session asks for it. */
import type { Clock, CredentialIssuer } from '../ports.ts';
import { SallyportError } from '../../core/errors.ts';
import { loadParser, type Parsed } from '../../core/statement/sql/parse.ts';
import type { PostgresMajor, PostgresTarget } from '../../core/target.ts';
import type { CatalogSource } from './target-runtime.ts';
import { OwnConnection } from './own-connection.ts';
import { TargetRuntime } from './target-runtime.ts';
import { openUpstream } from './upstream.ts';
import type { ScramKeyCache } from './scram.ts';

/** The target changed its major version under a running gateway: the session is refused, the next one starts anew. */
export class VersionChanged extends SallyportError {
  readonly code = 'version-changed';
}

export type SharedCatalogSource = CatalogSource & {
  acquire(): Promise<{ release(): void }>;
  close(): void;
};

export type RuntimePorts = {
  readonly clock: Clock;
  readonly scramKeys: ScramKeyCache;
  readonly connectTimeoutMs: number;
  /** The credential for the gateway's own connection to the target. */
  readonly ownCredential: (target: PostgresTarget) => ReturnType<CredentialIssuer['issue']>;
  readonly makeCatalogSource: (options: { connect: () => Promise<OwnConnection>; clock: Clock }) => SharedCatalogSource;
  readonly parseOffLoop: (major: PostgresMajor, text: string) => Promise<Parsed>;
};

type Entry = { readonly major: PostgresMajor; readonly runtime: TargetRuntime; readonly source: SharedCatalogSource };

export class TargetRuntimes {
  readonly #ports: RuntimePorts;
  readonly #entries = new Map<string, Entry>();

  constructor(ports: RuntimePorts) {
    this.#ports = ports;
  }

  /** Counts a session in. Throws CatalogUnavailable, VersionChanged. */
  async acquire(target: PostgresTarget, major: PostgresMajor): Promise<{ readonly runtime: TargetRuntime; release(): void }> {
    let entry = this.#entries.get(target.name);
    if (entry === undefined) {
      entry = await this.#make(target, major);
      this.#entries.set(target.name, entry);
    }
    if (entry.major !== major) {
      entry.source.close();
      this.#entries.delete(target.name);
      throw new VersionChanged(`target "${target.name}" changed its version to ${major}`);
    }
    const held = await entry.source.acquire();
    return { runtime: entry.runtime, release: () => held.release() };
  }

  close(): void {
    for (const entry of this.#entries.values()) entry.source.close();
    this.#entries.clear();
  }

  async #make(target: PostgresTarget, major: PostgresMajor): Promise<Entry> {
    const ports = this.#ports;
    const parser = await loadParser(major);
    const known = this.#entries.get(target.name);
    if (known !== undefined) return known;
    const source = ports.makeCatalogSource({ clock: ports.clock, connect: () => this.#connect(target) });
    const runtime = new TargetRuntime({ target, parser, catalogSource: source, parseOffLoop: (text) => ports.parseOffLoop(major, text) });
    return { major, runtime, source };
  }

  async #connect(target: PostgresTarget): Promise<OwnConnection> {
    const ports = this.#ports;
    const { password } = await ports.ownCredential(target);
    const upstream = await openUpstream({
      target,
      password,
      applicationName: 'sallyport catalog',
      extraParameters: new Map(),
      timeoutMs: ports.connectTimeoutMs,
      scramKeys: ports.scramKeys,
    });
    return new OwnConnection(upstream);
  }
}
