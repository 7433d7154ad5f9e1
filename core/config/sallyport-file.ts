/** `sallyport.yaml`: listeners, issuers, agents and owners, approver groups, targets, limits, recording. */
import { personKey } from '../identity/person-key.ts';
import type { Target } from '../target.ts';
import type { AgentConfig, ApiListener, Config, IssuerConfig, Listener, SshUserCa } from './config.ts';
import { readDatabase } from './database-file.ts';
import { readHost } from './host-file.ts';
import { readDuration, readLimits } from './limits-file.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { isLoopback, isTrustworthyUrl } from './loopback.ts';
import sallyportSchema from './sallyport.schema.json' with { type: 'json' };
import { compileSchema } from './schema-check.ts';
import type { AgentFile, IssuerFile, ListenerFile, SallyportFile } from './sallyport-shape.ts';
import { parsePublicKey } from './ssh-public-key.ts';
import { readYaml, type Environment, type Refuse, type YamlPath } from './yaml-file.ts';
import type { ConfigError } from './config-error.ts';

export type MainConfig = Pick<Config, 'listeners' | 'issuers' | 'agents' | 'sshUserCas' | 'approverGroups' | 'targets' | 'recording'>;

export const DEFAULT_ALGORITHMS: readonly string[] = ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA'];
/** Clocks of servers differ by seconds; more than a minute would let an ended token act for too long. */
const MAX_CLOCK_SKEW_MS = 60_000;
const DEFAULT_CLOCK_SKEW_MS = 30_000;
/** Longer than most examiners ask back; COMPLIANCE retention cannot be shortened afterwards, so ten years is the most. */
const DEFAULT_RETENTION_MS = 400 * 86_400_000;

const check = compileSchema(sallyportSchema);

/** Reads the file; the value is undefined when anything is wrong. `content` is what the bundle's version is made of. */
export function readSallyportFile(
  file: string,
  text: string,
  environment: NonNullable<Environment>,
): { readonly main?: MainConfig; readonly content?: unknown; readonly errors: readonly ConfigError[] } {
  const yaml = readYaml(file, text, check, environment);
  if (yaml.errors.length > 0) return { errors: yaml.errors };
  // The schema has just accepted the value, and `SallyportFile` is the schema in TypeScript's words.
  const raw = yaml.value as SallyportFile;
  const { refuse } = yaml;

  const issuers = raw.issuers.map((issuer, i) => readIssuer(issuer, ['issuers', i], refuse));
  const agents = (raw.agents ?? []).map((agent) => readAgent(agent));
  const limits = readLimits(raw.limits ?? {}, DEFAULT_LIMITS, ['limits'], refuse);
  const recordRows = raw.recording?.rows ?? 'rows';
  const targets = raw.targets.map((target, i): Target => {
    const path = ['targets', i];
    return target.kind === 'ssh'
      ? readHost(target, limits, recordRows, path, refuse)
      : readDatabase(target, limits, recordRows, path, refuse);
  });
  refuseTwice(
    issuers.map((issuer) => issuer.name),
    (i) => ['issuers', i, 'name'],
    refuse,
  );
  refuseTwice(
    issuers.map((issuer) => issuer.issuer),
    (i) => ['issuers', i, 'issuer'],
    refuse,
  );
  refuseTwice(
    agents.map((agent) => agent.name),
    (i) => ['agents', i, 'name'],
    refuse,
  );
  // Two agents of one short name could not be told apart in CloudTrail.
  const shortNamed = agents.flatMap(({ shortName }, i) => (shortName === undefined ? [] : [{ shortName, i }]));
  refuseTwice(
    shortNamed.map(({ shortName }) => shortName),
    (k) => ['agents', shortNamed[k]?.i ?? 0, 'shortName'],
    refuse,
  );
  refuseTwice(
    targets.map((target) => target.name),
    (i) => ['targets', i, 'name'],
    refuse,
  );

  const names = new Set(issuers.map((issuer) => issuer.name));
  const known = (name: string, path: YamlPath): void => {
    if (names.has(name.slice(0, name.indexOf('/')))) return;
    refuse(path, `\`${name}\` is of no configured issuer`, `start it with one of ${[...names].map((one) => `${one}/`).join(', ')}`);
  };
  agents.forEach((agent, i) => {
    known(agent.name, ['agents', i, 'name']);
    agent.groups?.forEach((group, k) => known(group, ['agents', i, 'groups', k]));
  });
  const sshUserCas = (raw.sshUserCas ?? []).flatMap((ca, i): SshUserCa[] => {
    const path = ['sshUserCas', i];
    if (!names.has(ca.issuer)) refuse([...path, 'issuer'], `no issuer is called \`${ca.issuer}\``, `use one of ${[...names].join(', ')}`);
    const publicKey = parsePublicKey(ca.publicKey);
    if (publicKey !== undefined) return [{ issuer: ca.issuer, publicKey, agentFrom: ca.agentFrom ?? 'keyId' }];
    refuse([...path, 'publicKey'], 'it is no public key', "write the line of the authority's .pub file; never its private key");
    return [];
  });
  const approverGroups = new Map(Object.entries(raw.approverGroups ?? {}));
  for (const [name, group] of approverGroups) known(group, ['approverGroups', name]);

  const main: MainConfig = {
    listeners: {
      postgres: readListener(raw.listeners?.postgres ?? {}, 6432, ['listeners', 'postgres'], refuse),
      api: readApiListener(raw.listeners?.api ?? {}, ['listeners', 'api'], refuse),
      ...(raw.listeners?.ssh === undefined
        ? {}
        : { ssh: { host: raw.listeners.ssh.host ?? '127.0.0.1', port: raw.listeners.ssh.port ?? 2222 } }),
    },
    issuers,
    agents,
    sshUserCas,
    approverGroups,
    targets,
    recording: { retentionMs: readDuration(raw.recording?.retention, DEFAULT_RETENTION_MS, ['recording', 'retention'], refuse) },
  };
  return yaml.errors.length > 0 ? { errors: yaml.errors } : { main, content: yaml.value, errors: [] };
}

function readListener(raw: ListenerFile, defaultPort: number, path: YamlPath, refuse: Refuse): Listener {
  const host = raw.host ?? '127.0.0.1';
  if (raw.tls === undefined && !isLoopback(host)) {
    refuse(
      [...path, 'host'],
      `\`${host}\` is reachable from outside, and there is no tls`,
      'add tls with certFile and keyFile, or listen on 127.0.0.1',
    );
  }
  return { host, port: raw.port ?? defaultPort, ...(raw.tls === undefined ? {} : { tls: raw.tls }) };
}

function readApiListener(raw: ListenerFile, path: YamlPath, refuse: Refuse): ApiListener {
  const listener = readListener(raw, raw.tls === undefined ? 8080 : 8443, path, refuse);
  if (raw.publicUrl === undefined) return listener;
  // People sign in behind this link: its address must not be readable or changeable on the way.
  if (!isTrustworthyUrl(raw.publicUrl)) refuse([...path, 'publicUrl'], 'people would sign in without TLS', 'write an https address');
  return { ...listener, publicUrl: raw.publicUrl.replace(/\/+$/, '') };
}

function readIssuer(raw: IssuerFile, path: YamlPath, refuse: Refuse): IssuerConfig {
  for (const key of ['issuer', 'jwksUri'] as const) {
    const url = raw[key];
    if (url !== undefined && !isTrustworthyUrl(url))
      refuse([...path, key], `keys would come from \`${url}\` without TLS`, 'write an https address');
  }
  if (raw.jwksUri !== undefined && raw.keys !== undefined) refuse([...path, 'keys'], 'both jwksUri and keys are given', 'keep one of them');
  // One audience for both would let an agent log in with the token by which a person signs.
  if (raw.approverClientIds?.includes(raw.audience) === true) {
    refuse(
      [...path, 'approverClientIds'],
      'agents and approvers would have the same audience',
      'register a client of its own for the sign-in page',
    );
  }
  const clockSkewMs = readDuration(raw.clockSkew, DEFAULT_CLOCK_SKEW_MS, [...path, 'clockSkew'], refuse);
  if (clockSkewMs > MAX_CLOCK_SKEW_MS) refuse([...path, 'clockSkew'], 'clockSkew is more than 60s', 'set the clocks right instead');
  return {
    name: raw.name,
    issuer: raw.issuer,
    audience: raw.audience,
    audienceClaim: raw.audienceClaim ?? 'aud',
    algorithms: raw.algorithms ?? DEFAULT_ALGORITHMS,
    ...(raw.jwksUri === undefined ? {} : { jwksUri: raw.jwksUri }),
    ...(raw.keys === undefined ? {} : { keys: raw.keys }),
    groupsClaim: raw.groupsClaim ?? 'groups',
    groupsAre: raw.groupsAre ?? 'human',
    personClaim: raw.personClaim ?? 'email',
    clockSkewMs,
    approverClientIds: raw.approverClientIds ?? [],
  };
}

function readAgent(raw: AgentFile): AgentConfig {
  return {
    name: raw.name,
    ...(raw.owner === undefined ? {} : { owner: personKey(raw.owner) }),
    ...(raw.groups === undefined ? {} : { groups: raw.groups }),
    ...(raw.shortName === undefined ? {} : { shortName: raw.shortName }),
  };
}

function refuseTwice(names: readonly string[], path: (index: number) => YamlPath, refuse: Refuse): void {
  names.forEach((name, i) => {
    if (names.indexOf(name) < i) refuse(path(i), `\`${name}\` is there twice`, 'keep one of them');
  });
}
