/** Which segments of a recording stand in the evidence bucket. */
import { ListObjectsV2Command, type S3Client } from '@aws-sdk/client-s3';
import type { RecordingFiles } from '../sweep/ports.ts';

export class S3RecordingFiles implements RecordingFiles {
  readonly #s3: S3Client;
  readonly #bucket: string;

  constructor(s3: S3Client, bucket: string) {
    this.#s3 = s3;
    this.#bucket = bucket;
  }

  async list(day: string, session: string): Promise<readonly string[]> {
    const paths: string[] = [];
    let token: string | undefined;
    do {
      const page = await this.#s3.send(
        new ListObjectsV2Command({
          Bucket: this.#bucket,
          Prefix: `sessions/${day}/${session}/`,
          ...(token === undefined ? {} : { ContinuationToken: token }),
        }),
      );
      for (const { Key: key } of page.Contents ?? []) if (key !== undefined) paths.push(key);
      token = page.NextContinuationToken;
    } while (token !== undefined);
    return paths;
  }
}
