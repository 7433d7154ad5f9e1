/** Lambda's Invoke on loopback: the real handlers run in this process, with what the wire does to events and errors. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { jsonOf, textOf, type Json } from '../../support/state-machine/json-value.ts';
import { StateFailure } from '../../support/state-machine/state-failure.ts';
import { bodyOf } from './request-body.ts';

export type Handler = (event: unknown, context: unknown) => Promise<unknown>;

/** What happens instead of a call, as the service shows it. */
export type Fault = 'throttled' | 'unreachable' | 'crashed';

/** Lambda takes and gives at most this much of a synchronous call. */
const MAX_PAYLOAD_BYTES = 6 * 1024 * 1024;
const PATH = /^\/2015-03-31\/functions\/([^/]+)\/invocations/;

export class LambdaEndpoint {
  /** Calls of every function until now: name and event. */
  readonly calls: { readonly name: string; readonly event: Json }[] = [];
  /** What went wrong in calls that nobody waits for. */
  readonly lost: unknown[] = [];
  readonly #handlers: ReadonlyMap<string, Handler>;
  readonly #faults = new Map<string, Fault>();

  constructor(handlers: Readonly<Record<string, Handler>>) {
    this.#handlers = new Map(Object.entries(handlers));
  }

  /** Every call of this function fares so until `heal`. */
  fail(name: string, fault: Fault): void {
    this.#faults.set(name, fault);
  }

  heal(name: string): void {
    this.#faults.delete(name);
  }

  /** Runs a function as a schedule or a state machine does. Throws StateFailure with the names that Step Functions gives. */
  async invoke(functionName: string, payload: Json): Promise<Json> {
    const name = bareName(functionName);
    const fault = this.#faults.get(name);
    if (fault === 'throttled') throw new StateFailure('Lambda.TooManyRequestsException', 'rate exceeded');
    if (fault === 'unreachable') throw new StateFailure('Lambda.SdkClientException', 'no connection');
    const run = this.#handlers.get(name);
    if (run === undefined) throw new StateFailure('Lambda.ResourceNotFoundException', `no function ${name}`);
    this.calls.push({ name, event: payload });
    if (fault === 'crashed') throw new StateFailure('Lambda.Unknown', 'the runtime exited');
    try {
      return jsonOf(await run(jsonOf(payload), { functionName: name, awsRequestId: randomUUID(), getRemainingTimeInMillis: () => 30_000 }));
    } catch (error) {
      const { name: errorType, message: errorMessage } = error instanceof Error ? error : new Error(textOf(jsonOf(error)));
      throw new StateFailure(errorType, JSON.stringify({ errorType, errorMessage, trace: [] }));
    }
  }

  /** Whether the request was one for Lambda. */
  async answer(request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    const found = PATH.exec(request.url ?? '');
    if (request.method !== 'POST' || found === null) return false;
    const name = bareName(decodeURIComponent(found[1] ?? ''));
    if (this.#faults.get(name) === 'unreachable') {
      request.socket.destroy();
      return true;
    }
    const text = (await bodyOf(request)).toString();
    if (text.length > MAX_PAYLOAD_BYTES) return refuse(response, 413, 'RequestTooLargeException', 'more than 6 MiB');
    if (!this.#handlers.has(name)) return refuse(response, 404, 'ResourceNotFoundException', `Function not found: ${name}`);
    if (this.#faults.get(name) === 'throttled') return refuse(response, 429, 'TooManyRequestsException', 'Rate Exceeded.');
    const call = this.invoke(name, parsed(text));
    if (request.headers['x-amz-invocation-type'] === 'Event') {
      call.catch((error: unknown) => this.lost.push(error));
      response.writeHead(202).end();
      return true;
    }
    const headers = { 'content-type': 'application/json', 'x-amz-executed-version': '$LATEST' };
    await call.then(
      (output) => void response.writeHead(200, headers).end(JSON.stringify(output)),
      (error: unknown) => {
        const cause = error instanceof StateFailure ? error.causeText : '{}';
        response.writeHead(200, { ...headers, 'x-amz-function-error': 'Unhandled' }).end(cause);
      },
    );
    return true;
  }
}

/** `arn:aws:lambda:…:function:NAME:QUALIFIER` and `NAME` are the same function here. */
export function bareName(name: string): string {
  return /:function:([^:]+)/.exec(name)?.[1] ?? name;
}

function refuse(response: ServerResponse, status: number, type: string, message: string): true {
  response
    .writeHead(status, { 'content-type': 'application/json', 'x-amzn-errortype': type })
    .end(JSON.stringify({ Type: 'User', Message: message }));
  return true;
}

function parsed(text: string): Json {
  return text === '' ? {} : jsonOf(JSON.parse(text));
}
