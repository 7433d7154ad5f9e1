/** What the host itself says that paths are, asked on a channel of the gateway's own: nobody else's words count in judging. */
import { posix } from 'node:path';
import type { Client, FileEntryWithStats, SFTPWrapper } from 'ssh2';
import type { HostPath } from '../../core/statement/host/host-operation.ts';
import type { Clock } from '../ports.ts';

export const MAX_PATH_BYTES = 4_096;
/** What nobody answers within this is not known. */
const ANSWER_MS = 10_000;
/** SSH_FX_EOF, SSH_FX_NO_SUCH_FILE, SSH_FX_PERMISSION_DENIED (draft-ietf-secsh-filexfer-02 §7). */
const END_OF_FOLDER = 1;
const NO_SUCH_FILE = 2;
const PERMISSION_DENIED = 3;

/** `link` is anything that is neither a file nor a folder itself. */
export type FolderEntry = { readonly name: string; readonly kind: 'file' | 'folder' | 'link' };

export type PathKind = 'nothing' | 'folder' | 'file' | 'unknown';

export class PathResolver {
  readonly #client: Client;
  readonly #clock: Pick<Clock, 'after'>;
  #channel: Promise<SFTPWrapper | undefined> | undefined;
  #home: Promise<HostPath | undefined> | undefined;

  constructor(client: Client, clock: Pick<Clock, 'after'>) {
    this.#client = client;
    this.#clock = clock;
  }

  /** The folder that commands and relative paths start from; undefined where the host does not say. Asked once. Never rejects. */
  home(): Promise<HostPath | undefined> {
    this.#home ??= this.#realPath('.');
    return this.#home;
  }

  /**
   * The one spelling of a path, links followed; relative ones start from home. Of something that does not exist yet it is its
   * folder's, and its name. Undefined where the host cannot say. Never rejects.
   */
  async resolve(path: string): Promise<HostPath | undefined> {
    if (path === '' || path.includes('\0') || Buffer.byteLength(path) > MAX_PATH_BYTES) return undefined;
    const home = await this.home();
    if (home === undefined) return undefined;
    const absolute = path.startsWith('/') ? path : `${home === '/' ? '' : home}/${path}`;
    const real = await this.#realPath(absolute);
    if (real !== undefined) return real;
    // Some servers know only what exists: then its folder must, and the name be nothing yet, not a link that leads nowhere yet.
    const name = posix.basename(absolute);
    if (name === '' || name === '.' || name === '..' || absolute.endsWith('/')) return undefined;
    if ((await this.#look(absolute, 'lstat')) !== 'nothing') return undefined;
    const folder = await this.#realPath(posix.dirname(absolute));
    return folder === undefined ? undefined : `${folder === '/' ? '' : folder}/${name}`;
  }

  #realPath(path: string): Promise<HostPath | undefined> {
    return this.#ask((sftp, answer) => {
      sftp.realpath(path, (error, real) => answer(error === undefined && isCanonical(real) ? real : undefined));
    });
  }

  /** What is at an absolute path, links followed or not (then a link is `unknown`). Never rejects. */
  async kindOf(path: string, links: 'followed' | 'seen' = 'followed'): Promise<PathKind> {
    return (await this.#look(path, links === 'followed' ? 'stat' : 'lstat')) ?? 'unknown';
  }

  /** Whether there is something of this name, be it a link that leads nowhere; undefined where the host does not say. Never rejects. */
  isThere(path: string): Promise<boolean | undefined> {
    return this.#ask<boolean>((sftp, told) => {
      sftp.lstat(path, (error) => {
        if (error === undefined) told(true);
        else told(codeOf(error) === NO_SUCH_FILE ? false : undefined);
      });
    });
  }

  /**
   * The names in a folder, `.` and `..` left out; `closed` where it is missing or the account may not list it. Undefined where the
   * host does not say, or there are more than `most`. Never rejects.
   */
  async list(path: string, most: number): Promise<readonly FolderEntry[] | 'closed' | undefined> {
    const opened = await this.#ask<Buffer | 'closed'>((sftp, told) => {
      sftp.opendir(path, (error, handle) => {
        if (error === undefined) told(handle);
        else told(codeOf(error) === NO_SUCH_FILE || codeOf(error) === PERMISSION_DENIED ? 'closed' : undefined);
      });
    });
    if (opened === undefined || opened === 'closed') return opened;
    const entries: FolderEntry[] = [];
    for (;;) {
      const some = await this.#ask<readonly FolderEntry[] | 'end'>((sftp, told) => {
        sftp.readdir(opened, (error, found) => {
          if (error === undefined) told(found.map(entryOf));
          else told(codeOf(error) === END_OF_FOLDER ? 'end' : undefined);
        });
      });
      if (some !== undefined && some !== 'end') entries.push(...some.filter(({ name }) => name !== '.' && name !== '..'));
      if (some !== undefined && some !== 'end' && some.length > 0 && entries.length <= most) continue;
      void this.#ask<boolean>((sftp, told) => sftp.close(opened, () => told(true)));
      return some === 'end' && entries.length <= most ? entries : undefined;
    }
  }

  #look(path: string, how: 'stat' | 'lstat'): Promise<PathKind | undefined> {
    return this.#ask<PathKind>((sftp, told) => {
      sftp[how](path, (error, stats) => {
        if (error !== undefined) told(codeOf(error) === NO_SUCH_FILE ? 'nothing' : 'unknown');
        else if (stats.isDirectory()) told('folder');
        else told(stats.isFile() ? 'file' : 'unknown');
      });
    });
  }

  async #ask<T>(question: (sftp: SFTPWrapper, answer: (value: T | undefined) => void) => void): Promise<T | undefined> {
    this.#channel ??= this.#open();
    const sftp = await this.#channel;
    if (sftp === undefined) return undefined;
    return new Promise((resolve) => {
      const timer = this.#clock.after(ANSWER_MS, () => resolve(undefined));
      question(sftp, (value) => {
        timer.cancel();
        resolve(value);
      });
    });
  }

  #open(): Promise<SFTPWrapper | undefined> {
    return new Promise((resolve) => {
      const timer = this.#clock.after(ANSWER_MS, () => resolve(undefined));
      this.#client.sftp((error, sftp) => {
        timer.cancel();
        if (error !== undefined) {
          resolve(undefined);
          return;
        }
        // A channel that breaks answers nothing more, and what is not answered is not known.
        sftp.on('error', () => undefined);
        resolve(sftp);
      });
    });
  }
}

function codeOf(error: Error): unknown {
  return 'code' in error ? error.code : undefined;
}

function entryOf({ filename, attrs }: FileEntryWithStats): FolderEntry {
  // What the server says of the entry itself, not of what it leads to.
  return { name: filename, kind: attrs.isDirectory() ? 'folder' : attrs.isFile() ? 'file' : 'link' };
}

/** A host that answers with anything else is not believed. */
function isCanonical(path: string): boolean {
  if (!path.startsWith('/') || path.includes('\0') || path.includes('\uFFFD')) return false;
  return (
    path === '/' ||
    path
      .slice(1)
      .split('/')
      .every((part) => part !== '' && part !== '.' && part !== '..')
  );
}
