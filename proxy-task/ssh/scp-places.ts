/** Where files of an scp go, or come from: the path of each record, as the host says it. */
import type { HostPath } from '../../core/statement/host/host-operation.ts';
import { absolutePath, childPath, isResolved } from './sftp-place.ts';

export type ScpCommand = {
  /** `sink` is `scp -t`, which writes on the host; `source` is `scp -f`, which reads. */
  readonly mode: 'sink' | 'source';
  /** Words as the host's shell gives them to scp; one for a sink. */
  readonly paths: readonly string[];
  readonly recursive: boolean;
  readonly preserve: boolean;
  /** `-d`: the target must be a folder. */
  readonly folder: boolean;
};

type Resolve = (path: string, resolved: (real: string | undefined) => void) => void;

/** Deeper than any tree: the machine keeps one entry per level. */
const MAX_DEPTH = 256;

export class ScpPlaces {
  readonly #command: ScpCommand;
  readonly #home: HostPath;
  readonly #resolve: Resolve;
  /** Folders that were entered; more than one path where only the host knows which it is. */
  readonly #folders: (readonly HostPath[])[] = [];

  constructor(command: ScpCommand, home: HostPath, resolve: Resolve) {
    this.#command = command;
    this.#home = home;
    this.#resolve = resolve;
  }

  get depth(): number {
    return this.#folders.length;
  }

  /** All paths that a record of this name may be about; none where the host cannot say, or it is too deep. */
  find(name: string, then: (paths: readonly HostPath[]) => void): void {
    if (this.depth >= MAX_DEPTH) then([]);
    else this.#resolveAll(this.#candidates(name), [], then);
  }

  enter(paths: readonly HostPath[]): void {
    this.#folders.push(paths);
  }

  /** False where no folder was entered. */
  leave(): boolean {
    return this.#folders.pop() !== undefined;
  }

  #candidates(name: string): readonly string[] {
    const { mode, paths, folder } = this.#command;
    const inside = this.#folders.at(-1);
    if (inside !== undefined) return inside.map((path) => childPath(path, name));
    const named = paths.map((path) => absolutePath(path, this.#home));
    // A source sends the last part of the path that it was given.
    if (mode === 'source') return named.filter((path) => lastPart(path) === name);
    // A sink puts it into its target, or makes it its target: whether that is a folder the host has decided when it began.
    return named.flatMap((path) => [childPath(path, name), ...(folder ? [] : [path])]);
  }

  #resolveAll(candidates: readonly string[], found: readonly HostPath[], then: (paths: readonly HostPath[]) => void): void {
    const [next, ...others] = candidates;
    if (next === undefined) {
      then([...new Set(found)]);
      return;
    }
    this.#resolve(next, (real) => this.#resolveAll(others, real !== undefined && isResolved(real) ? [...found, real] : found, then));
  }
}

function lastPart(path: string): string {
  const whole = path.replace(/\/+$/u, '');
  return whole.slice(whole.lastIndexOf('/') + 1);
}
