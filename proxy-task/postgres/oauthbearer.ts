/** The server side of SASL OAUTHBEARER (RFC 7628) as libpq speaks it from PostgreSQL 18 on; reading only, no sockets. */
import { MalformedMessage } from './messages/malformed-message.ts';

export const OAUTHBEARER = 'OAUTHBEARER';

/** How clients find the issuer when they come without a token. */
export type OAuthDiscovery = { readonly openidConfiguration: string; readonly scope: string };

/**
 * The bearer token of a client's first response; an empty string is the request to be told the issuer (RFC 7628 §4.3).
 * Channel binding and another identity to act as are refused: the token alone says who acts. Throws MalformedMessage.
 */
export function readBearerToken(response: Buffer): string {
  const text = response.toString('latin1');
  const [header, ...rest] = text.split('\x01');
  if (header !== 'n,,' && header !== 'y,,') throw new MalformedMessage('malformed OAUTHBEARER response: unexpected header');
  // Every pair ends with a separator and the list with one more, so two empty strings remain.
  if (rest.length < 2 || rest.at(-1) !== '' || rest.at(-2) !== '')
    throw new MalformedMessage('malformed OAUTHBEARER response: it does not end');
  const pairs = rest.slice(0, -2);
  let auth: string | undefined;
  for (const pair of pairs) {
    const match = /^(?<key>[A-Za-z]+)=(?<value>[\x20-\x7e\t\r\n]*)$/u.exec(pair);
    if (match?.groups === undefined) throw new MalformedMessage('malformed OAUTHBEARER response: no key and value');
    if (match.groups['key'] !== 'auth') continue;
    if (auth !== undefined) throw new MalformedMessage('malformed OAUTHBEARER response: two tokens');
    auth = match.groups['value'] ?? '';
  }
  if (auth === undefined) throw new MalformedMessage('malformed OAUTHBEARER response: no token');
  if (auth === '') return '';
  const token = /^bearer +(?<token>[A-Za-z0-9._~+/-]+=*)$/iu.exec(auth)?.groups?.['token'];
  if (token === undefined) throw new MalformedMessage('malformed OAUTHBEARER response: no bearer token');
  return token;
}

/** The failure that a client answers with a single `0x01` before the error follows (RFC 7628 §3.2.2). */
export function encodeBearerFailure(discovery: OAuthDiscovery | undefined): Buffer {
  const failure =
    discovery === undefined
      ? { status: 'invalid_token' }
      : { status: 'invalid_token', 'openid-configuration': discovery.openidConfiguration, scope: discovery.scope };
  return Buffer.from(JSON.stringify(failure));
}
