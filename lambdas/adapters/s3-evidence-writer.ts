/** Objects of evidence: each is put once, whole, and never replaced. The bucket locks it by its default retention. */
import { createHash } from 'node:crypto';
import { GetObjectCommand, NoSuchKey, PutObjectCommand, S3ServiceException, type S3Client } from '@aws-sdk/client-s3';
import type { EvidenceStore } from '../seal/ports.ts';

/** S3 refuses two conditional writes of one key at the same instant; one of them has been done a moment later. */
const MAX_ATTEMPTS = 4;

export class S3EvidenceWriter implements EvidenceStore {
  readonly #s3: S3Client;
  readonly #bucket: string;

  constructor(s3: S3Client, bucket: string) {
    this.#s3 = s3;
    this.#bucket = bucket;
  }

  async put(path: string, bytes: Buffer): Promise<'written' | 'present' | 'taken'> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#s3.send(
          new PutObjectCommand({
            Bucket: this.#bucket,
            Key: path,
            Body: bytes,
            IfNoneMatch: '*',
            // S3 asks for this header beside the checksum wherever an object gets a retention period (PutObject, "Object Lock").
            ChecksumAlgorithm: 'SHA256',
            ChecksumSHA256: createHash('sha256').update(bytes).digest('base64'),
          }),
        );
        return 'written';
      } catch (error) {
        const status = error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
        if (status === 412) return (await this.read(path))?.equals(bytes) === true ? 'present' : 'taken';
        if (status !== 409 || attempt === MAX_ATTEMPTS) throw error;
      }
    }
  }

  async read(path: string): Promise<Buffer | undefined> {
    try {
      const { Body: body } = await this.#s3.send(new GetObjectCommand({ Bucket: this.#bucket, Key: path }));
      return body === undefined ? undefined : Buffer.from(await body.transformToByteArray());
    } catch (error) {
      if (error instanceof NoSuchKey) return undefined;
      throw error;
    }
  }
}
