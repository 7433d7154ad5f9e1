/** The Lambda `lookup-masking`: the masking plan of a session that a proxy would open. */
import { isBundleVersion } from '../../core/config/published-bundle.ts';
import type { MaskingAnswer } from '../../core/policy/connect-answer.ts';
import { JoseTokenVerifier } from '../../proxy-task/adapters/jose-token-verifier.ts';
import { bundleReader } from '../adapters/s3-bundle-reader.ts';
import type { DecidingPorts } from '../evaluate-policy/ports.ts';
import { verifierPerConfig } from '../evaluate-policy/verifier-per-config.ts';
import { EventRefused, fieldsOf, shownField, textField } from '../event-fields.ts';
import { errorFields, logOf } from '../log.ts';
import { required } from '../settings.ts';
import { lookupMasking } from './lookup-masking.ts';

const log = logOf('lookup-masking');
let ports: DecidingPorts | undefined;

/** Takes `{"token","target","version"}`, or `certificate` in place of the token. Throws where asking again may help. */
export async function handler(event: unknown): Promise<MaskingAnswer> {
  const fields = fieldsOf(event);
  const question = {
    shown: shownField(fields),
    target: textField(fields, 'target', 63),
    version: textField(fields, 'version', 64),
  };
  if (!isBundleVersion(question.version)) throw new EventRefused('`version` is no version of a bundle');
  const { target, version } = question;
  try {
    ports ??= compose();
    const answer = await lookupMasking(ports, question);
    if (answer.kind === 'planned') {
      const { principal, rules, revealed, digest } = answer;
      log.info('masking planned', { target, version, principal: `${principal.issuer}/${principal.agent}`, rules, revealed, digest });
    } else log.warn('no masking planned', { target, ...answer });
    return answer;
  } catch (error) {
    log.error('no masking could be planned', { target, version, ...errorFields(error) });
    throw error;
  }
}

function compose(): DecidingPorts {
  const bundles = bundleReader({
    controlTable: required('SALLYPORT_CONTROL_TABLE'),
    configBucket: required('SALLYPORT_CONFIG_BUCKET'),
    bundleKey: required('SALLYPORT_BUNDLE_KEY_ARN'),
  });
  return {
    inForce: () => bundles.current(),
    verify: verifierPerConfig(({ issuers, agents }) => new JoseTokenVerifier({ issuers, agents, now: Date.now })),
    now: Date.now,
  };
}
