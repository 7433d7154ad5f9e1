import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { exportJWK, generateKeyPair, SignJWT, type JWTPayload } from 'jose';

export type SigningIssuer = {
  readonly url: string;
  readonly publicJwk: Readonly<Record<string, unknown>>;
  /** A token over these claims with the issuer's own key; `iss` is filled in. */
  readonly sign: (claims: Readonly<Record<string, unknown>>, header?: Readonly<Record<string, unknown>>) => Promise<string>;
  /** Answers for paths of the test; the discovery document and the keys are always there. */
  answer: (request: IncomingMessage, response: ServerResponse) => void;
  readonly stop: () => Promise<void>;
};

/** An OpenID provider in a few lines: discovery, keys and whatever `answer` does; `discovery` overrides parts of the document. */
export async function startSigningIssuer(discovery: Readonly<Record<string, unknown>> = {}): Promise<SigningIssuer> {
  const { privateKey, publicKey } = await generateKeyPair('ES256');
  const jwk = { ...(await exportJWK(publicKey)), kid: 'k', alg: 'ES256', use: 'sig' };
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const url = `http://127.0.0.1:${address.port}`;
  const document = {
    issuer: url,
    authorization_endpoint: `${url}/auth`,
    token_endpoint: `${url}/token`,
    jwks_uri: `${url}/jwks`,
    ...discovery,
  };
  const issuer: SigningIssuer = {
    url,
    publicJwk: jwk,
    sign: (claims, header) =>
      new SignJWT(withIssuer(claims, url)).setProtectedHeader({ alg: 'ES256', kid: 'k', ...header }).sign(privateKey),
    answer: (_, response) => void response.writeHead(404).end(),
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  server.on('request', (request, response) => {
    if (request.url === '/.well-known/openid-configuration') response.end(JSON.stringify(document));
    else if (request.url === '/jwks') response.end(JSON.stringify({ keys: [jwk] }));
    else issuer.answer(request, response);
  });
  return issuer;
}

function withIssuer(claims: Readonly<Record<string, unknown>>, iss: string): JWTPayload {
  // A test may give a claim any type or none; what is undefined goes with the JSON.
  return JSON.parse(JSON.stringify({ iss, ...claims })) as JWTPayload;
}
