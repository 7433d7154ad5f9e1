import { S3Client } from '@aws-sdk/client-s3';

/** A handshake inside one region takes a few milliseconds: a second of none is an endpoint that is not there. */
const CONNECT_TIMEOUT_MS = 1_000;
/** Segments of 16 MiB at 4 MiB/s still pass; one that is silent can be put again while its flush may still wait. */
const REQUEST_TIMEOUT_MS = 5_000;

/** A client for objects of evidence, which gives up in time for a recorder that holds them in memory. */
export function evidenceClient(): S3Client {
  return new S3Client({
    // The recorder puts an object again by itself, and knows for how long.
    maxAttempts: 1,
    forcePathStyle: process.env['AWS_ENDPOINT_URL'] !== undefined || process.env['AWS_ENDPOINT_URL_S3'] !== undefined,
    requestHandler: {
      connectionTimeout: CONNECT_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      throwOnRequestTimeout: true,
    },
  });
}
