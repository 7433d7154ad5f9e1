/** Which machine speaks on a channel: that of files for sftp, scp and rsync, that of repositories for git, none for other programs. */
import type { HostProtocol } from '../../core/statement/host/command/protocols.ts';
import type { HostOperation, HostPath } from '../../core/statement/host/host-operation.ts';
import { StreamScanner } from '../../core/masking/stream-scanner.ts';
import { RelayedActions, type ActionParts } from './channel-actions.ts';
import type { Asking } from './channel-judging.ts';
import type { ChannelProtocol } from './channel-protocol.ts';
import { GitProtocol } from './git-protocol.ts';
import { gitCommand, repositoryAt } from './git-repository.ts';
import type { LiveHostSession } from './live-session.ts';
import { unjudgeable, type HostRefusal } from './refusal.ts';
import { RsyncProtocol } from './rsync-machine.ts';
import { ScpProtocol } from './scp-machine.ts';
import { SftpProtocol } from './sftp-machine.ts';
import type { TransferRules } from './transfer.ts';

export type StartedProtocol = {
  readonly kind: 'protocol';
  /** What is judged before the channel opens on the host. */
  readonly first: readonly Asking[];
  /** Whether `first` is the start alone, since each operation asks for itself: it is complete when the host has started it. */
  readonly startsOnly?: true;
  /** What runs instead of what the client wrote: the same, with nothing left to be found out. */
  readonly command?: string;
  /** Whether git's own program runs. */
  readonly isGit?: true;
  /** `statement`: under which the first of `first` is on record. */
  make(statement: number | undefined): ChannelProtocol;
};

export type TransferStart = ActionParts & { readonly channel: number; readonly home: HostPath };

/** Files by packets: every one of them asks for itself. `command`: what starts it; empty for the subsystem. */
export function sftpOn(start: TransferStart, command = ''): StartedProtocol {
  const { session, channel, home } = start;
  return {
    kind: 'protocol',
    ...startOf('sftp', command, session),
    make: () => {
      const actions = new RelayedActions(start, () => machine);
      const machine = new SftpProtocol({ channel, actions, account: session.account, home, transfers: transferRules(session) });
      return withRulesOf(session, machine);
    },
  };
}

/** Undefined for a command that merely prints, and is judged as a whole. */
export async function protocolOn(
  command: string,
  start: TransferStart,
): Promise<StartedProtocol | { readonly kind: 'refused'; readonly refusal: HostRefusal } | undefined> {
  const { session, channel, home } = start;
  const { account } = session;
  // Where no shell is known, no line is known to be one of a protocol.
  const found = session.target.shell === 'posix' ? session.commands.protocolOf(command, home) : undefined;
  switch (found?.kind) {
    case undefined:
      return undefined;
    case 'sftp':
      return sftpOn(start, command);
    case 'scp':
      return {
        kind: 'protocol',
        ...startOf('scp', command, session),
        make: () => {
          const actions = new RelayedActions(start, () => machine);
          const machine = new ScpProtocol({ channel, actions, account, home, transfers: transferRules(session), command: found });
          return machine;
        },
      };
    case 'rsync': {
      // What is behind links is not what was judged.
      if (/[LkK]/u.test(found.flags)) return refused('links would be followed to what its command line does not name');
      if (found.mode === 'receiver' && /[XTMf]/u.test(found.flags))
        return refused('the files would get attributes, or the program files of its own, that are not judged');
      const first = rsyncOperations(found, session, home);
      for (const asking of first) if (isUnknown(await asking())) return refused('the host does not say where its paths lead');
      return {
        kind: 'protocol',
        first,
        command: rsyncCommand(found),
        make: (statement = 0) => {
          const actions = new RelayedActions(start, () => machine);
          const machine = new RsyncProtocol({ channel, actions, transfers: transferRules(session), command: found, statement });
          return machine;
        },
      };
    }
    case 'gitFetch':
    case 'gitPush': {
      const service = found.kind === 'gitFetch' ? 'upload-pack' : 'receive-pack';
      const repository = await repositoryAt(found.repository, session.paths);
      if (repository === undefined) return refused('the host does not say which repository it is');
      return {
        kind: 'protocol',
        // A push begins as a fetch does, with all refs; what it updates is asked for when it is known.
        first: [() => Promise.resolve({ kind: 'gitFetch', repository, account })],
        command: gitCommand(service, repository),
        isGit: true,
        make: (statement = 0) => {
          const actions = new RelayedActions(start, () => machine);
          const machine = new GitProtocol({ channel, actions, account, repository, service, statement });
          return machine;
        },
      };
    }
  }
}

/** That it starts is judged and recorded as everything else is, before it is known which files it is for. */
function startOf(by: 'sftp' | 'scp', command: string, { account }: LiveHostSession): Pick<StartedProtocol, 'first' | 'startsOnly'> {
  return { first: [() => Promise.resolve({ kind: 'transfer', by, command, account })], startsOnly: true };
}

/** What goes over the channel of rsync is not read: all that its command line lets it do is judged. */
function rsyncOperations(
  { mode, flags, options, paths }: HostProtocol & { readonly kind: 'rsync' },
  { account, paths: host }: LiveHostSession,
  home: HostPath,
): readonly Asking[] {
  const asking = (action: 'read' | 'write' | 'remove', recursive: boolean): Asking => {
    return async (): Promise<HostOperation> => {
      const real = await Promise.all(paths.map((path) => host.resolve(path)));
      return { kind: 'file', by: 'rsync', action, paths: real.map((path) => path ?? ''), recursive, account, home };
    };
  };
  if (mode === 'sender') return [asking('read', /[ar]/u.test(flags))];
  const removes = options.some((option) => option.startsWith('--delete'));
  return removes ? [asking('write', true), asking('remove', true)] : [asking('write', true)];
}

/**
 * What nobody has judged, the host's rsync is told to leave out, whatever the client sends: links that lead out of the folder, files
 * that run as their owner, devices.
 */
function rsyncCommand({ mode, words, paths }: HostProtocol & { readonly kind: 'rsync' }): string {
  const kept = mode === 'receiver' ? ['--safe-links', '--no-D', '--chmod=Fug-s'] : [];
  return [...words, ...kept, '.', ...paths].map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
}

function isUnknown(operation: HostOperation): boolean {
  return operation.kind === 'file' && operation.paths.includes('');
}

function refused(reason: string): { readonly kind: 'refused'; readonly refusal: HostRefusal } {
  return { kind: 'refused', refusal: unjudgeable(reason) };
}

function transferRules(session: LiveHostSession): TransferRules {
  const { blockFindings } = session.target;
  return {
    blockFindings,
    newScanner: () => {
      const set = session.detectors();
      return set.detectors.length === 0 ? undefined : new StreamScanner(set);
    },
  };
}

/** Listings are not judged one by one: under other rules they are judged anew. */
function withRulesOf(session: LiveHostSession, machine: SftpProtocol): ChannelProtocol {
  let { version } = session.bundle();
  return {
    fromClient: (chunk) => {
      const now = session.bundle().version;
      if (now !== version) machine.forgetListings();
      version = now;
      machine.fromClient(chunk);
    },
    fromTarget: (chunk, stream) => machine.fromTarget(chunk, stream),
    clientEnded: () => machine.clientEnded(),
    targetEnded: () => machine.targetEnded(),
    answered: (ask, answer) => machine.answered(ask, answer),
  };
}
