/** The Lambda `issue-credential`: the only part of Sallyport that may assume roles of targets. */
import { locksIn } from '../../core/state/locks.ts';
import { LOCKS_ITEM } from '../../core/state/control.ts';
import { rdsLoginToken } from '../adapters/rds-login-token.ts';
import { bundleReader, controlReader } from '../adapters/s3-bundle-reader.ts';
import { secretsTargetSecret } from '../adapters/secrets-target-secret.ts';
import { stsRoleKeys } from '../adapters/sts-role-keys.ts';
import { verifierPerConfig } from '../evaluate-policy/verifier-per-config.ts';
import { fieldsOf, textField, wordField } from '../event-fields.ts';
import { errorFields, logOf } from '../log.ts';
import { required } from '../settings.ts';
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
    ...(request.purpose === 'session' ? { session: request.session } : {}),
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
  if (wordField(fields, 'purpose', ['session', 'catalog']) === 'catalog') return { purpose: 'catalog', target };
  return { purpose: 'session', target, session: textField(fields, 'session', 64), token: textField(fields, 'token') };
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
    now: Date.now,
  };
}
