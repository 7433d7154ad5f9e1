/** Puts a configuration in force in the emulator, signed by the instance's key, without the people whom that takes. */
import { DynamoDBClient, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { KMSClient, SignCommand } from '@aws-sdk/client-kms';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { formatConfigError } from '../../../core/config/config-error.ts';
import { activationText, BUNDLE_FORMAT, bundleKey, bundleText, filesDigest, readPublished } from '../../../core/config/published-bundle.ts';
import { BUNDLE_ITEM } from '../../../core/state/control.ts';
import { encodeStored } from '../../../core/state/stored-item.ts';
import type { InstanceEnvironment } from './tables.ts';

/** `v` is the version of the pointer's item; a later one replaces an earlier. Its version's name. */
export async function putInForce(environment: InstanceEnvironment, files: Readonly<Record<string, string>>, v = 1): Promise<string> {
  const reading = readPublished(files);
  if ('errors' in reading) throw new Error(reading.errors.map(formatConfigError).join('\n'));
  const { version } = reading.config;
  const kms = new KMSClient({});
  const sign = async (text: string): Promise<string> => {
    const { Signature } = await kms.send(
      new SignCommand({
        KeyId: environment['SALLYPORT_BUNDLE_KEY_ARN'],
        Message: Buffer.from(text),
        MessageType: 'RAW',
        SigningAlgorithm: 'ECDSA_SHA_256',
      }),
    );
    return Buffer.from(Signature ?? []).toString('base64');
  };
  const content = { version, files, publishedBy: 'pat@bank.example', publishedAtMs: 1 };
  const published = { format: BUNDLE_FORMAT, ...content, signature: await sign(bundleText(content)) };
  const s3 = new S3Client({ forcePathStyle: true });
  await s3.send(
    new PutObjectCommand({ Bucket: environment['SALLYPORT_CONFIG_BUCKET'], Key: bundleKey(version), Body: JSON.stringify(published) }),
  );
  const pointer = { version, digest: filesDigest(files), activatedBy: 'quinn@bank.example', activatedAtMs: 2 };
  const activated = { ...pointer, signature: await sign(activationText(pointer)) };
  await new DynamoDBClient({}).send(
    new PutItemCommand({ TableName: environment['SALLYPORT_CONTROL_TABLE'], Item: { ...encodeStored(BUNDLE_ITEM, v, activated) } }),
  );
  return version;
}
