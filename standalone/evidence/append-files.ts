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
  publish(root: string, path: string, bytes: Buffer): void;
}

/** The real file system. */
export const diskFiles: AppendFiles = {
  create(root, path) {
    const folders = makeFolders(root, path);
    return new DiskFile(openSync(join(root, path), 'ax', 0o640), folders);
  },
  publish(root, path, bytes) {
    const whole = join(root, path);
    if (existsSync(whole)) {
      if (readFileSync(whole).equals(bytes)) return;
      throw new Error(`${path} exists with another content`);
    }
    const folders = makeFolders(root, path);
    const unfinished = `${whole}.tmp`;
    rmSync(unfinished, { force: true });
    const fd = openSync(unfinished, 'wx', 0o640);
    try {
      writeWhole(fd, [bytes]);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    // A link fails where the name is taken; a rename would replace evidence.
    linkSync(unfinished, whole);
    unlinkSync(unfinished);
    folders.forEach(syncFolder);
  },
};

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
      const error = failure ?? this.syncFolders();
      this.syncing = false;
      if (error !== undefined) this.dirty = true;
      for (const done of served) done(error);
      if (this.waiting.length > 0) this.startSync();
      else if (this.closing) this.close();
    });
  }

  private syncFolders(): Error | undefined {
    try {
      this.folders.forEach(syncFolder);
      this.folders = [];
      return undefined;
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
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

function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
