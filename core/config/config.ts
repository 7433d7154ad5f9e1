/** The whole configuration, read and checked: what a deployable composes itself from. */
import type { MaskRule, PatternRule } from '../masking/rules.ts';
import type { PersonKey } from '../principal.ts';
import type { Policy } from '../policy/policy.ts';
import type { Target } from '../target.ts';
import type { PolicyCase } from './policy-case.ts';

export type Config = {
  /** `b-` and the first 16 hex digits of the SHA-256 over the canonical content. */
  readonly version: string;
  /** Without `ssh` there is no SSH. */
  readonly listeners: { readonly postgres: Listener; readonly api: ApiListener; readonly ssh?: SshListener };
  readonly issuers: readonly IssuerConfig[];
  readonly agents: readonly AgentConfig[];
  readonly sshUserCas: readonly SshUserCa[];
  /** Bare name as used in `@approvers` → namespaced group. */
  readonly approverGroups: ReadonlyMap<string, string>;
  readonly targets: readonly Target[];
  readonly recording: RecordingConfig;
  readonly policies: readonly Policy[];
  readonly masks: readonly MaskRule[];
  readonly patterns: readonly PatternRule[];
  readonly cases: readonly PolicyCase[];
};

/** Without `tls` a listener is on loopback. Port 0 picks a free one. */
export type Listener = { readonly host: string; readonly port: number; readonly tls?: ListenerTls };

/** Paths as written: relative ones are below the configuration directory. */
export type ListenerTls = { readonly certFile: string; readonly keyFile: string };

/** `publicUrl` starts the links that people get, without a slash at its end; absent, the listener's own address does. */
export type ApiListener = Listener & { readonly publicUrl?: string };

/** SSH brings its own encryption: it may listen anywhere. Port 0 picks a free one. */
export type SshListener = Pick<Listener, 'host' | 'port'>;

/** An authority whose OpenSSH user certificates are taken as an agent's identity, in place of a token. */
export type SshUserCa = {
  /** Short name of the configured issuer in whose namespace its agents are. */
  readonly issuer: string;
  /** The authority's public key, as its line in `authorized_keys` has it: type, then the blob in base64. */
  readonly publicKey: { readonly type: string; readonly blob: Uint8Array };
  /** What names the agent: the certificate's key id, or its first principal. */
  readonly agentFrom: 'keyId' | 'principal';
};

/** An issuer of tokens, and how its claims are to be read. */
export type IssuerConfig = {
  /** Namespace of its agents and groups. */
  readonly name: string;
  /** `iss`, to the letter. */
  readonly issuer: string;
  /** What `audienceClaim` must hold. */
  readonly audience: string;
  /** `aud`, unless the issuer puts the audience elsewhere (`client_id` of Cognito's access tokens). */
  readonly audienceClaim: string;
  readonly algorithms: readonly string[];
  /** Where the keys come from; absent: OpenID discovery. */
  readonly jwksUri?: string;
  /** Public keys as JWKs, for issuers that cannot be reached. */
  readonly keys?: readonly Readonly<Record<string, unknown>>[];
  readonly groupsClaim: string;
  /**
   * Whose groups a delegated token carries. `human`: those of the person; rights are the intersection with the agent's
   * configured groups. `delegated`: the issuer has intersected already; configured groups can only narrow further.
   */
  readonly groupsAre: 'human' | 'delegated';
  readonly personClaim: string;
  readonly clockSkewMs: number;
  /** Client ids that people sign in with to approve (the console's page, the command); without any they cannot. */
  readonly approverClientIds: readonly string[];
};

export type AgentConfig = {
  /** Namespaced: `corp/agent-7`. */
  readonly name: string;
  readonly owner?: PersonKey;
  /** Namespaced, the most that the agent may have; absent: no such bound, but none of a human's groups either. */
  readonly groups?: readonly string[];
  /** What CloudTrail shows as `sourceIdentity` of what this agent does; absent: a hash of its name. */
  readonly shortName?: string;
};

export type RecordingConfig = {
  /** How long recordings are kept. */
  readonly retentionMs: number;
};
