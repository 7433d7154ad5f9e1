/**
 * Folders of which a channel may see what is in them. Clients ask for the attributes of every name in a folder that they have
 * just listed; the listing shows the same, so it is judged once. An answer holds for a number of uses, not for ever.
 */
import type { HostPath } from '../../core/statement/host/host-operation.ts';
import { parentPath } from './sftp-place.ts';

const MAX_FOLDERS = 1_024;
const MAX_USES = 10_000;

export class JudgedListings {
  readonly #uses = new Map<HostPath, number>();

  /** That `path` may be listed: itself, and what is directly in it. */
  permit(path: HostPath): void {
    if (this.#uses.size >= MAX_FOLDERS) {
      const [oldest] = this.#uses.keys();
      if (oldest !== undefined) this.#uses.delete(oldest);
    }
    this.#uses.set(path, 0);
  }

  /** Whether what a listing of its folder shows of it may be shown. */
  covers(path: HostPath): boolean {
    return this.#use(path) || this.#use(parentPath(path));
  }

  /** Whether it may be listed itself: what is in a folder, its own folder does not show. */
  coversInside(path: HostPath): boolean {
    return this.#use(path);
  }

  /** What was judged is judged anew. */
  forget(): void {
    this.#uses.clear();
  }

  #use(path: HostPath): boolean {
    const uses = this.#uses.get(path);
    if (uses === undefined) return false;
    if (uses + 1 >= MAX_USES) this.#uses.delete(path);
    else this.#uses.set(path, uses + 1);
    return true;
  }
}
