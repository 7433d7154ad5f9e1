/** A target of `sallyport.yaml` that is a database. */
import type { CredentialRef, PostgresTarget, TargetLimits, UpstreamTls } from '../target.ts';
import { readLimits } from './limits-file.ts';
import { isLoopback } from './loopback.ts';
import type { DatabaseFile } from './sallyport-shape.ts';
import type { Refuse, YamlPath } from './yaml-file.ts';

/** What the target does not say itself is as in `limits` and `recordRows`. */
export function readDatabase(
  raw: DatabaseFile,
  limits: TargetLimits,
  recordRows: 'rows' | 'digest',
  path: YamlPath,
  refuse: Refuse,
): PostgresTarget {
  const tls: UpstreamTls = raw.tls?.mode === 'disable' ? { mode: 'disable' } : { ...raw.tls, mode: 'verify-full' };
  if (tls.mode === 'disable' && !isLoopback(raw.host) && !raw.host.startsWith('/')) {
    refuse(
      [...path, 'tls', 'mode'],
      `the connection to \`${raw.host}\` would be readable on the way`,
      'use verify-full; disable is for loopback hosts and Unix sockets',
    );
  }
  const { caFile, ca, serverName } = raw.tls ?? {};
  if (raw.tls?.mode === 'disable' && (caFile !== undefined || ca !== undefined || serverName !== undefined)) {
    refuse([...path, 'tls'], 'caFile, ca and serverName have no meaning without TLS', 'remove them, or use verify-full');
  }
  if (caFile !== undefined && ca !== undefined) refuse([...path, 'tls', 'ca'], 'both caFile and ca are given', 'keep one of them');
  const credential = readCredential(raw.credential);
  if (credential === undefined) {
    // The value itself is not repeated: it may be the password that someone wrote down by mistake.
    refuse(
      [...path, 'credential'],
      'the credential is no reference',
      'write env:NAME, file:PATH, secretsManager:ARN or rdsIam; never the secret',
    );
  }
  if (raw.assume !== undefined && credential !== undefined && credential.kind !== 'secretsManager' && credential.kind !== 'rdsIam') {
    refuse(
      [...path, 'assume'],
      `a role is assumed for secretsManager and rdsIam only, not for ${credential.kind}`,
      'remove it, or change the credential',
    );
  }
  return {
    kind: 'postgres',
    name: raw.name,
    host: raw.host,
    port: raw.port ?? 5432,
    database: raw.database ?? raw.name,
    user: raw.user,
    tls,
    credential: credential ?? { kind: 'rdsIam' },
    ...(raw.assume === undefined ? {} : { assume: raw.assume }),
    limits: readLimits(raw.limits ?? {}, limits, [...path, 'limits'], refuse),
    readsUnrecorded: raw.readsUnrecorded ?? false,
    recordRows: raw.recordRows ?? recordRows,
    detectors: [],
  };
}

function readCredential(text: string): CredentialRef | undefined {
  if (text === 'rdsIam') return { kind: 'rdsIam' };
  return readSecretReference(text);
}

/** A reference to where a secret stands; undefined for any other text. */
export function readSecretReference(text: string): Exclude<CredentialRef, { readonly kind: 'rdsIam' }> | undefined {
  const [, kind, value = ''] = /^(env|file|secretsManager):(\S+)$/.exec(text) ?? [];
  if (kind === 'env' && /^[A-Za-z_]\w*$/.test(value)) return { kind, name: value };
  if (kind === 'file') return { kind, path: value };
  if (kind === 'secretsManager' && /^arn:aws[\w-]*:secretsmanager:/.test(value)) return { kind, arn: value };
  return undefined;
}
