/** What the host itself says that paths are, asked on a channel of the gateway's own: nobody else's words count in judging. */
import { posix } from 'node:path';
import type { Client, SFTPWrapper } from 'ssh2';
import type { HostPath } from '../../core/statement/host/host-operation.ts';
import type { Clock } from '../ports.ts';

export const MAX_PATH_BYTES = 4_096;
/** What nobody answers within this is not known. */
const ANSWER_MS = 10_000;
/** SSH_FX_NO_SUCH_FILE */
const NO_SUCH_FILE = 2;

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

  #look(path: string, how: 'stat' | 'lstat'): Promise<PathKind | undefined> {
    return this.#ask<PathKind>((sftp, told) => {
      sftp[how](path, (error, stats) => {
        if (error !== undefined) told('code' in error && error.code === NO_SUCH_FILE ? 'nothing' : 'unknown');
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
