/**
 * The STS session under which a target's credential is had: who acts for whom stands in it, so that CloudTrail of the target's
 * account tells the same story as our evidence (design §10).
 */
import { createHash } from 'node:crypto';
import type { AgentConfig } from '../config/config.ts';
import { databaseRegion } from '../config/database-region.ts';
import { principalName, type Principal } from '../principal.ts';
import type { Target } from '../target.ts';
import { CredentialUnavailable } from './credential-unavailable.ts';

/** Whom a credential is for: an agent's session, or the gateway itself, which reads the target's catalog. */
export type Purpose =
  | {
      readonly kind: 'session';
      readonly session: string;
      readonly principal: Principal;
      readonly shortName?: string;
      /** On a host: the account that is logged in to. */
      readonly account?: string;
    }
  | { readonly kind: 'catalog' };

/** What `AssumeRole` is asked for. */
export type RoleSession = {
  readonly roleArn: string;
  readonly roleSessionName: string;
  readonly sourceIdentity: string;
  readonly externalId?: string;
  readonly tags: readonly { readonly key: string; readonly value: string }[];
  /** Tags that stay when the role assumes another one: all of them. */
  readonly transitiveTagKeys: readonly string[];
  /** Session policy: the session may do what both it and the role allow. */
  readonly policy: string;
  readonly durationSeconds: number;
};

/** The shortest that STS gives: the session is used once, at once. */
const DURATION_SECONDS = 900;
/** Source identity, and name, of what the gateway does for itself. */
export const CATALOG_IDENTITY = 'sallyport-catalog';

/** The registered short name of an agent, where it has one. */
export function shortNameOf(agents: readonly AgentConfig[], principal: Principal): string | undefined {
  return agents.find(({ name }) => name === principalName(principal))?.shortName;
}

/** Throws CredentialUnavailable where the target does not say what is needed. */
export function roleSession(target: Target, purpose: Purpose): RoleSession {
  const { assume } = target;
  if (assume === undefined) throw new CredentialUnavailable(`target "${target.name}" names no role to assume`);
  const tags = [
    { key: 'sallyport-target', value: tagValue(target.name) },
    { key: 'sallyport-purpose', value: purpose.kind },
    ...(purpose.kind === 'session' ? principalTags(purpose) : []),
  ];
  return {
    roleArn: assume.role,
    roleSessionName: purpose.kind === 'session' ? purpose.session : CATALOG_IDENTITY,
    sourceIdentity: purpose.kind === 'session' ? sourceIdentity(purpose) : CATALOG_IDENTITY,
    ...(assume.externalId === undefined ? {} : { externalId: assume.externalId }),
    tags,
    transitiveTagKeys: tags.map(({ key }) => key),
    policy: sessionPolicy(target, assume, purpose),
    durationSeconds: DURATION_SECONDS,
  };
}

function principalTags({ session, principal }: Purpose & { kind: 'session' }): readonly { readonly key: string; readonly value: string }[] {
  return [
    { key: 'sallyport-session', value: tagValue(session) },
    { key: 'sallyport-subject', value: tagValue(principalName(principal)) },
    ...(principal.human === undefined ? [] : [{ key: 'sallyport-human', value: tagValue(principal.human) }]),
  ];
}

/** The registered short name, else a hash that is the same for the same agent always. `sp-` is kept for hashes. */
function sourceIdentity({ principal, shortName }: Purpose & { kind: 'session' }): string {
  return shortName ?? `sp-${sha256(principalName(principal)).slice(0, 40)}`;
}

const MAX_TAG_VALUE = 256;

/**
 * A tag's value may hold letters, digits, spaces and `_.:/=+-@`. Another character becomes `=` and its UTF-8 bytes in hex, as mail
 * writes them, and so does `=` itself: no two subjects have the same tag. What is too long becomes its hash.
 */
export function tagValue(text: string): string {
  const value = text.replaceAll(/[^\p{L}\p{N} _.:/+\-@]/gu, (character) =>
    [...Buffer.from(character)].map((byte) => `=${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  );
  return value.length <= MAX_TAG_VALUE ? value : `sha256=${sha256(text)}`;
}

/** Cut to this one secret, this one login, or keys for this one account of this one instance. */
function sessionPolicy(target: Target, assume: NonNullable<Target['assume']>, purpose: Purpose): string {
  const { credential } = target;
  switch (credential.kind) {
    case 'secretsManager': {
      const [, partition = '', , region = ''] = credential.arn.split(':');
      const suffix = partition === 'aws-cn' ? 'amazonaws.com.cn' : 'amazonaws.com';
      return policyOf([
        { Effect: 'Allow', Action: 'secretsmanager:GetSecretValue', Resource: credential.arn },
        {
          // The secret's own key, and that only through Secrets Manager and for this secret.
          Effect: 'Allow',
          Action: 'kms:Decrypt',
          Resource: '*',
          Condition: {
            StringEquals: { 'kms:ViaService': `secretsmanager.${region}.${suffix}`, 'kms:EncryptionContext:SecretARN': credential.arn },
          },
        },
      ]);
    }
    case 'rdsIam': {
      const [, partition = '', , , account = ''] = assume.role.split(':');
      const region = regionOf(target);
      const user = target.kind === 'postgres' ? target.user : '';
      const login = `arn:${partition}:rds-db:${region}:${account}:dbuser:${assume.dbResourceId ?? '*'}/${user}`;
      return policyOf([{ Effect: 'Allow', Action: 'rds-db:connect', Resource: login }]);
    }
    case 'instanceConnect': {
      const [, partition = '', , , owner = ''] = assume.role.split(':');
      const account = purpose.kind === 'session' ? purpose.account : undefined;
      const id = target.kind === 'ssh' ? target.instanceId : undefined;
      if (account === undefined || id === undefined)
        throw new CredentialUnavailable(`target "${target.name}": a key is pushed for one account of one instance, and not both are named`);
      return policyOf([
        {
          Effect: 'Allow',
          Action: 'ec2-instance-connect:SendSSHPublicKey',
          Resource: `arn:${partition}:ec2:${regionOf(target)}:${owner}:instance/${id}`,
          Condition: { StringEquals: { 'ec2:osuser': account } },
        },
      ]);
    }
    case 'sshCa':
      throw new CredentialUnavailable(`target "${target.name}": sshCa is had through no role`);
    case 'env':
    case 'file':
      throw new CredentialUnavailable(`target "${target.name}": ${credential.kind} is of one machine; in AWS use secretsManager or rdsIam`);
  }
}

/** Where the credential is had. Throws CredentialUnavailable. */
export function regionOf(target: Target): string {
  const { credential, assume, host, name } = target;
  if (credential.kind === 'secretsManager') return credential.arn.split(':')[3] ?? '';
  const region = credential.kind === 'instanceConnect' ? assume?.region : databaseRegion(host, assume ?? {});
  if (region === undefined) {
    const what = credential.kind === 'instanceConnect' ? 'instance' : 'database';
    throw new CredentialUnavailable(`target "${name}" does not say the region of its ${what}`);
  }
  return region;
}

function policyOf(statements: readonly object[]): string {
  return JSON.stringify({ Version: '2012-10-17', Statement: statements });
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
