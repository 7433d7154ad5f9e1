/** Evidence in a bucket, read with whatever credentials the AWS SDK finds: those of an auditor suffice. */
import { GetObjectCommand, ListObjectsV2Command, NoSuchKey, S3Client, S3ServiceException } from '@aws-sdk/client-s3';
import { SallyportError } from '../../core/errors.ts';
import { placeOf } from '../../core/evidence/layout.ts';
import type { EvidenceFile, EvidenceSource } from '../../core/evidence/source.ts';

/** The bucket cannot be read: nothing can be said of the evidence in it. */
export class BucketUnreadable extends SallyportError {
  readonly code = 'bucket-unreadable';
}

/** Reads ahead: pieces and most segments come in one request. */
const WINDOW_BYTES = 4 * 1024 * 1024;
/** Pieces newer than the newest checkpoint by no more than this belong to a seal that is just being made. */
const SEALING_MS = 2 * 60_000;

/**
 * A month has a hundred thousand small objects, read in the order of their names: so many are asked for at once, of those that are
 * not larger than this.
 */
const AHEAD = 32;
const SMALL_BYTES = 64 * 1024;

/** Somebody waits at a terminal, perhaps far from the region. */
const CLIENT = {
  maxAttempts: 5,
  followRegionRedirects: true,
  requestHandler: { connectionTimeout: 5_000, requestTimeout: 30_000, throwOnRequestTimeout: true },
};

export type BucketPlace = { readonly bucket: string; readonly prefix: string };

/** `s3://bucket/prefix`; undefined where the text is none. The prefix ends with `/` or is empty. */
export function parseBucketUri(uri: string): BucketPlace | undefined {
  const match = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/u.exec(uri);
  if (match === null) return undefined;
  const [, bucket = '', prefix = ''] = match;
  return { bucket, prefix: prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/` };
}

/** Reads what stands below the prefix. Its methods throw BucketUnreadable, which says what to do. */
export function s3EvidenceSource(place: BucketPlace): EvidenceSource {
  return new BucketSource(place);
}

class BucketSource implements EvidenceSource {
  readonly #s3: S3Client;
  readonly #place: BucketPlace;
  /** Small files of the tree and of spines, as they were listed, and where each stands in that order. */
  readonly #small: string[] = [];
  readonly #places = new Map<string, number>();
  readonly #ahead = new Map<string, Promise<Window | undefined>>();

  constructor(place: BucketPlace) {
    this.#place = place;
    this.#s3 = new S3Client({
      ...CLIENT,
      forcePathStyle: (process.env['AWS_ENDPOINT_URL_S3'] ?? process.env['AWS_ENDPOINT_URL']) !== undefined,
    });
  }

  /** Names in their order, checkpoints before spines: of what is put while this runs, nothing is named that was not listed. */
  async *list(): AsyncGenerator<{ path: string; bytes: number; modifiedMs: number }> {
    const { bucket, prefix } = this.#place;
    let newestCheckpointMs: number | undefined;
    let token: string | undefined;
    do {
      const page = await this.#said(
        this.#s3.send(
          new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, ...(token === undefined ? {} : { ContinuationToken: token }) }),
        ),
      );
      for (const { Key: key, Size: bytes, LastModified: modified } of page.Contents ?? []) {
        // Consoles make such entries for folders.
        if (key === undefined || key.endsWith('/')) continue;
        const path = key.slice(prefix.length);
        const modifiedMs = modified?.getTime() ?? 0;
        if (path.endsWith('.ckpt')) newestCheckpointMs = Math.max(newestCheckpointMs ?? 0, modifiedMs);
        const aheadMs = newestCheckpointMs === undefined ? 0 : modifiedMs - newestCheckpointMs;
        if (path.startsWith('writers/') && aheadMs > 0 && aheadMs <= SEALING_MS) continue;
        if (/^(?:checkpoints|writers)\//u.test(path) && (bytes ?? Infinity) <= SMALL_BYTES && !this.#places.has(path)) {
          this.#places.set(path, this.#small.push(path) - 1);
        }
        yield { path, bytes: bytes ?? 0, modifiedMs };
      }
      token = page.NextContinuationToken;
    } while (token !== undefined);
  }

  async open(path: string): Promise<EvidenceFile | undefined> {
    if (placeOf(path) === undefined) return undefined;
    const first = await this.#first(path);
    return first === undefined ? undefined : new BucketFile((fromByte, toByte, etag) => this.#range(path, fromByte, toByte, etag), first);
  }

  /** The start of a file; of a small one, those behind it are asked for too. */
  async #first(path: string): Promise<Window | undefined> {
    const at = this.#places.get(path);
    if (at === undefined) return this.#range(path, 0, WINDOW_BYTES - 1, undefined);
    if (!this.#ahead.has(path)) {
      for (const each of this.#small.slice(at, at + AHEAD)) {
        if (this.#ahead.has(each)) continue;
        const asked = this.#range(each, 0, WINDOW_BYTES - 1, undefined);
        // Whoever opens the file hears of its failure.
        asked.catch(() => undefined);
        this.#ahead.set(each, asked);
      }
    }
    const first = await this.#ahead.get(path);
    this.#ahead.delete(path);
    return first;
  }

  async #range(path: string, fromByte: number, toByte: number, etag: string | undefined): Promise<Window | undefined> {
    const { bucket, prefix } = this.#place;
    try {
      const answer = await this.#s3.send(
        new GetObjectCommand({
          Bucket: bucket,
          Key: `${prefix}${path}`,
          Range: `bytes=${fromByte}-${toByte}`,
          ...(etag === undefined ? {} : { IfMatch: etag }),
        }),
      );
      const bytes = Buffer.from((await answer.Body?.transformToByteArray()) ?? []);
      return { fromByte, bytes, etag: answer.ETag };
    } catch (error) {
      if (error instanceof NoSuchKey) return undefined;
      // Behind the end; of an empty object that is where it starts.
      if (error instanceof S3ServiceException && error.$metadata.httpStatusCode === 416) return { fromByte, bytes: Buffer.alloc(0), etag };
      throw unreadable(this.#place, error);
    }
  }

  async #said<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      throw unreadable(this.#place, error);
    }
  }
}

type Window = { readonly fromByte: number; readonly bytes: Buffer; readonly etag: string | undefined };

type Range = (fromByte: number, toByte: number, etag: string | undefined) => Promise<Window | undefined>;

/** Serves small reads out of large ones. All of them are of one object: one that is replaced meanwhile fails. */
class BucketFile implements EvidenceFile {
  readonly #range: Range;
  #window: Window;

  constructor(range: Range, first: Window) {
    this.#range = range;
    this.#window = first;
  }

  async read(into: Buffer, fromByte: number): Promise<number> {
    let at = this.#window;
    // A window that was not filled ends with its object.
    if (fromByte >= at.fromByte + at.bytes.length && at.bytes.length < WINDOW_BYTES) return 0;
    if (fromByte < at.fromByte || fromByte >= at.fromByte + at.bytes.length) {
      const next = await this.#range(fromByte, fromByte + WINDOW_BYTES - 1, at.etag);
      if (next === undefined) throw new BucketUnreadable('an object disappeared while it was read');
      at = next;
      this.#window = next;
    }
    return at.bytes.copy(into, 0, fromByte - at.fromByte);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** What went wrong, and what the person can do about it. */
function unreadable({ bucket }: BucketPlace, cause: unknown): BucketUnreadable {
  const name = cause instanceof Error ? cause.name : '';
  const message = cause instanceof Error ? cause.message : '';
  const status = cause instanceof S3ServiceException ? cause.$metadata.httpStatusCode : undefined;
  const says = (text: string): BucketUnreadable => new BucketUnreadable(text, { cause });
  if (name === 'CredentialsProviderError' || name === 'TokenProviderError' || message.includes('credential')) {
    return says('there are no AWS credentials: sign in (aws sso login), or set AWS_PROFILE');
  }
  if (message.startsWith('Region ')) return says(`the region of ${bucket} is not known: set AWS_REGION`);
  if (name === 'ExpiredToken' || name === 'ExpiredTokenException') return says('the AWS credentials have expired: sign in again');
  if (name === 'InvalidAccessKeyId' || name === 'SignatureDoesNotMatch') return says('AWS does not know these credentials: sign in again');
  if (name === 'NoSuchBucket') return says(`there is no bucket ${bucket}`);
  if (status === 301 || name === 'PermanentRedirect') return says(`the bucket ${bucket} is in another region: set AWS_REGION to it`);
  if (status === 403)
    return says(`these credentials may not read ${bucket}: it needs s3:ListBucket and s3:GetObject, and kms:Decrypt on its key`);
  if (status === 412) return says(`an object in ${bucket} was replaced while it was read`);
  return says(`the bucket ${bucket} cannot be read: ${name === '' ? 'unknown' : name}`);
}
