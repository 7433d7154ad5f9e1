/** Asks through the function `request-approval`, which reads the statement anew against the catalog that is put beside it. */
import { InvokeCommand, type LambdaClient } from '@aws-sdk/client-lambda';
import { PutObjectCommand, S3ServiceException, type S3Client } from '@aws-sdk/client-s3';
import type { ApprovalRequest } from '../../core/approval/approval.ts';
import { parseAskAnswer, type AskAnswer } from '../../core/approval/ask-answer.ts';
import { encodeAsk } from '../../core/approval/ask.ts';
import { GateUnavailable, RequestUnapprovable } from '../../core/approval/gate-errors.ts';
import type { RawSql, RawStatement } from '../../core/approval/raw-statement.ts';
import { catalogKey } from '../../core/approval/staged-catalog.ts';
import type { ApprovalAsker } from '../ports.ts';

export type LambdaAskerOptions = {
  /**
   * With one attempt more: the function is idempotent by the id of the approval. Its time-out is longer than the function's own, or
   * a request would be stored that the session knows nothing of.
   */
  readonly lambda: LambdaClient;
  readonly s3: S3Client;
  readonly functionName: string;
  readonly stagingBucket: string;
};

/** A synchronous invocation takes 6 MB; what is beyond is no statement that people could judge. */
const MAX_PAYLOAD_BYTES = 5 * 1024 * 1024;
/** Versions of catalogs that are known to be there; one per target and DDL. */
const MAX_STAGED = 256;

export class LambdaApprovalAsker implements ApprovalAsker {
  readonly #options: LambdaAskerOptions;
  /** By key: staged, or on the way. */
  readonly #staged = new Map<string, Promise<void>>();

  constructor(options: LambdaAskerOptions) {
    this.#options = options;
  }

  async ask(request: ApprovalRequest, raw: RawStatement): Promise<ApprovalRequest> {
    const payload = Buffer.from(encodeAsk(request, raw));
    if (payload.length > MAX_PAYLOAD_BYTES)
      throw new RequestUnapprovable(`the statement with its parameters has ${payload.length} bytes, too many to be approved`);
    const answer = await this.#guarded(async () => {
      // An operation on a host means what it says: there is no catalog to read it against.
      if (raw.protocol === 'ssh') return this.#invoke(payload);
      await this.#stage(raw);
      try {
        return await this.#invoke(payload);
      } catch (error) {
        // Staged objects do not live for ever: the next request puts the catalog there again.
        this.#staged.delete(catalogKey(raw.target, raw.catalog.version));
        throw error;
      }
    });
    switch (answer.kind) {
      case 'stored':
        if (answer.request.id !== request.id || answer.request.digest !== request.digest)
          throw new GateUnavailable('the function answers for another request');
        return answer.request;
      case 'unapprovable':
        throw new RequestUnapprovable(answer.reason);
      case 'unavailable':
        throw new GateUnavailable(answer.reason);
    }
  }

  async #invoke(payload: Buffer): Promise<AskAnswer> {
    const { lambda, functionName } = this.#options;
    const { Payload, FunctionError } = await lambda.send(new InvokeCommand({ FunctionName: functionName, Payload: payload }));
    // What a function says of its own failure may repeat what it was given.
    if (FunctionError !== undefined || Payload === undefined) throw new GateUnavailable('the function that stores requests has failed');
    return parseAskAnswer(JSON.parse(Buffer.from(Payload).toString('utf8')));
  }

  /** Puts the catalog of this version where the function reads it, once per version and task. */
  #stage({ target, catalog }: RawSql): Promise<void> {
    const key = catalogKey(target, catalog.version);
    const known = this.#staged.get(key);
    if (known !== undefined) return known;
    const staging = this.#put(key, catalog);
    this.#staged.set(key, staging);
    staging.catch(() => this.#staged.delete(key));
    const oldest = this.#staged.keys().next();
    if (this.#staged.size > MAX_STAGED && oldest.done !== true) this.#staged.delete(oldest.value);
    return staging;
  }

  async #put(key: string, catalog: RawSql['catalog']): Promise<void> {
    const { s3, stagingBucket } = this.#options;
    const Body = await catalog.dump();
    try {
      await s3.send(new PutObjectCommand({ Bucket: stagingBucket, Key: key, Body, IfNoneMatch: '*' }));
    } catch (error) {
      // Another task was first: the name is the hash of the content.
      if (error instanceof S3ServiceException && error.$metadata.httpStatusCode === 412) return;
      throw error;
    }
  }

  async #guarded<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (cause) {
      if (cause instanceof GateUnavailable || cause instanceof RequestUnapprovable) throw cause;
      throw new GateUnavailable('approvals cannot be asked for', { cause });
    }
  }
}
