/**
 * What an Application Load Balancer hands to a function and takes from it ("Lambda functions as targets" in its user guide), as
 * standard requests and responses. The target group has `lambda.multi_value_headers.enabled`: without it an answer has one
 * cookie at most.
 */
import { EventRefused } from '../event-fields.ts';

export type AlbAnswer = {
  readonly statusCode: number;
  readonly multiValueHeaders: Readonly<Record<string, readonly string[]>>;
  readonly body: string;
  readonly isBase64Encoded: boolean;
};

/** The load balancer hands over bodies of at most 1 MB, which base64 makes longer. */
const MAX_BODY_CHARACTERS = 1_500_000;
/** The load balancer takes answers of at most 1 MB of JSON, base64 included; beyond it the visitor would get its own 502. */
const MAX_ANSWER_BYTES = 720_000;

/** The request, as sent to `origin` (`https://console.example`); its `Host` is the one that was sent. Throws EventRefused. */
export function requestOf(event: unknown, origin: string): Request {
  const fields = fieldsOf(event);
  if (fieldsOf(fieldsOf(fields['requestContext'])['elb'])['targetGroupArn'] === undefined)
    throw new EventRefused('the event is not of a load balancer');
  if (fields['multiValueHeaders'] === undefined)
    throw new EventRefused('the event has no multiValueHeaders: set lambda.multi_value_headers.enabled on the target group');
  const { httpMethod: method, path } = fields;
  if (typeof method !== 'string' || typeof path !== 'string' || !path.startsWith('/'))
    throw new EventRefused('the event names no method or no path');
  const body = method === 'GET' || method === 'HEAD' ? undefined : bodyOf(fields);
  try {
    // Set part by part, so that nothing in the path can pass for a host or a query.
    const url = new URL(origin);
    url.pathname = path;
    url.search = queryOf(fields['multiValueQueryStringParameters']);
    return new Request(url, { method, headers: headersOf(fields['multiValueHeaders'], body), ...(body === undefined ? {} : { body }) });
  } catch (cause) {
    if (cause instanceof EventRefused) throw cause;
    // A method, a header's name or a value that HTTP does not know: line feeds in a header are among them.
    throw new EventRefused('the event is no request of HTTP', { cause });
  }
}

/** The answer in the load balancer's shape; one that it would not take becomes a plain 503 that says so. */
export async function answerOf(response: Response): Promise<AlbAnswer> {
  const bytes = Buffer.from(await response.arrayBuffer());
  if (bytes.length > MAX_ANSWER_BYTES) {
    return answerOf(new Response('This is too long to be shown here: use the command `sallyport`.\n', { status: 503, headers: TOO_LONG }));
  }
  const multiValueHeaders: Record<string, readonly string[]> = {};
  for (const [name, value] of response.headers) {
    if (name !== 'set-cookie' && name !== 'content-length') multiValueHeaders[name] = [value];
  }
  const cookies = response.headers.getSetCookie();
  if (cookies.length > 0) multiValueHeaders['set-cookie'] = cookies;
  return { statusCode: response.status, multiValueHeaders, body: bytes.toString('base64'), isBase64Encoded: true };
}

const TOO_LONG = { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };

function bodyOf({ body = '', isBase64Encoded }: Readonly<Record<string, unknown>>): Uint8Array<ArrayBuffer> {
  if (body === null) return new Uint8Array();
  if (typeof body !== 'string' || body.length > MAX_BODY_CHARACTERS) throw new EventRefused('the body is not a text, or too long');
  return new Uint8Array(Buffer.from(body, isBase64Encoded === true ? 'base64' : 'utf8'));
}

/** The load balancer hands parameters over as they were sent, still encoded. */
function queryOf(parameters: unknown): string {
  return Object.entries(valuesOf(parameters ?? {}))
    .flatMap(([name, values]) => values.map((value) => `${name}=${value}`))
    .join('&');
}

function headersOf(given: unknown, body: Uint8Array | undefined): Headers {
  const headers = new Headers();
  for (const [name, values] of Object.entries(valuesOf(given))) {
    // Of two hosts, two proxies may believe one each.
    if (name.toLowerCase() === 'host' && values.length > 1) throw new EventRefused('the request names several hosts');
    for (const value of values) headers.append(name, value);
  }
  // What counts is what is there, not what it says of its length.
  headers.delete('transfer-encoding');
  headers.delete('content-length');
  if (body !== undefined) headers.set('content-length', String(body.length));
  return headers;
}

function valuesOf(value: unknown): Readonly<Record<string, readonly string[]>> {
  const lists: Record<string, readonly string[]> = {};
  for (const [name, values] of Object.entries(fieldsOf(value))) {
    if (!Array.isArray(values)) throw new EventRefused('the event has single values where lists are due');
    lists[name] = values.map((each: unknown) => {
      if (typeof each !== 'string') throw new EventRefused('the event has values that are no texts');
      return each;
    });
  }
  return lists;
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.fromEntries(Object.entries(value)) : {};
}
