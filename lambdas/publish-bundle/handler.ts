/** The Lambda `publish-bundle`: invoked by `sallyport config publish`, by a role of its own. */
import { approverIssuers, idTokenVerifier } from '../../console/id-token-verifier.ts';
import { textsOf } from '../../core/config/published-bundle.ts';
import { kmsBundleSigner } from '../adapters/kms-bundle-signer.ts';
import { bundleReader } from '../adapters/s3-bundle-reader.ts';
import { s3BundleWriter } from '../adapters/s3-bundle-writer.ts';
import { EventRefused, fieldsOf, textField } from '../event-fields.ts';
import { errorFields, logOf } from '../log.ts';
import { required } from '../settings.ts';
import type { PublishPorts } from './ports.ts';
import { publishBundle, type PublishAnswer, type PublishRequest } from './publish-bundle.ts';

const log = logOf('publish-bundle');
let ports: PublishPorts | undefined;

/** Takes `{"files":{path:text},"idToken"?,"seed"?}` and answers with a `PublishAnswer`. */
export async function handler(event: unknown): Promise<PublishAnswer> {
  const request = readRequest(event);
  try {
    ports ??= compose();
    const answer = await publishBundle(ports, request);
    if (answer.kind === 'published') {
      const { version, publishedBy, already } = answer;
      log.info('bundle published', { version, publishedBy, already });
    } else if (answer.kind === 'refused') log.warn('bundle refused', { reason: answer.reason });
    return answer;
  } catch (error) {
    log.error('nothing was published', errorFields(error));
    throw error;
  }
}

function readRequest(event: unknown): PublishRequest {
  const fields = fieldsOf(event);
  const files = textsOf(fields['files']);
  if (files === undefined) throw new EventRefused('`files` is no object of texts');
  return {
    files,
    ...(fields['idToken'] === undefined ? {} : { idToken: textField(fields, 'idToken') }),
    seed: fields['seed'] === true,
  };
}

function compose(): PublishPorts {
  const configBucket = required('SALLYPORT_CONFIG_BUCKET');
  const bundleKey = required('SALLYPORT_BUNDLE_KEY_ARN');
  const bundles = bundleReader({ controlTable: required('SALLYPORT_CONTROL_TABLE'), configBucket, bundleKey });
  return {
    inForce: () => bundles.find(),
    open: (version) => bundles.open(version),
    verifier: (config) => idTokenVerifier(approverIssuers(config.issuers)),
    put: s3BundleWriter(configBucket),
    sign: kmsBundleSigner(bundleKey),
    now: Date.now,
  };
}
