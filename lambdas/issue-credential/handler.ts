/** The Lambda `issue-credential`: the only part of Sallyport that may assume roles of targets, and sign certificates for hosts. */
import { randomBytes } from 'node:crypto';
import { locksIn } from '../../core/state/locks.ts';
import { LOCKS_ITEM } from '../../core/state/control.ts';
import { instanceConnect } from '../adapters/instance-connect.ts';
import { kmsSshAuthority } from '../adapters/kms-ssh-authority.ts';
import { rdsLoginToken } from '../adapters/rds-login-token.ts';
import { bundleReader, controlReader } from '../adapters/s3-bundle-reader.ts';
import { secretsTargetSecret } from '../adapters/secrets-target-secret.ts';
import { stsRoleKeys } from '../adapters/sts-role-keys.ts';
import { verifierPerConfig } from '../evaluate-policy/verifier-per-config.ts';
import { bytesIn } from '../../core/ssh/certificate-proof.ts';
import { EventRefused, fieldsOf, shownField, textField, wordField } from '../event-fields.ts';
import { errorFields, logOf } from '../log.ts';
import { optional, required } from '../settings.ts';
import { JoseTokenVerifier } from '../../proxy-task/adapters/jose-token-verifier.ts';
import { issueCredential, type CredentialAnswer, type CredentialRequest } from './issue-credential.ts';
import type { CredentialPorts } from './ports.ts';

const log = logOf('issue-credential');
let ports: CredentialPorts | undefined;

/** Answers a `CredentialRequest` with a `CredentialAnswer`; throws where asking again may help. */
export async function handler(event: unknown): Promise<CredentialAnswer> {
  const request = readRequest(event);
  const about = {
    target: request.target,
    purposeOf: request.purpose,
    ...(request.purpose === 'catalog' ? {} : { session: request.session }),
    ...(request.purpose === 'host' ? { account: request.account } : {}),
  };
  try {
    ports ??= compose();
    const { answer, issuance } = await issueCredential(ports, request);
    if (answer.kind === 'issued') log.info('credential issued', { ...about, ...issuance, credential: answer.id, bundle: answer.bundle });
    else log.warn('credential refused', { ...about, ...issuance, code: answer.code, reason: answer.reason });
    log.metric(answer.kind === 'issued' ? 'CredentialsIssued' : 'CredentialsRefused', 1);
    return answer;
  } catch (error) {
    log.error('no credential could be decided on', { ...about, ...errorFields(error) });
    throw error;
  }
}

function readRequest(event: unknown): CredentialRequest {
  const fields = fieldsOf(event);
  const target = textField(fields, 'target', 63);
  const purpose = wordField(fields, 'purpose', ['session', 'host', 'catalog']);
  if (purpose === 'catalog') return { purpose, target };
  const asked = { target, session: textField(fields, 'session', 64), shown: shownField(fields) };
  if (purpose === 'session') return { purpose, ...asked };
  const account = textField(fields, 'account', 32);
  if (fields['publicKey'] === undefined) return { purpose, ...asked, account };
  const publicKey = bytesIn(fields['publicKey']);
  if (publicKey === undefined) throw new EventRefused('`publicKey` is not in base64');
  return { purpose, ...asked, account, publicKey };
}

function compose(): CredentialPorts {
  const controlTable = required('SALLYPORT_CONTROL_TABLE');
  const control = controlReader(controlTable);
  const bundles = bundleReader(
    { controlTable, configBucket: required('SALLYPORT_CONFIG_BUCKET'), bundleKey: required('SALLYPORT_BUNDLE_KEY_ARN') },
    control,
  );
  return {
    inForce: () => bundles.current(),
    verify: verifierPerConfig((config) => new JoseTokenVerifier({ issuers: config.issuers, agents: config.agents, now: Date.now })),
    locks: async () => locksIn((await control(LOCKS_ITEM))?.body),
    assume: stsRoleKeys(),
    secret: secretsTargetSecret(),
    rdsToken: rdsLoginToken(),
    authority: kmsSshAuthority(optional('SALLYPORT_SSH_CA_KEY_ARN')),
    pushKey: instanceConnect(),
    random: randomBytes,
    now: Date.now,
  };
}
