/** Tokens of agents and people, signed with a key whose public half stands in a configuration. */
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWTPayload } from 'jose';

export class AgentTokens {
  readonly issuer: string;
  readonly publicJwk: Readonly<Record<string, unknown>>;
  readonly #key: CryptoKey;

  private constructor(issuer: string, publicJwk: Readonly<Record<string, unknown>>, key: CryptoKey) {
    this.issuer = issuer;
    this.publicJwk = publicJwk;
    this.#key = key;
  }

  static async make(issuer = 'https://issuer.bank.example'): Promise<AgentTokens> {
    const { publicKey, privateKey } = await generateKeyPair('ES256');
    return new AgentTokens(issuer, { ...(await exportJWK(publicKey)), kid: 'k', alg: 'ES256', use: 'sig' }, privateKey);
  }

  /** An agent's access token for the gateway, of five minutes; claims can be replaced. */
  token(claims: JWTPayload = {}): Promise<string> {
    const nowS = Math.floor(Date.now() / 1000);
    return this.#sign({ sub: 'agent-7', aud: 'sallyport', groups: ['analysts'], iat: nowS, exp: nowS + 300, ...claims });
  }

  /** A person's ID token for the command line. */
  idToken(person: string, nonce: string, claims: JWTPayload = {}): Promise<string> {
    const nowS = Math.floor(Date.now() / 1000);
    return this.#sign({
      sub: person,
      email: person,
      email_verified: true,
      aud: 'sallyport-cli',
      nonce,
      iat: nowS,
      exp: nowS + 300,
      ...claims,
    });
  }

  #sign(claims: JWTPayload): Promise<string> {
    return new SignJWT({ iss: this.issuer, ...claims }).setProtectedHeader({ alg: 'ES256', kid: 'k' }).sign(this.#key);
  }
}
