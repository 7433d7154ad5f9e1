/** An OpenID provider for the demo: real protocol and real signatures, but anyone may sign in as anyone. Listens on loopback only. */
import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { JWK } from 'jose';
import type { Provider, ProviderContext } from 'oidc-provider';
import { ensureOperatorToken, operatorCheck } from '../operator-token.ts';
import { loginPage, LOGIN_PAGE_HEADERS } from './issuer-login-page.ts';
import { findPerson } from './issuer-people.ts';
import { loadOidcProvider, type OidcProvider } from './issuer-provider.ts';
import { memoryStorage } from './issuer-storage.ts';
import { issuerKey, signAgentToken, type AgentToken } from './issuer-tokens.ts';

export type DemoIssuer = {
  /** `http://127.0.0.1:<port>`: the `iss` of its tokens and the base of its discovery document. */
  readonly url: string;
  /** A token for an agent, signed by this issuer. */
  mintToken(token: AgentToken): Promise<string>;
  stop(): Promise<void>;
};

/** Clients of the issuer; neither has a secret, both must use PKCE. */
export const CONSOLE_CLIENT = 'sallyport-console';
export const CLI_CLIENT = 'sallyport-cli';

const HOST = '127.0.0.1';
const MAX_BODY_BYTES = 16_384;
const MAX_TTL_SECONDS = 86_400;
const ID_TOKEN_SECONDS = 600;
const SCOPE = 'openid';

/** Starts the issuer; port 0 picks a free one. Its signing key is kept in the data directory. */
export async function startDemoIssuer(options: { readonly port: number; readonly dataDir: string }): Promise<DemoIssuer> {
  const oidc = await loadOidcProvider();
  const key = await issuerKey(options.dataDir);
  const isOperator = operatorCheck(ensureOperatorToken(options.dataDir));
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, HOST, resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the issuer has no port');
  const url = `http://${HOST}:${address.port}`;
  const provider = new oidc.Provider(url, configuration(oidc, key));
  const speak = provider.callback();
  const mintToken = (token: AgentToken): Promise<string> => signAgentToken(key, url, token, Date.now());

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = new URL(request.url ?? '/', url).pathname;
    if (request.headers.host !== `${HOST}:${address.port}`) return send(response, 421, 'another host');
    if (path === '/demo/tokens' && request.method === 'POST') return mint(request, response, isOperator, mintToken);
    if (path.startsWith('/interaction/')) return interact(provider, request, response);
    return speak(request, response);
  };
  server.on('request', (request, response) => {
    answer(request, response).catch(() => {
      // A sign-in that is unknown or too old, or a body that is too long: the person starts again from the approval's page.
      if (!response.headersSent) send(response, 400, 'This sign-in is not known any more: start again from the page of the approval.');
      else response.destroy();
    });
  });
  return {
    url,
    mintToken,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function configuration({ interactionPolicy }: OidcProvider, key: JWK): Readonly<Record<string, unknown>> {
  const policy = interactionPolicy.base();
  // The two clients are our own: there is nothing to consent to.
  policy.remove('consent');
  const client = {
    application_type: 'native',
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code'],
    response_types: ['code'],
    id_token_signed_response_alg: 'ES256',
  };
  return {
    adapter: memoryStorage(Date.now),
    jwks: { keys: [key] },
    // Native clients on loopback may use any port (RFC 8252 §7.3).
    clients: [
      { ...client, client_id: CONSOLE_CLIENT, redirect_uris: [`http://${HOST}/sign-in/callback`, 'http://localhost/sign-in/callback'] },
      { ...client, client_id: CLI_CLIENT, redirect_uris: [`http://${HOST}/callback`] },
    ],
    cookies: { keys: [randomBytes(32).toString('base64url')] },
    // Groups and address in the ID token itself: whoever verifies it later has nothing else.
    conformIdTokenClaims: false,
    claims: { openid: ['sub', 'email', 'email_verified', 'groups'] },
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    discovery: { sallyport_demo_issuer: true },
    features: { devInteractions: { enabled: false }, userinfo: { enabled: false }, rpInitiatedLogout: { enabled: false } },
    pkce: { required: () => true },
    interactions: { policy, url: (_context: unknown, interaction: { readonly uid: string }) => `/interaction/${interaction.uid}` },
    ttl: { IdToken: ID_TOKEN_SECONDS, AuthorizationCode: 60, AccessToken: 60, Interaction: 600, Session: 600, Grant: 600 },
    findAccount: (_context: unknown, email: string) => {
      const person = findPerson(email);
      if (person === undefined) return undefined;
      return { accountId: email, claims: () => ({ sub: email, email, email_verified: true, groups: person.groups }) };
    },
    loadExistingGrant: async ({ oidc }: ProviderContext) => {
      const grant = new oidc.provider.Grant({ clientId: oidc.client.clientId, accountId: oidc.session.accountId });
      grant.addOIDCScope(SCOPE);
      await grant.save();
      return grant;
    },
  };
}

async function interact(provider: Provider, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { uid } = await provider.interactionDetails(request, response);
  if (request.method === 'GET') {
    response.writeHead(200, LOGIN_PAGE_HEADERS).end(loginPage(uid));
    return;
  }
  if (request.method !== 'POST') return send(response, 405, 'GET or POST');
  const person = findPerson(new URLSearchParams(await body(request)).get('person') ?? '');
  if (person === undefined) return send(response, 400, 'Nobody of that name works here.');
  await provider.interactionFinished(request, response, { login: { accountId: person.email } }, { mergeWithLastSubmission: false });
}

async function mint(
  request: IncomingMessage,
  response: ServerResponse,
  isOperator: (presented: string) => boolean,
  mintToken: (token: AgentToken) => Promise<string>,
): Promise<void> {
  const presented = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '';
  if (!isOperator(presented)) return send(response, 401, 'The operator token of the data directory is needed.');
  const asked = agentToken(await body(request));
  if (asked === undefined) return send(response, 400, 'Expected {"principal","groups","ttlSeconds","onBehalfOf"?}.');
  response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(JSON.stringify({ token: await mintToken(asked) }));
}

function agentToken(text: string): AgentToken | undefined {
  let asked: unknown;
  try {
    asked = JSON.parse(text);
  } catch {
    // The caller answers 400.
    return undefined;
  }
  if (typeof asked !== 'object' || asked === null || !('principal' in asked) || !('groups' in asked) || !('ttlSeconds' in asked))
    return undefined;
  const { principal, groups, ttlSeconds } = asked;
  const onBehalfOf = 'onBehalfOf' in asked ? asked.onBehalfOf : undefined;
  if (typeof principal !== 'string' || principal === '' || !Array.isArray(groups) || !groups.every((group) => typeof group === 'string'))
    return undefined;
  if (typeof ttlSeconds !== 'number' || !Number.isInteger(ttlSeconds) || ttlSeconds < 1 || ttlSeconds > MAX_TTL_SECONDS) return undefined;
  if (onBehalfOf === undefined) return { principal, groups, ttlSeconds };
  return typeof onBehalfOf === 'string' && onBehalfOf !== '' ? { principal, groups, ttlSeconds, onBehalfOf } : undefined;
}

async function body(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    // A request without an encoding yields Buffers.
    const piece = chunk as Buffer;
    bytes += piece.length;
    if (bytes > MAX_BODY_BYTES) throw new Error('body too long');
    chunks.push(piece);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function send(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' }).end(`${text}\n`);
}
