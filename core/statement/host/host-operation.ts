/**
 * What a channel would do on a host, as it is judged, bound by an approval, recorded and shown to people: one shape for commands,
 * files, repositories and forwards. Two equal operations have equal effects, so that whoever holds one can judge it anew.
 */

/** Paths are absolute and in the one spelling that the host's own REALPATH gave them: no `.`, `..` or links. */
export type HostPath = string;

/** Absolute paths, as the pattern spells them, in the order of their characters. */
export type PatternMatches = {
  /** Folders whose names were looked at. */
  readonly folders: readonly string[];
  /** Those that match, at most 256. */
  readonly names: readonly string[];
};

export type HostOperation =
  | {
      readonly kind: 'exec';
      /** The bytes of the request, which are UTF-8 without NUL: anything else is refused before it gets here. */
      readonly command: string;
      /** The account on the host that runs it. */
      readonly account: string;
      /** Where it starts. */
      readonly home: HostPath;
      /** What the host says of paths in the command, as they are written → as they are; one that is missing is not known. */
      readonly resolved: ReadonlyMap<string, HostPath>;
      /** What names the host has for patterns in the command, by the text of each pattern; one that is missing is not known. */
      readonly matched?: ReadonlyMap<string, PatternMatches>;
    }
  | { readonly kind: 'shell'; readonly account: string }
  /** The start of a service that moves files: each of them is an operation of its own. */
  | {
      readonly kind: 'transfer';
      readonly by: 'sftp' | 'scp';
      /** The command line that starts it; empty for the subsystem. */
      readonly command: string;
      readonly account: string;
    }
  | {
      readonly kind: 'file';
      readonly by: 'sftp' | 'scp' | 'rsync';
      readonly action: 'read' | 'list' | 'write' | 'rename' | 'remove' | 'makeFolder' | 'removeFolder' | 'setAttributes';
      /** One; old and new of a rename; or all places of which the host alone knows which it takes, so that all must be permitted. */
      readonly paths: readonly HostPath[];
      /** Folders with all that they hold. */
      readonly recursive: boolean;
      /** What `setAttributes` sets, for people to read and approvals to bind: `mode 4755, owner 0:0`. */
      readonly attributes?: string;
      readonly account: string;
      readonly home: HostPath;
    }
  | { readonly kind: 'gitFetch'; readonly repository: HostPath; readonly account: string }
  | {
      readonly kind: 'gitPush';
      readonly repository: HostPath;
      readonly account: string;
      readonly updates: readonly RefUpdate[];
      /** What the push tells the host's hooks (`git push --push-option`), in the order sent. */
      readonly options?: readonly string[];
    }
  | { readonly kind: 'forward'; readonly endpoint: string; readonly account: string };

export type RefUpdate = {
  /** `refs/heads/main` */
  readonly ref: string;
  /** Object ids in hex; all zeros where there is none. */
  readonly from: string;
  readonly to: string;
  /** `force` is every change of an existing ref that is not proven to be a fast-forward. */
  readonly change: 'create' | 'update' | 'force' | 'delete';
};
