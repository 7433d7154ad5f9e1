/** What a task is told by its task definition: names and addresses only, all checked before anything starts. */
import type { BlockList } from 'node:net';
import { SallyportError } from '../core/errors.ts';
import { loadBalancerRanges } from './preamble.ts';

/** The task was deployed without something it needs; every variable that is missing or wrong is named. */
export class ProxyConfigInvalid extends SallyportError {
  readonly code = 'proxy-config-invalid';
}

export type ProxyConfig = {
  readonly instance: string;
  readonly tables: {
    readonly journal: string;
    readonly writers: string;
    readonly sessions: string;
    readonly control: string;
    readonly cancels: string;
    readonly requests: string;
    readonly decisions: string;
    readonly claims: string;
    readonly budgets: string;
    readonly sshKeys: string;
  };
  readonly buckets: { readonly evidence: string; readonly staging: string; readonly config: string };
  readonly functions: {
    readonly evaluatePolicy: string;
    readonly lookupMasking: string;
    readonly issueCredential: string;
    readonly requestApproval: string;
  };
  readonly bundleKey: string;
  readonly secretsArn: string;
  /** Absent on loopback alone, where no TLS is demanded. */
  readonly tlsSecretArn: string | undefined;
  /** The key by which SSH clients know the gateway; absent where it speaks no SSH. */
  readonly sshHostKeySecretArn: string | undefined;
  /** Without a slash at its end. */
  readonly publicUrl: string;
  readonly generation: number;
  readonly image: string;
  /** All addresses inside ECS, loopback outside of it. */
  readonly host: string;
  readonly postgresPort: number;
  readonly sshPort: number;
  readonly healthPort: number;
  /** Where a load balancer speaks before the client: its addresses. */
  readonly loadBalancer: BlockList | undefined;
  readonly ecs: { readonly metadataUri: string; readonly agentUri: string } | undefined;
};

type Environment = Readonly<Record<string, string | undefined>>;

/** Throws ProxyConfigInvalid. */
export function readProxyConfig(env: Environment): ProxyConfig {
  const problems: string[] = [];
  const optional = (name: string): string | undefined => (env[name] === '' ? undefined : env[name]);
  const required = (name: string): string => {
    const value = optional(name);
    if (value === undefined) problems.push(`${name} is not set`);
    return value ?? '';
  };
  const integer = (name: string, least: number, most: number, otherwise: number): number => {
    const text = optional(name);
    const value = text === undefined ? otherwise : Number(text);
    if (!Number.isSafeInteger(value) || value < least || value > most) problems.push(`${name} is not a number from ${least} to ${most}`);
    return value;
  };
  const ecs = ecsOf(env);
  const config: ProxyConfig = {
    instance: required('SALLYPORT_INSTANCE'),
    tables: {
      journal: required('SALLYPORT_JOURNAL_TABLE'),
      writers: required('SALLYPORT_WRITERS_TABLE'),
      sessions: required('SALLYPORT_SESSIONS_TABLE'),
      control: required('SALLYPORT_CONTROL_TABLE'),
      cancels: required('SALLYPORT_CANCELS_TABLE'),
      requests: required('SALLYPORT_REQUESTS_TABLE'),
      decisions: required('SALLYPORT_DECISIONS_TABLE'),
      claims: required('SALLYPORT_CLAIMS_TABLE'),
      budgets: required('SALLYPORT_BUDGETS_TABLE'),
      sshKeys: required('SALLYPORT_SSHKEYS_TABLE'),
    },
    buckets: {
      evidence: required('SALLYPORT_EVIDENCE_BUCKET'),
      staging: required('SALLYPORT_STAGING_BUCKET'),
      config: required('SALLYPORT_CONFIG_BUCKET'),
    },
    functions: {
      evaluatePolicy: required('SALLYPORT_FN_EVALUATE_POLICY'),
      lookupMasking: required('SALLYPORT_FN_LOOKUP_MASKING'),
      issueCredential: required('SALLYPORT_FN_ISSUE_CREDENTIAL'),
      requestApproval: required('SALLYPORT_FN_REQUEST_APPROVAL'),
    },
    bundleKey: required('SALLYPORT_BUNDLE_KEY_ARN'),
    secretsArn: required('SALLYPORT_SECRETS_ARN'),
    // Without ECS it listens on loopback alone.
    tlsSecretArn: ecs === undefined ? optional('SALLYPORT_TLS_SECRET_ARN') : required('SALLYPORT_TLS_SECRET_ARN'),
    sshHostKeySecretArn: optional('SALLYPORT_SSH_HOST_KEY_SECRET_ARN'),
    publicUrl: required('SALLYPORT_PUBLIC_URL').replace(/\/$/u, ''),
    generation: integer('SALLYPORT_GENERATION', 1, Number.MAX_SAFE_INTEGER, 1),
    image: ecs === undefined ? (optional('SALLYPORT_IMAGE') ?? 'none') : required('SALLYPORT_IMAGE'),
    host: ecs === undefined ? '127.0.0.1' : '0.0.0.0',
    postgresPort: integer('SALLYPORT_POSTGRES_PORT', 0, 65_535, 6_432),
    sshPort: integer('SALLYPORT_SSH_PORT', 0, 65_535, 2_222),
    healthPort: integer('SALLYPORT_HEALTH_PORT', 0, 65_535, 8_079),
    loadBalancer: loadBalancerOf(optional('SALLYPORT_PROXY_PROTOCOL') ?? 'off', optional('SALLYPORT_NLB_CIDRS') ?? '', problems),
    ecs,
  };
  if (problems.length > 0) throw new ProxyConfigInvalid(`this task cannot start: ${problems.join('; ')}`);
  return config;
}

function loadBalancerOf(protocol: string, cidrs: string, problems: string[]): BlockList | undefined {
  if (protocol === 'off') return undefined;
  if (protocol !== 'v2') problems.push('SALLYPORT_PROXY_PROTOCOL is neither off nor v2');
  const list = cidrs.split(',').map((cidr) => cidr.trim());
  try {
    return loadBalancerRanges(list);
  } catch (error) {
    problems.push(`SALLYPORT_NLB_CIDRS: ${error instanceof Error ? error.message : 'not understood'}`);
    return undefined;
  }
}

/** ECS puts both into every container of a service. */
function ecsOf(env: Environment): ProxyConfig['ecs'] {
  const metadataUri = env['ECS_CONTAINER_METADATA_URI_V4'];
  const agentUri = env['ECS_AGENT_URI'];
  return metadataUri === undefined || agentUri === undefined ? undefined : { metadataUri, agentUri };
}
