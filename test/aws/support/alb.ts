/**
 * An Application Load Balancer in front of a function, as far as its user guide tells ("Lambda functions as targets"): requests
 * over HTTP become events with multi-value headers, answers become responses; what it would not take or give is refused as it
 * does.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

export type Alb = {
  readonly url: string;
  /** Every event that the function was given. */
  readonly events: readonly unknown[];
  /** One health check, as the load balancer makes it: by no name. */
  healthy(): Promise<boolean>;
  stop(): Promise<void>;
};

type Answer = {
  readonly statusCode: number;
  readonly multiValueHeaders?: Readonly<Record<string, readonly string[]>>;
  readonly body?: string;
  readonly isBase64Encoded?: boolean;
};

const MEGABYTE = 1_048_576;
const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade']);
const ELB = { elb: { targetGroupArn: 'arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/console/6d0ecf831eec9f09' } };

/** Listens on a free port of loopback. */
export async function startAlb(handler: (event: unknown) => Promise<unknown>): Promise<Alb> {
  const events: unknown[] = [];
  const invoke = async (event: unknown): Promise<Answer | undefined> => {
    // What reaches a function has been JSON.
    const given: unknown = JSON.parse(JSON.stringify(event));
    events.push(given);
    try {
      const text = JSON.stringify(await handler(given));
      // What the function gave is checked field by field where it is used.
      return text.length > MEGABYTE ? undefined : (JSON.parse(text) as Answer);
    } catch {
      return undefined;
    }
  };
  const server = createServer((request, response) => {
    void eventOf(request).then(async (event) =>
      event === undefined ? void response.writeHead(413).end() : give(response, await invoke(event)),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    events,
    healthy: async () => {
      const headers = { 'user-agent': ['ELB-HealthChecker/2.0'] };
      const event = {
        requestContext: ELB,
        httpMethod: 'GET',
        path: '/healthz',
        multiValueHeaders: headers,
        body: '',
        isBase64Encoded: false,
      };
      return (await invoke(event))?.statusCode === 200;
    },
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Undefined for a body of more than a megabyte. */
async function eventOf(request: IncomingMessage): Promise<object | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  // Node types what it reads as anything; without an encoding they are buffers.
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes <= MEGABYTE) chunks.push(chunk);
  }
  if (bytes > MEGABYTE) return undefined;
  const [path = '/', query = ''] = (request.url ?? '/').split(/\?(.*)/s);
  const headers: Record<string, string[]> = {};
  for (let at = 0; at < request.rawHeaders.length; at += 2) {
    const name = (request.rawHeaders[at] ?? '').toLowerCase();
    if (!HOP_BY_HOP.has(name)) (headers[name] ??= []).push(request.rawHeaders[at + 1] ?? '');
  }
  headers['x-forwarded-for'] = [...(headers['x-forwarded-for'] ?? []), '10.0.0.9'];
  headers['x-forwarded-proto'] = ['https'];
  headers['x-forwarded-port'] = ['443'];
  headers['x-amzn-trace-id'] = ['Root=1-5bdb40ca-556d8b0c50dc66f0511bf520'];
  const parameters: Record<string, string[]> = {};
  for (const pair of query === '' ? [] : query.split('&')) {
    const [name = '', value = ''] = pair.split(/=(.*)/s);
    (parameters[name] ??= []).push(value);
  }
  const isText =
    /^(?:text\/|application\/(?:json|javascript|xml)\b)/i.test(headers['content-type']?.[0] ?? 'text/') &&
    headers['content-encoding'] === undefined;
  return {
    requestContext: ELB,
    httpMethod: request.method,
    path,
    multiValueQueryStringParameters: parameters,
    multiValueHeaders: headers,
    body: Buffer.concat(chunks).toString(isText ? 'utf8' : 'base64'),
    isBase64Encoded: !isText,
  };
}

function give(response: ServerResponse, answer: Answer | undefined): void {
  // A function that failed, answered too much, or something else than an answer, is a bad gateway.
  if (typeof answer?.statusCode !== 'number') {
    response.writeHead(502).end();
    return;
  }
  for (const [name, values] of Object.entries(answer.multiValueHeaders ?? {})) response.setHeader(name, [...values]);
  response.writeHead(answer.statusCode).end(Buffer.from(answer.body ?? '', answer.isBase64Encoded === true ? 'base64' : 'utf8'));
}
