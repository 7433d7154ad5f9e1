/** Signs an approver in from the command line: the ID token carries the nonce of one approval and is good for nothing else. */
import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { discover, SignInFailed } from '../console/oidc-discovery.ts';
import { isLoopback } from '../core/config/loopback.ts';
import { oidcSignIn } from '../console/oidc-sign-in.ts';
import { UsageError, type Output } from './verb.ts';

export type SignInRequest = { readonly issuer: string; readonly clientId: string; readonly nonce: string };

const WAIT_MS = 5 * 60_000;
const MAX_STEPS = 10;

/** Shows an address to open, and takes the code that comes back to a port of this machine (RFC 8252 §7.3). */
export async function signInWithBrowser(request: SignInRequest, stderr: Output): Promise<string> {
  const state = randomBytes(32).toString('base64url');
  const codeVerifier = randomBytes(32).toString('base64url');
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  try {
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('the listener has no port');
    const client = oidcSignIn({ ...request, redirectUri: `http://127.0.0.1:${address.port}/callback` });
    const url = await client.start({ state, nonce: request.nonce, codeVerifier });
    stderr.write(`Sign in here to answer:\n\n  ${url.href}\n\n`);
    return await client.finish(await codeFor(server, state), codeVerifier);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

/** Signs in at the demo issuer, where anyone may be anyone, by following its pages. Throws UsageError elsewhere. */
export async function signInAtDemo(request: SignInRequest, person: string): Promise<string> {
  if (!isLoopback(new URL(request.issuer).hostname) || !(await discover(request.issuer)).isDemo)
    throw new UsageError('--as works with the demo issuer only: leave it out and sign in');
  const state = randomBytes(32).toString('base64url');
  const codeVerifier = randomBytes(32).toString('base64url');
  const redirectUri = 'http://127.0.0.1/callback';
  const client = oidcSignIn({ ...request, redirectUri });
  const back = await followDemoSignIn(await client.start({ state, nonce: request.nonce, codeVerifier }), person, redirectUri);
  const code = back.searchParams.get('code');
  if (code === null || back.searchParams.get('state') !== state) throw new SignInFailed('the demo issuer did not sign in');
  return client.finish(code, codeVerifier);
}

/** Follows the demo issuer's redirects and its one form, until it leads to `until`; that address is returned, not visited. */
export async function followDemoSignIn(start: URL, person: string, until: string): Promise<URL> {
  const cookies = new Map<string, string>();
  let url = start;
  let form: URLSearchParams | undefined;
  for (let step = 0; step < MAX_STEPS; step += 1) {
    const response = await fetch(url, {
      redirect: 'manual',
      headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
      ...(form === undefined ? {} : { method: 'POST', body: form }),
    });
    for (const line of response.headers.getSetCookie()) keep(cookies, line);
    const location = response.headers.get('location');
    if (location === null) {
      // The page that asks who one is; a second one means that this person is not known there.
      if (!response.ok || form !== undefined)
        throw new SignInFailed(`${person} cannot sign in at the demo issuer: ${(await response.text()).trim()}`);
      form = new URLSearchParams({ person });
      continue;
    }
    form = undefined;
    url = new URL(location, url);
    if (url.href.startsWith(until)) return url;
    if (url.origin !== start.origin) throw new SignInFailed('the demo issuer led elsewhere');
  }
  throw new SignInFailed('the demo issuer does not come to an end');
}

function keep(cookies: Map<string, string>, line: string): void {
  const [pair = '', ...attributes] = line.split(';');
  const at = pair.indexOf('=');
  const [name, value] = [pair.slice(0, at), pair.slice(at + 1)];
  if (value === '' || attributes.some((attribute) => /^\s*expires=Thu, 01 Jan 1970/i.test(attribute))) cookies.delete(name);
  else cookies.set(name, value);
}

function codeFor(server: Server, state: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new SignInFailed('nobody signed in within five minutes')), WAIT_MS);
    server.on('request', (request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? '/', 'http://127.0.0.1');
      const code = searchParams.get('code');
      // Anything else that knocks at this port is not the return of this sign-in.
      if (request.method !== 'GET' || pathname !== '/callback' || searchParams.get('state') !== state) {
        response.writeHead(404).end();
        return;
      }
      response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' });
      response.end('Signed in. Go back to the terminal.\n', () => {
        clearTimeout(late);
        if (code === null) reject(new SignInFailed(`the issuer refused: ${searchParams.get('error') ?? 'no reason given'}`));
        else resolve(code);
      });
    });
  });
}
