/** Append-only files whose acknowledgement means something: whole writes, and one fdatasync for all that wait. */
import {
  closeSync,
  existsSync,
  fdatasync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  unlinkSync,
  writeSync,
  writevSync,
} from 'node:fs';
import { link, open, readFile, rm, unlink } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';

export interface AppendFile {
  /** Appends all of the parts or throws; after it threw, the file has a torn tail and is never written again. */
  write(parts: readonly Buffer[]): void;
  /** Calls back when everything written before is on the disk, the names of new files and folders included. */
  sync(done: (error?: Error) => void): void;
  /** Closes once no sync is under way. */
  close(): void;
}

/** The part of the file system that evidence is written through: the seam where tests let a disk fill up. */
export interface AppendFiles {
  /** A new, empty file; its folders are made. Throws where the file exists. `root` exists already. */
  create(root: string, path: string): AppendFile;
  /** Writes a whole file that appears complete or not at all, durable. Throws where another content stands there. */
  publish(root: string, path: string, bytes: Buffer): Promise<void>;
}

/** The real file system. */
export const diskFiles: AppendFiles = {
  create(root, path) {
    const folders = makeFolders(root, path);
    return new DiskFile(openSync(join(root, path), 'ax', 0o640), folders);
  },
  async publish(root, path, bytes) {
    const whole = join(root, path);
    const standing = await readFile(whole).catch(absent);
    if (standing !== undefined) {
      if (standing.equals(bytes)) return;
      throw new Error(`${path} exists with another content`);
    }
    const folders = makeFolders(root, path);
    const unfinished = `${whole}.tmp`;
    await rm(unfinished, { force: true });
    const file = await open(unfinished, 'wx', 0o640);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    // A link fails where the name is taken; a rename would replace evidence.
    await link(unfinished, whole);
    await unlink(unfinished);
    for (const folder of folders) await syncFolder(folder);
  },
};

/** `publish` for the start of the program, where nothing else waits. */
export function publishNow(root: string, path: string, bytes: Buffer): void {
  const whole = join(root, path);
  if (existsSync(whole)) {
    if (readFileSync(whole).equals(bytes)) return;
    throw new Error(`${path} exists with another content`);
  }
  const folders = makeFolders(root, path);
  const unfinished = `${whole}.tmp`;
  rmSync(unfinished, { force: true });
  withOpen(unfinished, 'wx', (fd) => {
    writeWhole(fd, [bytes]);
    fsyncSync(fd);
  });
  linkSync(unfinished, whole);
  unlinkSync(unfinished);
  for (const folder of folders) withOpen(folder, 'r', fsyncSync);
}

function withOpen(path: string, flags: string, use: (fd: number) => void): void {
  const fd = openSync(path, flags, 0o640);
  try {
    use(fd);
  } finally {
    closeSync(fd);
  }
}

class DiskFile implements AppendFile {
  private readonly fd: number;
  private folders: readonly string[];
  private waiting: ((error?: Error) => void)[] = [];
  private dirty = true;
  private syncing = false;
  private closing = false;
  private closed = false;

  constructor(fd: number, folders: readonly string[]) {
    this.fd = fd;
    this.folders = folders;
  }

  write(parts: readonly Buffer[]): void {
    this.dirty = true;
    writeWhole(this.fd, parts);
  }

  sync(done: (error?: Error) => void): void {
    if (this.closed || (!this.dirty && !this.syncing)) {
      done();
      return;
    }
    this.waiting.push(done);
    if (!this.syncing) this.startSync();
  }

  close(): void {
    this.closing = true;
    if (this.syncing || this.closed) return;
    this.closed = true;
    closeSync(this.fd);
  }

  private startSync(): void {
    const served = this.waiting;
    this.waiting = [];
    this.dirty = false;
    this.syncing = true;
    fdatasync(this.fd, (failure) => {
      if (failure !== null || this.folders.length === 0) this.endSync(served, failure ?? undefined);
      else {
        void this.syncFolders().then(
          () => this.endSync(served, undefined),
          (error: unknown) => this.endSync(served, error instanceof Error ? error : new Error(String(error))),
        );
      }
    });
  }

  private endSync(served: readonly ((error?: Error) => void)[], error: Error | undefined): void {
    this.syncing = false;
    if (error !== undefined) this.dirty = true;
    for (const done of served) done(error);
    if (this.waiting.length > 0 && !this.syncing) this.startSync();
    else if (this.closing) this.close();
  }

  private async syncFolders(): Promise<void> {
    for (const folder of this.folders) await syncFolder(folder);
    this.folders = [];
  }
}

/** `write` may take less than it was given, near a full disk for one; the rest then fails by itself. */
function writeWhole(fd: number, parts: readonly Buffer[]): void {
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) {
    for (let at = 0; at < only.length;) at += writeSync(fd, only, at, only.length - at);
    return;
  }
  let left = parts;
  for (;;) {
    let taken = writevSync(fd, left);
    const rest: Buffer[] = [];
    for (const part of left) {
      if (taken < part.length) rest.push(taken > 0 ? part.subarray(taken) : part);
      taken = Math.max(0, taken - part.length);
    }
    if (rest.length === 0) return;
    left = rest;
  }
}

/** Makes the folders of a path; those whose entries change, innermost first. */
function makeFolders(root: string, path: string): string[] {
  const folder = dirname(join(root, path));
  const made = mkdirSync(folder, { recursive: true, mode: 0o750 });
  const folders = [folder];
  if (made !== undefined) {
    const outermost = dirname(made);
    for (let at = folder; at !== outermost && relative(root, at).split(sep)[0] !== '..';) {
      at = dirname(at);
      folders.push(at);
    }
  }
  return folders;
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function absent(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
  throw error;
}
