/** What `sallyport.schema.json` accepts, in TypeScript's words. */
import type { AssumeRole, Budget } from '../target.ts';

export type SallyportFile = {
  readonly listeners?: {
    readonly postgres?: ListenerFile;
    readonly api?: ListenerFile;
    readonly ssh?: Pick<ListenerFile, 'host' | 'port'>;
  };
  readonly issuers: readonly IssuerFile[];
  readonly agents?: readonly AgentFile[];
  readonly sshUserCas?: readonly { readonly issuer: string; readonly publicKey: string; readonly agentFrom?: 'keyId' | 'principal' }[];
  readonly approverGroups?: Readonly<Record<string, string>>;
  readonly targets: readonly TargetFile[];
  readonly limits?: LimitsFile;
  readonly recording?: { readonly rows?: 'rows' | 'digest'; readonly retention?: string };
};

export type ListenerFile = {
  readonly host?: string;
  readonly port?: number;
  readonly tls?: { readonly certFile: string; readonly keyFile: string };
  /** On the API's listener only. */
  readonly publicUrl?: string;
};

export type IssuerFile = {
  readonly name: string;
  readonly issuer: string;
  readonly audience: string;
  readonly audienceClaim?: string;
  readonly algorithms?: readonly string[];
  readonly jwksUri?: string;
  readonly keys?: readonly Readonly<Record<string, unknown>>[];
  readonly groupsClaim?: string;
  readonly groupsAre?: 'human' | 'delegated';
  readonly personClaim?: string;
  readonly clockSkew?: string;
  readonly approverClientIds?: readonly string[];
};

export type AgentFile = {
  readonly name: string;
  readonly owner?: string;
  readonly groups?: readonly string[];
  readonly shortName?: string;
};

export type TargetFile = DatabaseFile | HostFile;

export type DatabaseFile = {
  readonly name: string;
  readonly kind?: 'postgres';
  readonly host: string;
  readonly port?: number;
  readonly database?: string;
  readonly user: string;
  readonly tls?: { readonly mode: 'verify-full' | 'disable'; readonly caFile?: string; readonly ca?: string; readonly serverName?: string };
  readonly credential: string;
  readonly assume?: AssumeRole;
  readonly limits?: LimitsFile;
  readonly readsUnrecorded?: boolean;
  readonly recordRows?: 'rows' | 'digest';
};

export type HostFile = {
  readonly name: string;
  readonly kind: 'ssh';
  readonly host: string;
  readonly port?: number;
  readonly accounts: readonly string[];
  readonly hostKeys: readonly string[];
  readonly credential: string;
  readonly assume?: AssumeRole;
  readonly instanceId?: string;
  readonly sourceAddresses?: readonly string[];
  readonly shell?: 'posix' | 'other';
  readonly environment?: readonly string[];
  readonly limits?: Omit<LimitsFile, 'maxRows'> & { readonly maxChannels?: number };
  readonly recordContent?: 'rows' | 'digest';
  readonly blockFindings?: 'none' | 'read' | 'write' | 'both';
};

export type LimitsFile = {
  readonly maxRows?: number;
  readonly maxBytes?: number;
  readonly maxStatementBytes?: number;
  readonly maxSession?: string;
  readonly idle?: string;
  readonly budgets?: readonly Budget[];
};
