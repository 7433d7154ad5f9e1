/** The bundle in force, as every function that decides reads it: pointer from DynamoDB, object from S3, key from KMS. */
import { DynamoDBClient, GetItemCommand } from '@aws-sdk/client-dynamodb';
import { GetPublicKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import { GetObjectCommand, S3Client, S3ServiceException } from '@aws-sdk/client-s3';
import { BundleInForce } from '../../core/config/bundle-in-force.ts';
import { bundleKey, bundlePublicKey, BundleRefused, isBundleLength } from '../../core/config/published-bundle.ts';
import { BUNDLE_ITEM } from '../../core/state/control.ts';
import { decodeStored } from '../../core/state/stored-item.ts';

export type BundleReaderSettings = {
  readonly controlTable: string;
  readonly configBucket: string;
  /** ARN of the key for bundles. */
  readonly bundleKey: string;
};

/** Small objects in the same region answer in tens of milliseconds: whoever waits longer waits for a retry. Three tries fit a login. */
const CLIENT = { maxAttempts: 3, requestHandler: { connectionTimeout: 500, requestTimeout: 1_500, throwOnRequestTimeout: true } };

/** Reads items of the control table by their id, consistently. */
export type ControlReader = (id: string) => Promise<{ readonly v: number; readonly body: unknown } | undefined>;

/** Throws BundleRefused where an item of the table has not its shape. */
export function controlReader(table: string): ControlReader {
  const dynamo = new DynamoDBClient(CLIENT);
  return async (id) => {
    const { Item } = await dynamo.send(new GetItemCommand({ TableName: table, Key: { id: { S: id } }, ConsistentRead: true }));
    if (Item === undefined) return undefined;
    const item = decodeStored(Item);
    if (item === undefined) throw new BundleRefused(`item ${id} of the control table has not its shape`);
    return item;
  };
}

export function bundleReader(settings: BundleReaderSettings, control: ControlReader = controlReader(settings.controlTable)): BundleInForce {
  const s3 = new S3Client({ ...CLIENT, forcePathStyle: process.env['AWS_ENDPOINT_URL'] !== undefined });
  const kms = new KMSClient(CLIENT);
  return new BundleInForce({
    pointer: () => control(BUNDLE_ITEM),
    object: async (version) => {
      try {
        const { Body, ContentLength } = await s3.send(new GetObjectCommand({ Bucket: settings.configBucket, Key: bundleKey(version) }));
        if (!isBundleLength(ContentLength)) throw new BundleRefused(`the object of ${version} is no bundle`);
        return await Body?.transformToString('utf8');
      } catch (error) {
        // S3 says 403 of what is not there to whoever may not list the bucket, and nobody here may.
        if (error instanceof S3ServiceException && [403, 404].includes(error.$metadata.httpStatusCode ?? 0)) return undefined;
        throw error;
      }
    },
    publicKey: async () => {
      const { PublicKey } = await kms.send(new GetPublicKeyCommand({ KeyId: settings.bundleKey }));
      return bundlePublicKey(PublicKey);
    },
  });
}
