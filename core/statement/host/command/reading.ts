/** Gathers what a command line can cause while it is read. */
import type { Effect, Resource } from '../../effect.ts';
import type { HostPath, PatternMatches } from '../host-operation.ts';
import { isLoginPath, mayHoldLoginPath } from '../login-paths.ts';
import { patternOf, type PathPattern } from './pattern.ts';
import { Unsettled } from './unsettled.ts';
import { eachOf, type Glob, type Value } from './value.ts';

/** Paths of one command line: the host is asked for each. More is no command that people write. */
const MAX_PATHS = 256;
/** Patterns of one command line: the host lists folders for each. */
const MAX_PATTERNS = 16;
/** Effects of one command line. */
const MAX_EFFECTS = 512;

export type FileAction = 'readFile' | 'listFiles' | 'writeFile' | 'renameFile' | 'removeFile' | 'setAttributes';

/** Where a command runs, and as whom. */
export type Place = {
  /** Every folder that may be the current one, absolute, as the shell names it. Empty where it is not known. */
  readonly folders: readonly string[];
  /** Undefined where it is not known. */
  readonly home: string | undefined;
  /** Not the account that asked the host about paths. */
  readonly elevated: boolean;
  /** Standard output goes to another program, so it is no terminal. */
  readonly piped: boolean;
  /** Standard output goes into a file. */
  readonly redirected: boolean;
};

export type PathUse = {
  /** With all below it. */
  readonly below?: boolean;
  /** A link itself, not what it points to. */
  readonly link?: boolean;
};

/** What the host says a path is, by its absolute spelling; undefined where it cannot say. */
export type Resolve = (path: string) => HostPath | undefined;

/** Behind a path: whether it is a folder. The answer is any path where it may be; without a host to ask, it is read as a file. */
export const FOLDER_ONLY = '/././';

/** Devices that hold nothing: what is read from or written to them is no file. */
const NO_FILES = new Set([
  '/dev/null',
  '/dev/zero',
  '/dev/full',
  '/dev/stdin',
  '/dev/stdout',
  '/dev/stderr',
  '/dev/tty',
  '/dev/urandom',
  '/dev/random',
]);

export class Reading {
  readonly effects = new Map<string, Effect>();
  /** As the command names them, made absolute: what has to be resolved. */
  readonly paths = new Set<string>();
  /** By their texts: what the host has to be asked for first. */
  readonly patterns = new Map<string, PathPattern>();
  reason: string | undefined;
  unbounded = false;
  readonly #resolve: Resolve;
  readonly #home: HostPath;
  readonly #matched: ReadonlyMap<string, PatternMatches>;
  readonly #unsettled = new Unsettled();

  constructor(resolve: Resolve, home: HostPath, matched: ReadonlyMap<string, PatternMatches>) {
    this.#resolve = resolve;
    this.#home = home;
    this.#matched = matched;
  }

  /** Another command begins: what one does, the others may meet. */
  begin(): void {
    this.#unsettled.begin();
  }

  /** The line is at its end: what one command changes may not be what another was read with. */
  settle(): void {
    const reason = this.#unsettled.conflict();
    if (reason !== undefined) this.opaque(reason);
  }

  /** Something runs, or is touched, of which nothing is known. The first reason is kept. */
  opaque(reason: string): void {
    this.reason ??= reason;
  }

  add(effect: Effect): void {
    const key = JSON.stringify([effect.action, effect.resource.type, effect.resource.path]);
    const known = this.effects.get(key);
    if (known !== undefined && (known.via !== undefined || effect.via === undefined)) return;
    if (known === undefined && this.effects.size >= MAX_EFFECTS) this.opaque('it touches too much');
    else this.effects.set(key, effect);
  }

  runs(program: string): void {
    this.add({ action: 'runProgram', resource: { type: 'Program', path: [program] } });
  }

  /** One use of the file or folder that a word names. */
  file(action: FileAction, value: Value, place: Place, use: PathUse = {}): void {
    if (value.kind === 'unknown') return this.opaque('a path in it is not known');
    if (value.kind === 'glob' && value.names !== undefined) {
      for (const name of value.names) this.#at(action, name, place, use);
      return;
    }
    if (value.kind === 'glob') {
      // The names that match are not known: the folder stands for what it holds. What matches may be links, and lead elsewhere.
      if (use.link !== true || value.text.slice(value.folder.length).includes('/')) this.opaque('a pattern in it may match links');
      this.unbounded = true;
      const folder = value.folder === '' ? '.' : value.folder;
      return this.#at(action, folder, place, { below: true, link: false });
    }
    if (value.text === '') return this.opaque('a path in it is empty');
    this.#at(action, value.text, place, use);
  }

  /**
   * A pattern with what it stands for, where its shell is the account's own and the host has said so. That it matches names is
   * seen in what the program then says, so it lists their folder.
   */
  withNames(value: Glob, place: Place): Glob {
    const names = place.elevated ? undefined : this.#namesOf(value, place);
    return names === undefined ? value : { ...value, names };
  }

  /** `from` is at `to` afterwards, as a link where it is one, or a link to it is made below `to`: what others say of both is not what it was. */
  moves(from: Value, to: Value, place: Place): void {
    const links = eachOf(from).some((value) => value.kind !== 'constant' || this.#isLink(value.text, place));
    for (const value of eachOf(to)) {
      const paths = value.kind === 'constant' ? this.absolute(value.text, place) : [];
      for (const path of paths) {
        for (const at of [this.#ofLink(path), this.resolve(path)]) {
          if (at === undefined) continue;
          if (links) this.#unsettled.replaced(at);
          else this.#unsettled.filled(at);
        }
      }
    }
  }

  /** Anything may be below a folder afterwards, links included. */
  fills(folder: Value, place: Place): void {
    if (folder.kind !== 'constant') return;
    for (const path of this.absolute(folder.text, place)) {
      const real = this.resolve(path);
      if (real !== undefined) this.#unsettled.filled(real);
    }
  }

  /** Whether the host says that a path may be a folder. */
  isFolder(path: string, place: Place): boolean {
    if (path === '-') return false;
    return this.absolute(path, place).some((each) => {
      const asked = `${each}${FOLDER_ONLY}`;
      if (this.paths.size >= MAX_PATHS && !this.paths.has(asked)) return true;
      this.paths.add(asked);
      return this.#resolve(asked) !== undefined;
    });
  }

  #isLink(path: string, place: Place): boolean {
    return this.absolute(path, place).some((each) => {
      const own = this.#ofLink(each);
      return own === undefined || this.resolve(each) !== own;
    });
  }

  #namesOf(value: Glob, place: Place): readonly string[] | undefined {
    const isAbsolute = value.text.startsWith('/');
    const names: string[] = [];
    if (!isAbsolute && place.folders.length === 0) return undefined;
    for (const folder of isAbsolute ? ['/'] : place.folders) {
      const pattern = patternOf(value.parts, value.quoted, folder);
      if (pattern === undefined) return undefined;
      if (this.patterns.size >= MAX_PATTERNS && !this.patterns.has(pattern.text)) return undefined;
      this.patterns.set(pattern.text, pattern);
      const matched = this.#matched.get(pattern.text);
      if (matched === undefined) return undefined;
      // What begins with a dash is an option, unless something stands before it.
      const start = folder === '/' ? 1 : folder.length + 1;
      if (!isAbsolute && value.folder === '' && matched.names.some((name) => name.startsWith('-', start))) return undefined;
      for (const listed of matched.folders) {
        this.#at('listFiles', listed, place, {});
        const real = this.resolve(listed);
        if (real !== undefined) this.#unsettled.listed(real);
      }
      names.push(...(matched.names.length === 0 ? [pattern.literal] : matched.names));
    }
    return names;
  }

  /** The path from every folder that may be the current one; empty where none is known. */
  absolute(path: string, { folders }: Place): readonly string[] {
    if (path.startsWith('/')) return [path];
    return folders.map((folder) => (folder === '/' ? `/${path}` : `${folder}/${path}`));
  }

  resolve(path: string): HostPath | undefined {
    if (this.paths.size >= MAX_PATHS && !this.paths.has(path)) {
      this.opaque('it names too many paths');
      return undefined;
    }
    this.paths.add(path);
    const real = this.#resolve(path);
    return real !== undefined && isPlainPath(real) && isOfEveryProcess(path, real) ? real : undefined;
  }

  #at(action: FileAction, path: string, place: Place, use: PathUse): void {
    if (NO_FILES.has(path) && (action === 'readFile' || action === 'writeFile' || action === 'listFiles')) return;
    const absolute = this.absolute(path, place);
    if (absolute.length === 0) return this.opaque('the current folder is not known');
    for (const each of absolute) {
      const real = use.link === true ? this.#ofLink(each) : this.resolve(each);
      if (real === undefined) {
        this.opaque(`the host does not say what ${JSON.stringify(each)} is`);
        continue;
      }
      this.#touch(action, real, use.below === true);
      this.#unsettled.used(real, action !== 'readFile' && action !== 'listFiles');
      if (use.link === true && (action === 'renameFile' || action === 'removeFile')) this.#vacates(each, real);
    }
  }

  /** A link that is gone: its name may be used for something else afterwards, which was read as what the link led to. */
  #vacates(path: string, own: HostPath): void {
    const led = this.resolve(path);
    if (led !== undefined && led !== own) this.#unsettled.replaced(led);
  }

  /** A link's own place: its folder is resolved, its name is not. */
  #ofLink(path: string): HostPath | undefined {
    const trimmed = path.replace(/\/+$/u, '');
    const name = trimmed.slice(trimmed.lastIndexOf('/') + 1);
    if (name === '' || name === '.' || name === '..' || trimmed !== path) return this.resolve(path);
    const folder = this.resolve(trimmed.slice(0, -name.length - 1) || '/');
    if (folder === undefined) return undefined;
    return folder === '/' ? `/${name}` : `${folder}/${name}`;
  }

  #touch(action: FileAction, real: HostPath, below: boolean): void {
    const resource: Resource = { type: 'File', path: real.split('/').filter((part) => part !== '') };
    if (below) this.unbounded = true;
    const via = below ? { via: 'everything below it' } : {};
    const reads = action === 'readFile' || action === 'listFiles';
    const whole = below || action === 'renameFile' || action === 'setAttributes';
    const runsLater = !reads && (whole ? mayHoldLoginPath(real, this.#home) : isLoginPath(real, this.#home));
    if (action !== 'writeFile' || below || !runsLater) this.add({ action, resource, ...via });
    if (runsLater) this.add({ action: 'writeLogin', resource, ...via });
  }
}

/**
 * What a process finds of itself under `/proc` and `/dev/fd` is not what the host finds there when it is asked: what leads through
 * them is not known.
 */
function isOfEveryProcess(path: string, real: HostPath): boolean {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('proc')) return path === real && !parts.includes('self') && !parts.includes('thread-self');
  return !parts.some((part, index) => part === 'dev' && ['fd', 'stdin', 'stdout', 'stderr'].includes(parts[index + 1] ?? ''));
}

function isPlainPath(path: string): boolean {
  return path === '/' || /^(?:\/(?!\.{1,2}(?:\/|$))[^/\0]+)+$/u.test(path);
}
