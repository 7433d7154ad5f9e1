/**
 * One line of several commands is read before any of them runs. A name that one of them moves, replaces or fills may be a link by the
 * time that another uses it: then what the host said of that other's paths before is worth nothing. In whichever order they stand:
 * some run at the same time.
 */
import type { HostPath } from '../host-operation.ts';

type Place = { readonly command: number; readonly path: HostPath };

export class Unsettled {
  #command = 0;
  readonly #used: (Place & { readonly changes: boolean })[] = [];
  readonly #replaced: Place[] = [];
  readonly #filled: Place[] = [];
  readonly #listed: Place[] = [];

  /** What follows is another command's. */
  begin(): void {
    this.#command += 1;
  }

  used(path: HostPath, changes: boolean): void {
    this.#used.push({ command: this.#command, path, changes });
  }

  /** The name itself may be a link afterwards. */
  replaced(path: HostPath): void {
    this.#replaced.push({ command: this.#command, path });
  }

  /** Names below it may be. */
  filled(path: HostPath): void {
    this.#filled.push({ command: this.#command, path });
  }

  /** Its names were read for a pattern. */
  listed(path: HostPath): void {
    this.#listed.push({ command: this.#command, path });
  }

  /** Why the line cannot be read; undefined where no command meets another. */
  conflict(): string | undefined {
    const meets = (places: readonly Place[], isMet: (place: HostPath, used: HostPath) => boolean, changes = false): boolean =>
      places.some(({ command, path }) =>
        this.#used.some((used) => used.command !== command && (used.changes || !changes) && isMet(path, used.path)),
      );
    if (meets(this.#replaced, isAtOrBelow) || meets(this.#filled, isBelow)) return 'one command in it moves what another one uses';
    const meetsNames = (folder: HostPath, used: HostPath): boolean => isAtOrBelow(folder, used) || isAtOrBelow(used, folder);
    if (meets(this.#listed, meetsNames, true)) return 'one command in it changes names that a pattern of another one stands for';
    return undefined;
  }
}

function isAtOrBelow(folder: HostPath, path: HostPath): boolean {
  return path === folder || isBelow(folder, path);
}

function isBelow(folder: HostPath, path: HostPath): boolean {
  return path !== folder && path.startsWith(folder === '/' ? '/' : `${folder}/`);
}
