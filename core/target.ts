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

/** A role in the target's account, which `issue-credential` alone may assume. */
export type AssumeRole = {
  readonly role: string;
  readonly externalId?: string;
  /** For `rdsIam`, where the host's name does not say it. */
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

export type Budget = {
  readonly per: 'session' | 'hour' | 'day';
  readonly measure: 'rows' | 'bytes' | 'statements' | 'lookups';
  readonly limit: number;
};
