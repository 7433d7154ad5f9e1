/** What an OpenID provider says about itself (OpenID Connect Discovery §4). */
import { SallyportError } from '../core/errors.ts';

/** The issuer cannot be reached, or does not do what OpenID Connect asks of it. */
export class SignInFailed extends SallyportError {
  readonly code = 'sign-in-failed';
}

export type Discovery = {
  readonly issuer: string;
  readonly authorizationEndpoint: string;
  readonly tokenEndpoint: string;
  readonly jwksUri: string;
  /** The demo's own issuer, where anyone may sign in as anyone. */
  readonly isDemo: boolean;
};

const TIMEOUT_MS = 5_000;
const MAX_ANSWER_CHARACTERS = 1_048_576;
const LOOPBACK = new Set(['127.0.0.1', 'localhost', '[::1]']);

/** Reads the discovery document. Throws SignInFailed. */
export async function discover(issuer: string): Promise<Discovery> {
  const document = await fetchJson(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`);
  // A document that names another issuer would have its keys accepted for this one (§4.3).
  if (document['issuer'] !== issuer) throw new SignInFailed(`${issuer} describes itself as another issuer`);
  const endpoint = (name: string): string => {
    const value = document[name];
    if (typeof value !== 'string') throw new SignInFailed(`${issuer} names no ${name}`);
    return trustedUrl(value).href;
  };
  return {
    issuer,
    authorizationEndpoint: endpoint('authorization_endpoint'),
    tokenEndpoint: endpoint('token_endpoint'),
    jwksUri: endpoint('jwks_uri'),
    isDemo: document['sallyport_demo_issuer'] === true,
  };
}

/** HTTPS, or plain HTTP on loopback. Throws SignInFailed. */
export function trustedUrl(value: string): URL {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url?.protocol === 'https:' || (url?.protocol === 'http:' && LOOPBACK.has(url.hostname))) return url;
  throw new SignInFailed('an address of the issuer is not HTTPS');
}

/** A JSON object from the issuer, within 5 s. Redirects are not followed. Throws SignInFailed. */
export async function fetchJson(address: string, request: RequestInit = {}): Promise<Readonly<Record<string, unknown>>> {
  const url = trustedUrl(address);
  try {
    const response = await fetch(url, { ...request, redirect: 'error', signal: AbortSignal.timeout(TIMEOUT_MS) });
    const text = await response.text();
    if (!response.ok || text.length > MAX_ANSWER_CHARACTERS) throw new SignInFailed(`${url.origin} answered ${response.status}`);
    const body: unknown = JSON.parse(text);
    if (typeof body === 'object' && body !== null && !Array.isArray(body)) return Object.fromEntries(Object.entries(body));
    throw new SignInFailed(`${url.origin} answered something else than an object`);
  } catch (cause) {
    if (cause instanceof SignInFailed) throw cause;
    throw new SignInFailed(`${url.origin} cannot be reached`, { cause });
  }
}
