/** The Lambda `activate-bundle`: invoked by `sallyport config activate`, by another role than the publisher's. */
import { approverIssuers, idTokenVerifier } from '../../console/id-token-verifier.ts';
import { dynamoBundlePointer } from '../adapters/dynamo-bundle-pointer.ts';
import { kmsBundleSigner } from '../adapters/kms-bundle-signer.ts';
import { bundleReader } from '../adapters/s3-bundle-reader.ts';
import { fieldsOf, textField } from '../event-fields.ts';
import { errorFields, logOf } from '../log.ts';
import { required } from '../settings.ts';
import { activateBundle, type ActivateAnswer, type ActivateRequest } from './activate-bundle.ts';
import type { ActivatePorts } from './ports.ts';

const log = logOf('activate-bundle');
let ports: ActivatePorts | undefined;

/** Takes `{"version","idToken"?}` and answers with an `ActivateAnswer`. */
export async function handler(event: unknown): Promise<ActivateAnswer> {
  const request = readRequest(event);
  const { version } = request;
  try {
    ports ??= compose();
    const answer = await activateBundle(ports, request);
    if (answer.kind === 'activated') {
      log.info('bundle activated', { version, activatedBy: answer.activatedBy, replaced: answer.replaced });
      log.metric('BundlesActivated', 1);
    } else if (answer.kind === 'refused') log.warn('bundle not activated', { version, reason: answer.reason });
    return answer;
  } catch (error) {
    log.error('nothing was activated', { version, ...errorFields(error) });
    throw error;
  }
}

function readRequest(event: unknown): ActivateRequest {
  const fields = fieldsOf(event);
  return {
    version: textField(fields, 'version', 64),
    ...(fields['idToken'] === undefined ? {} : { idToken: textField(fields, 'idToken') }),
  };
}

function compose(): ActivatePorts {
  const controlTable = required('SALLYPORT_CONTROL_TABLE');
  const bundleKey = required('SALLYPORT_BUNDLE_KEY_ARN');
  const bundles = bundleReader({ controlTable, configBucket: required('SALLYPORT_CONFIG_BUCKET'), bundleKey });
  return {
    inForce: () => bundles.find(),
    open: (version) => bundles.open(version),
    verifier: (config) => idTokenVerifier(approverIssuers(config.issuers)),
    sign: kmsBundleSigner(bundleKey),
    point: dynamoBundlePointer(controlTable),
    now: Date.now,
  };
}
