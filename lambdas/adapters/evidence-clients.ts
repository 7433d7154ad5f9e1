/** Clients of sealer and sweeper, whose runs have a minute: what does not answer soon is for the next one. */
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { KMSClient } from '@aws-sdk/client-kms';
import { S3Client } from '@aws-sdk/client-s3';
import { SNSClient } from '@aws-sdk/client-sns';

/** A request that is late is dead: DynamoDB and KMS answer in milliseconds. Every write of ours may be sent again. */
const SHORT = { maxAttempts: 4, requestHandler: { connectionTimeout: 1_000, requestTimeout: 3_000, throwOnRequestTimeout: true } };

/** A segment has up to 64 MiB. */
const LONG = { maxAttempts: 3, requestHandler: { connectionTimeout: 1_000, requestTimeout: 15_000, throwOnRequestTimeout: true } };

export const evidenceDynamo = (): DynamoDBClient => new DynamoDBClient(SHORT);

export const evidenceKms = (): KMSClient => new KMSClient(SHORT);

export const evidenceSns = (): SNSClient => new SNSClient(SHORT);

/** Emulators know no bucket by the name of a host. */
export const evidenceS3 = (): S3Client =>
  new S3Client({ ...LONG, forcePathStyle: (process.env['AWS_ENDPOINT_URL_S3'] ?? process.env['AWS_ENDPOINT_URL']) !== undefined });
