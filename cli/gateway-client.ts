/** How a verb reaches a gateway: the one that runs on this machine, or one elsewhere by its address. */
import { isTrustworthyUrl } from '../core/config/loopback.ts';
import { SallyportError } from '../core/errors.ts';
import { dataDirectory } from '../standalone/data-directory.ts';
import { readOperatorToken } from '../standalone/operator-token.ts';
import { readRunning, type Running } from '../standalone/running.ts';
import { UsageError } from './verb.ts';

/** The gateway is not there, or said no. */
export class GatewayRefused extends SallyportError {
  readonly code = 'gateway-refused';
}

export type GatewayClient = {
  /** Base URL of the API. */
  readonly api: string;
  get(path: string): Promise<Readonly<Record<string, unknown>>>;
  post(path: string, body: Readonly<Record<string, string>>): Promise<Readonly<Record<string, unknown>>>;
  remove(path: string): Promise<Readonly<Record<string, unknown>>>;
};

const TIMEOUT_MS = 10_000;

/** What runs on this data directory. Throws GatewayRefused. */
export function runningGateway(
  dataFlag: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): Running & { readonly dataDir: string } {
  const dataDir = dataDirectory(dataFlag, env);
  const running = readRunning(dataDir);
  if (running === undefined) {
    throw new GatewayRefused(
      `no gateway runs on ${dataDir}: start one with \`sallyport demo\` or \`sallyport serve\`, or name its data directory with --data`,
    );
  }
  return { ...running, dataDir };
}

export type GatewayChoice = { readonly data?: string | undefined; readonly api?: string | undefined };

/**
 * The address of a gateway elsewhere: `--api`, else SALLYPORT_API where no data directory is named. Undefined where the gateway
 * of this machine is meant. Throws UsageError for an address on whose way a token could be read.
 */
export function remoteGateway({ data, api }: GatewayChoice, env: Readonly<Record<string, string | undefined>>): string | undefined {
  const address = api ?? (data === undefined ? env['SALLYPORT_API'] : undefined) ?? '';
  if (address === '') return undefined;
  if (!isTrustworthyUrl(address)) throw new UsageError(`${address} is no https address: tokens would be readable on the way`);
  return address.replace(/\/+$/, '');
}

/**
 * A client for the gateway of this data directory, with its operator token; or for one elsewhere, with that of
 * SALLYPORT_OPERATOR_TOKEN, which is no agent's and has a variable of its own.
 */
export function gatewayClient(options: GatewayChoice, env: Readonly<Record<string, string | undefined>>): GatewayClient {
  const remote = remoteGateway(options, env);
  if (remote !== undefined) return clientOf(remote, env['SALLYPORT_OPERATOR_TOKEN'] === '' ? undefined : env['SALLYPORT_OPERATOR_TOKEN']);
  const { api, dataDir } = runningGateway(options.data, env);
  return clientOf(api, readOperatorToken(dataDir));
}

/** A JSON object from a POST, or without a body from a GET. Throws GatewayRefused with what the other side said. */
export async function askJson(
  url: string,
  operatorToken: string | undefined,
  body?: object,
  method = body === undefined ? 'GET' : 'POST',
): Promise<Readonly<Record<string, unknown>>> {
  let response: Response;
  try {
    response = await fetch(url, {
      method,
      headers: {
        ...(operatorToken === undefined ? {} : { authorization: `Bearer ${operatorToken}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch (cause) {
    const { origin } = new URL(url);
    const untrusted = certificateProblem(cause);
    throw new GatewayRefused(
      untrusted === undefined
        ? `${origin} does not answer: is the gateway running?`
        : `the certificate of ${origin} is not trusted here (${untrusted}): name its authority's file in NODE_EXTRA_CA_CERTS`,
      { cause },
    );
  }
  const answer = parsed(await response.text());
  if (response.ok && answer !== undefined) return answer;
  throw new GatewayRefused(said(answer) ?? `${new URL(url).origin} answered ${response.status}`);
}

function clientOf(api: string, operatorToken: string | undefined): GatewayClient {
  return {
    api,
    get: (path) => askJson(`${api}${path}`, operatorToken),
    post: (path, body) => askJson(`${api}${path}`, operatorToken, body),
    remove: (path) => askJson(`${api}${path}`, operatorToken, undefined, 'DELETE'),
  };
}

/** OpenSSL's word for what is wrong with a certificate; undefined where another thing went wrong. */
function certificateProblem(error: unknown): string | undefined {
  const { cause } = error instanceof Error ? error : {};
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  return /CERT|SIGNATURE|ISSUER/.test(code) ? code : undefined;
}

function parsed(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.fromEntries(Object.entries(value)) : undefined;
  } catch {
    // Not our API: the caller says which status it was.
    return undefined;
  }
}

/** `{error: {message, fix}}` in one line. */
function said(answer: Readonly<Record<string, unknown>> | undefined): string | undefined {
  const error = answer?.['error'];
  if (typeof error !== 'object' || error === null || !('message' in error) || typeof error.message !== 'string') return undefined;
  return 'fix' in error && typeof error.fix === 'string' ? `${error.message} ${error.fix}` : error.message;
}
