/** From an operation on a host to everything that it can cause: the same wherever it is read (design §11). */
import type { Effect, Resource } from '../effect.ts';
import type { HostOperation, HostPath, RefUpdate } from './host-operation.ts';
import type { HostReading, ReadExec } from './host-reading.ts';
import { isLoginPath, mayHoldLoginPath } from './login-paths.ts';

type FileOperation = HostOperation & { readonly kind: 'file' };

const WHOLE: ReadonlySet<FileOperation['action']> = new Set(['rename', 'removeFolder', 'setAttributes']);
const TARGET: Resource = { type: 'Target', path: [] };

/** Pure: equal operations have equal readings. `readExec` reads command lines. */
export function readOperation(operation: HostOperation, readExec: ReadExec): HostReading {
  switch (operation.kind) {
    case 'exec':
      return withUnknown(readExec(operation));
    case 'shell':
      return plain([{ action: 'openShell', resource: TARGET }]);
    case 'transfer':
      // It opens the way to files, as a session does; `judgeOperation` asks whether there is any.
      return plain([{ action: 'connect', resource: TARGET, via: operation.by }]);
    case 'file':
      return readFileOperation(operation);
    case 'gitFetch':
      return plain([{ action: 'gitFetch', resource: repositoryOf(operation.repository) }]);
    case 'gitPush': {
      const { repository, updates } = operation;
      // A push is answered with all refs before anything is updated: that alone is what a fetch begins with.
      if (updates.length === 0) return plain([{ action: 'gitFetch', resource: repositoryOf(repository) }]);
      return plain(updates.map((update) => refEffect(repository, update)));
    }
    case 'forward':
      return plain([{ action: 'forward', resource: { type: 'Endpoint', path: [operation.endpoint] } }]);
  }
}

/** An empty list of effects would be permitted, and what is opaque may cause anything. */
function withUnknown(reading: HostReading): HostReading {
  const known = reading.effects.some(({ action }) => action === 'unknown');
  if (reading.effects.length > 0 && (!reading.opaque || known)) return reading;
  const via = reading.reason ?? 'the command is not understood';
  return {
    ...reading,
    opaque: true,
    effects: [...reading.effects, ...(known ? [] : [{ action: 'unknown', resource: TARGET, via } as const])],
  };
}

function plain(effects: readonly Effect[]): HostReading {
  return { effects, opaque: false, unbounded: false };
}

function readFileOperation(operation: FileOperation): HostReading {
  const effects = operation.paths.flatMap((path) => fileEffects(operation, path));
  return withUnknown({ effects, opaque: false, unbounded: operation.recursive });
}

function fileEffects({ action, recursive, home }: FileOperation, path: HostPath): readonly Effect[] {
  const resource: Resource = { type: 'File', path: partsOf(path) };
  // What is done to a folder as a whole is done to what it holds.
  const runsLater = recursive || WHOLE.has(action) ? mayHoldLoginPath(path, home) : isLoginPath(path, home);
  const login: readonly Effect[] = runsLater ? [{ action: 'writeLogin', resource }] : [];
  switch (action) {
    case 'read':
      return [{ action: 'readFile', resource }];
    case 'list':
      return [{ action: 'listFiles', resource }];
    case 'write':
    case 'makeFolder':
      // Of a folder that may hold such a file, the others are written too.
      return runsLater && !recursive ? login : [{ action: 'writeFile', resource }, ...login];
    case 'rename':
      return [{ action: 'renameFile', resource }, ...login];
    case 'remove':
    case 'removeFolder':
      return [{ action: 'removeFile', resource }, ...login];
    case 'setAttributes':
      return [{ action: 'setAttributes', resource }, ...login];
  }
}

const REF_ACTIONS = { create: 'gitCreate', update: 'gitUpdate', force: 'gitForce', delete: 'gitDelete' } as const;

function refEffect(repository: HostPath, { ref, change }: RefUpdate): Effect {
  return { action: REF_ACTIONS[change], resource: { type: 'Ref', path: [...partsOf(repository), ref] } };
}

function repositoryOf(path: HostPath): Resource {
  return { type: 'Repository', path: partsOf(path) };
}

/** What is not absolute, or has a part that is empty, `.` or `..`, cannot be placed by policy and is blocked there. */
function partsOf(path: HostPath): readonly string[] {
  if (path === '/') return [];
  return path.startsWith('/') ? path.slice(1).split('/') : ['', path];
}
