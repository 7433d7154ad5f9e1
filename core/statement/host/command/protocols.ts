/**
 * Command lines by which clients start a protocol instead of a program: what goes over the channel is then judged piece by piece,
 * and the line itself only says which protocol it is. Anything unusual about such a line makes it a command like any other.
 */
import type { HostPath } from '../host-operation.ts';
import type { CommandParser } from './parse-command.ts';
import { shellProgramName } from './programs/all.ts';
import { valueOf } from './value.ts';

export type HostProtocol =
  | { readonly kind: 'sftp' }
  | {
      readonly kind: 'scp';
      /** `source` sends the file to the client (`-f`), `sink` takes it (`-t`). */
      readonly mode: 'source' | 'sink';
      readonly recursive: boolean;
      readonly preserve: boolean;
      /** The target must be a folder (`-d`). */
      readonly folder: boolean;
      /** As written, with the home folder in place of `~`; relative to it. */
      readonly paths: readonly string[];
    }
  | {
      readonly kind: 'rsync';
      /** Whether the host sends (`--sender`) or takes. */
      readonly mode: 'sender' | 'receiver';
      /** The letters of its short options without what follows `e`: `logDtpr`. */
      readonly flags: string;
      /** Its long options but `--server` and `--sender`, as written. */
      readonly options: readonly string[];
      /** All words before the paths, the program's name first. */
      readonly words: readonly string[];
      readonly paths: readonly string[];
    }
  /** `repository` as written: git itself reads a leading `~` in it, and looks for `.git` beside and below it. */
  | { readonly kind: 'gitFetch' | 'gitPush'; readonly repository: string };

/** Where hosts keep OpenSSH's own. */
const SFTP_SERVERS = new Set(
  [
    'internal-sftp sftp-server /usr/lib/openssh/sftp-server /usr/lib/ssh/sftp-server /usr/libexec/openssh/sftp-server',
    '/usr/libexec/sftp-server /usr/libexec/ssh/sftp-server /usr/lib/sftp-server /usr/lib64/ssh/sftp-server',
  ].flatMap((line) => line.split(' ')),
);

/** Undefined for a command that is none of a protocol's. */
export function protocolOf(parser: CommandParser, command: string, home: HostPath): HostProtocol | undefined {
  const words = soleWords(parser, command, home);
  const [called = '', ...rest] = words ?? [];
  if (SFTP_SERVERS.has(called)) return rest.length === 0 ? { kind: 'sftp' } : undefined;
  switch (shellProgramName(called)) {
    case 'scp':
      return scp(rest);
    case 'rsync':
      return rsync(called, rest);
    case 'git-upload-pack':
      return git('gitFetch', rest);
    case 'git-receive-pack':
      return git('gitPush', rest);
    case 'git': {
      const [verb, ...more] = rest;
      return verb === 'upload-pack' ? git('gitFetch', more) : verb === 'receive-pack' ? git('gitPush', more) : undefined;
    }
    default:
      return undefined;
  }
}

/** The words of a line that is one simple command of constants. */
function soleWords(parser: CommandParser, command: string, home: HostPath): readonly string[] | undefined {
  const parsed = parser.parse(command);
  if (parsed.kind !== 'parsed' || parsed.list.length !== 1) return undefined;
  const [item] = parsed.list;
  const [only, ...others] = item?.pipeline.commands ?? [];
  if (only?.kind !== 'simple' || others.length > 0 || item?.pipeline.negated === true || item?.joint === '&') return undefined;
  if (only.assignments.length > 0 || only.redirects.length > 0) return undefined;
  const words: string[] = [];
  for (const word of only.words) {
    const value = valueOf(word, home);
    if (value.kind !== 'constant') return undefined;
    words.push(value.text);
  }
  return words;
}

function scp(words: readonly string[]): HostProtocol | undefined {
  const end = words.findIndex((word) => word === '--' || !/^-[vrpdtfq]+$/u.test(word));
  const flags = new Set(words.slice(0, end === -1 ? words.length : end).flatMap((word) => word.slice(1).split('')));
  const paths = end === -1 ? [] : words.slice(words[end] === '--' ? end + 1 : end);
  if (flags.has('t') === flags.has('f') || paths.length === 0) return undefined;
  if (paths.some((path) => path === '' || (words[end] !== '--' && path.startsWith('-')))) return undefined;
  if (flags.has('t') && paths.length > 1) return undefined;
  return {
    kind: 'scp',
    mode: flags.has('f') ? 'source' : 'sink',
    recursive: flags.has('r'),
    preserve: flags.has('p'),
    folder: flags.has('d'),
    paths,
  };
}

/** Of the options that rsync gives its server, those that only say how it transfers what is judged anyway. */
const RSYNC_OPTIONS = new RegExp(
  `^--(?:${[
    'delete(?:-before|-during|-after|-delay|-excluded|-missing-args)?|ignore-errors|max-delete=\\d+|force',
    'existing|ignore-existing|ignore-times|size-only|update|inplace|append|append-verify|partial|no-relative|no-r|mkpath|fsync',
    'numeric-ids|stats|timeout=\\d+|bwlimit=[\\w.]+|max-size=[\\w.+-]+|min-size=[\\w.+-]+|modify-window=-?\\d+|block-size=\\d+',
    'compress-level=-?\\d+|compress-choice=\\w+|new-compress|old-compress|checksum-choice=[\\w,]+|log-format=[%\\w]*|out-format=[%\\w]*',
    'no-W|whole-file|no-whole-file|safe-links|munge-links|omit-dir-times|omit-link-times|open-noatime|preallocate|sparse|one-file-system',
  ].join('|')})$`,
  'u',
);

function rsync(called: string, words: readonly string[]): HostProtocol | undefined {
  const [server, ...rest] = words;
  if (server !== '--server') return undefined;
  const dot = rest.indexOf('.');
  if (dot === -1) return undefined;
  const given = rest.slice(0, dot);
  const paths = rest.slice(dot + 1);
  const options = given.filter((word) => word.startsWith('--') && word !== '--sender');
  const bundles = given.filter((word) => !word.startsWith('--'));
  // `e` and what follows it is what the client can do, not a command.
  const flags = bundles.map((word) => /^-([a-df-zA-Z]*)(?:e[\d.]*[a-zA-Z]*)?$/u.exec(word)?.[1]);
  if (flags.some((each) => each === undefined) || options.some((option) => !RSYNC_OPTIONS.test(option))) return undefined;
  if (paths.length === 0 || paths.some((path) => path === '' || path.startsWith('-'))) return undefined;
  const mode = given.includes('--sender') ? 'sender' : 'receiver';
  return { kind: 'rsync', mode, flags: flags.join(''), options, words: [called, server, ...given], paths };
}

function git(kind: 'gitFetch' | 'gitPush', words: readonly string[]): HostProtocol | undefined {
  const given = words.slice(0, -1);
  const repository = words.at(-1);
  if (repository === undefined || repository === '' || repository.startsWith('-')) return undefined;
  const known = kind === 'gitFetch' ? /^--(?:strict|no-strict|timeout=\d+)$/u : /^$/u;
  return given.every((option) => known.test(option)) ? { kind, repository } : undefined;
}
