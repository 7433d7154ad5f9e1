/** The configuration in force on one machine: the directory, taken up again when its files change and are valid. */
import { createHash } from 'node:crypto';
import { buildBundle } from '../core/config/build-bundle.ts';
import type { ConfigError } from '../core/config/config-error.ts';
import type { Config } from '../core/config/config.ts';
import { readConfig } from '../core/config/read-config.ts';
import { SallyportError } from '../core/errors.ts';
import { ConfigInForce } from '../proxy-task/pipeline/config-in-force.ts';
import type { Clock } from '../proxy-task/ports.ts';
import { readConfigFiles } from './config-directory.ts';

/** Nothing is served with a configuration that does not hold. */
export class ConfigInvalid extends SallyportError {
  readonly code = 'config-invalid';
  readonly errors: readonly ConfigError[];

  constructor(errors: readonly ConfigError[]) {
    super(errors.map((error) => `${error.file}:${error.line}:${error.column} ${error.message}\n  fix: ${error.fix}`).join('\n'));
    this.errors = errors;
  }
}

/** A change reaches live sessions within 5 s (design §6), although it is seen twice before it counts. */
const LOOK_EVERY_MS = 1_500;

export class ConfigWatch extends ConfigInForce {
  readonly #directory: string;
  readonly #env: Readonly<Record<string, string | undefined>>;
  readonly #clock: Clock;
  readonly #report: (message: string) => void;
  #seen: string;
  /** A change that was seen once: files are written one after the other, and half of a policy can be valid too. */
  #settling: string | undefined;
  #timer: { cancel(): void } | undefined;

  private constructor(options: {
    readonly directory: string;
    readonly env: Readonly<Record<string, string | undefined>>;
    readonly clock: Clock;
    readonly report: (message: string) => void;
    readonly seen: string;
    readonly config: Config;
  }) {
    super(options.config);
    this.#directory = options.directory;
    this.#env = options.env;
    this.#clock = options.clock;
    this.#report = options.report;
    this.#seen = options.seen;
    this.#schedule();
  }

  /** Throws ConfigInvalid, ConfigUnreadable. `report` is told of a change that is not taken up. */
  static async open(
    directory: string,
    env: Readonly<Record<string, string | undefined>>,
    clock: Clock,
    report: (message: string) => void,
  ): Promise<ConfigWatch> {
    const files = await readConfigFiles(directory);
    const reading = readConfig(files, env);
    if ('errors' in reading) throw new ConfigInvalid(reading.errors);
    return new ConfigWatch({ directory, env, clock, report, seen: digest(files), config: reading.config });
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #schedule(): void {
    this.#timer = this.#clock.after(LOOK_EVERY_MS, () => {
      this.#look()
        .catch((error: unknown) =>
          this.#report(`the configuration could not be read again: ${error instanceof Error ? error.message : ''}`),
        )
        .finally(() => this.#schedule());
    });
  }

  async #look(): Promise<void> {
    const files = await readConfigFiles(this.#directory);
    const seen = digest(files);
    if (seen === this.#seen || seen !== this.#settling) {
      this.#settling = seen === this.#seen ? undefined : seen;
      return;
    }
    this.#settling = undefined;
    this.#seen = seen;
    const reading = readConfig(files, this.#env);
    if ('errors' in reading) {
      // The old one stays: a mistake must not open or close anything.
      this.#report(`the changed configuration is not taken up:\n${new ConfigInvalid(reading.errors).message}`);
      return;
    }
    const { config } = reading;
    this.take(config, buildBundle(config), () => this.#report(`configuration ${config.version} is in force`));
  }
}

function digest(files: ReadonlyMap<string, string>): string {
  const hash = createHash('sha256');
  for (const [path, text] of files) hash.update(`${path.length}:${path}${text.length}:`).update(text);
  return hash.digest('hex');
}
