/** Authorization code with PKCE (OpenID Connect Core §3.1, RFC 7636), for the console and for the command line. */
import { createHash } from 'node:crypto';
import { discover, fetchJson, SignInFailed, type Discovery } from './oidc-discovery.ts';
import type { SignIn } from './ports.ts';

export type OidcClient = {
  readonly issuer: string;
  readonly clientId: string;
  /** For issuers that insist on a secret even with PKCE; sent as HTTP Basic. */
  readonly clientSecret?: string;
  readonly redirectUri: string;
  /** Space-separated; must make the issuer put the person and the groups into the ID token. */
  readonly scope?: string;
};

const DEFAULT_SCOPE = 'openid email';

/** The issuer's discovery document is read at the first use and kept. */
export function oidcSignIn(client: OidcClient): SignIn {
  let known: Promise<Discovery> | undefined;
  const provider = (): Promise<Discovery> => {
    known ??= discover(client.issuer).catch((error: unknown) => {
      // An issuer that was down is asked again by the next sign-in.
      known = undefined;
      throw error;
    });
    return known;
  };
  return {
    start: async ({ state, nonce, codeVerifier }) => {
      const url = new URL((await provider()).authorizationEndpoint);
      const parameters = {
        client_id: client.clientId,
        redirect_uri: client.redirectUri,
        response_type: 'code',
        response_mode: 'query',
        scope: client.scope ?? DEFAULT_SCOPE,
        state,
        nonce,
        // Whoever decides proves that they are there now, whatever session the browser still has.
        prompt: 'login',
        code_challenge: createHash('sha256').update(codeVerifier).digest('base64url'),
        code_challenge_method: 'S256',
      };
      for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
      return url;
    },
    finish: async (code, codeVerifier) => {
      const { tokenEndpoint } = await provider();
      const { clientId, clientSecret, redirectUri } = client;
      const answer = await fetchJson(tokenEndpoint, {
        method: 'POST',
        headers: clientSecret === undefined ? {} : { authorization: basic(clientId, clientSecret) },
        body: new URLSearchParams({
          grant_type: 'authorization_code',
          code,
          redirect_uri: redirectUri,
          code_verifier: codeVerifier,
          ...(clientSecret === undefined ? { client_id: clientId } : {}),
        }),
      });
      const idToken = answer['id_token'];
      if (typeof idToken !== 'string') throw new SignInFailed('the issuer gave no ID token');
      return idToken;
    },
  };
}

/** Both parts are form-encoded first (RFC 6749 §2.3.1). */
function basic(id: string, secret: string): string {
  return `Basic ${Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`).toString('base64')}`;
}
