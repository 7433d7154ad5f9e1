/** The major versions whose grammar is carried; any other is refused (ZG014). */
export const POSTGRES_MAJORS = [15, 16, 17, 18] as const;
export type PostgresMajor = (typeof POSTGRES_MAJORS)[number];

/** A database that agents may ask for by name. Read from `sallyport.yaml`; it names its credential, never contains it. */
export type PostgresTarget = {
  readonly kind: 'postgres';
  /** The database name that clients ask for. */
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** The database's name on the target. */
  readonly database: string;
  /** The role that the gateway logs in with. */
  readonly user: string;
  readonly tls: UpstreamTls;
  readonly credential: CredentialRef;
  /** On AWS: the role through which the credential is had (design §10). */
  readonly assume?: AssumeRole;
  readonly limits: TargetLimits;
  /** Whether plain reads may run before their intent is written (design §9); false unless the target opts out. */
  readonly readsUnrecorded: boolean;
  /** `rows`: masked rows are recorded; `digest`: only their hash and count. */
  readonly recordRows: 'rows' | 'digest';
  /** What becomes of a value that a detector finds outside masked columns; `off` switches the detectors off. */
  readonly detectors: readonly string[];
};

/** A host that agents may ask for by name, over SSH. Read from `sallyport.yaml`; it names its credential, never contains it. */
export type SshTarget = {
  readonly kind: 'ssh';
  /** What clients write as user name: `web1`, or `deploy+web1` for an account that is not the first. */
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** Accounts on the host that agents may ask for; the first is the one they get where they name none. */
  readonly accounts: readonly [string, ...string[]];
  /** `SHA256:…` of the host's public keys, as `ssh-keygen -l` prints it: any other key ends the connection. At least one. */
  readonly hostKeys: readonly string[];
  readonly credential: HostCredentialRef;
  /** On AWS: the role through which the credential is had (design §10). */
  readonly assume?: AssumeRole;
  /** For `instanceConnect`: the instance that the key is pushed to. */
  readonly instanceId?: string;
  /** For `sshCa`: where the host sees the gateway come from, in addresses and ranges; absent: anywhere. */
  readonly sourceAddresses?: readonly string[];
  /** What runs commands: `posix` for sh, dash and bash; `other`: no command is read, each is opaque. */
  readonly shell: 'posix' | 'other';
  /** Names of variables that clients may set, in capitals; `LC_*` is every name that starts so. */
  readonly environment: readonly string[];
  readonly limits: HostLimits;
  /** `rows`: what channels carry is recorded; `digest`: only its hash and length. */
  readonly recordContent: 'rows' | 'digest';
  /** Detectors by which what programs print is redacted, and transfers are scanned. */
  readonly detectors: readonly string[];
  /** Transfers that end where a detector finds something in them, since a file cannot be redacted on its way. */
  readonly blockFindings: 'none' | 'read' | 'write' | 'both';
};

export type Target = PostgresTarget | SshTarget;

/** The database of this name; a host of this name is none. */
export function findDatabase(targets: readonly Target[], name: string): PostgresTarget | undefined {
  return targets.find((target): target is PostgresTarget => target.kind === 'postgres' && target.name === name);
}

/** The host of this name; a database of this name is none. */
export function findHost(targets: readonly Target[], name: string): SshTarget | undefined {
  return targets.find((target): target is SshTarget => target.kind === 'ssh' && target.name === name);
}

export type UpstreamTls =
  /** `ca`: the authorities in PEM themselves, where no file holds them; RDS has its own. */
  | { readonly mode: 'verify-full'; readonly caFile?: string; readonly ca?: string; readonly serverName?: string }
  /** Only accepted for loopback targets and Unix sockets. */
  | { readonly mode: 'disable' };

export type CredentialRef =
  | { readonly kind: 'env'; readonly name: string }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'secretsManager'; readonly arn: string }
  | { readonly kind: 'rdsIam' };

export type HostCredentialRef =
  /** A private key, in PEM or OpenSSH's own form and without a passphrase. */
  | { readonly kind: 'env'; readonly name: string }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'secretsManager'; readonly arn: string }
  /** A certificate for minutes, signed by the gateway's own authority, which the host trusts. */
  | { readonly kind: 'sshCa' }
  /** A key that EC2 Instance Connect pushes to the instance for one minute. */
  | { readonly kind: 'instanceConnect' };

/** A role in the target's account, which `issue-credential` alone may assume. */
export type AssumeRole = {
  readonly role: string;
  readonly externalId?: string;
  /** For `rdsIam`, where the host's name does not say it, and for `instanceConnect`. */
  readonly region?: string;
  /** For `rdsIam`: the one database; absent: any that the role itself reaches. */
  readonly dbResourceId?: string;
};

export type TargetLimits = {
  /** Rows and bytes that one statement may release; ZG011. */
  readonly maxRows: number;
  readonly maxBytes: number;
  /** Sums per principal; ZG012. */
  readonly budgets: readonly Budget[];
  readonly maxSessionMs: number;
  readonly idleMs: number;
  readonly maxStatementBytes: number;
};

export type HostLimits = Omit<TargetLimits, 'maxRows'> & {
  /** Channels of one session that are open at once. */
  readonly maxChannels: number;
};

export type Budget = {
  readonly per: 'session' | 'hour' | 'day';
  readonly measure: 'rows' | 'bytes' | 'statements' | 'lookups';
  readonly limit: number;
};
