/** The configuration that this process goes by, whoever follows it from wherever it stands. */
import { buildBundle } from '../../core/config/build-bundle.ts';
import type { Config } from '../../core/config/config.ts';
import type { Bundle } from '../../core/policy/bundle.ts';
import { findDatabase, findHost, type PostgresTarget, type SshTarget } from '../../core/target.ts';
import type { BundleSource, TargetDirectory } from '../ports.ts';

export class ConfigInForce implements BundleSource, TargetDirectory {
  readonly #listeners = new Set<(bundle: Bundle) => void>();
  #config: Config;
  #bundle: Bundle;

  /** `bundle`: what was built from the configuration, where that was done already. */
  constructor(config: Config, bundle: Bundle = buildBundle(config)) {
    this.#config = config;
    this.#bundle = bundle;
  }

  get config(): Config {
    return this.#config;
  }

  current(): Bundle {
    return this.#bundle;
  }

  onChange(changed: (bundle: Bundle) => void): { stop(): void } {
    this.#listeners.add(changed);
    return { stop: () => void this.#listeners.delete(changed) };
  }

  find(name: string): PostgresTarget | undefined {
    return findDatabase(this.#config.targets, name);
  }

  findHost(name: string): SshTarget | undefined {
    return findHost(this.#config.targets, name);
  }

  /** From here on everyone goes by this; `report` comes before whoever takes it up. */
  protected take(config: Config, bundle: Bundle, report: () => void): void {
    this.#config = config;
    this.#bundle = bundle;
    report();
    for (const changed of this.#listeners) changed(bundle);
  }
}
