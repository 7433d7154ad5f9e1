/** How agents prepare a login by SSH with their token: a public key for minutes, or a code for one login. Below `/v1`. */
import { randomBytes } from 'node:crypto';
import { Hono, type Context } from 'hono';
import { fingerprint, parsePublicKey } from '../core/config/ssh-public-key.ts';
import { TokenRefused } from '../core/identity/token-refused.ts';
import { principalName, type Principal } from '../core/principal.ts';
import { LOGIN_MS, loginId, PROOF_NAMESPACE, proofMessage, SALT_BYTES, sealLogin } from '../core/ssh/login.ts';
import { readPublicKey } from '../core/ssh/public-key.ts';
import { sshsigSigner } from '../core/ssh/sshsig.ts';
import { SshMalformed } from '../core/ssh/wire.ts';
import { badRequest, NOT_FOUND, refuseJson, type Refusal } from './answers.ts';
import { bearer, jsonBody, MAX_TOKEN_CHARACTERS } from './json-request.ts';
import type { ConsolePorts, SshDoor } from './ports.ts';

type Bearer = { readonly ssh: SshDoor; readonly token: string; readonly principal: Principal };

/** What a login takes; others are refused here already, so that nobody registers what never works. */
const AGENT_KEYS: ReadonlySet<string> = new Set(['ssh-ed25519', 'ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp384', 'ssh-rsa']);

export type SshKeyPorts = Pick<ConsolePorts, 'ssh' | 'clock' | 'randomToken' | 'publicUrl'>;

/** Routes below `/v1`. */
export function sshKeyRoutes(ports: SshKeyPorts): Hono {
  const app = new Hono();

  // What a client must sign for, and where it goes then; nothing here is secret.
  app.get('/ssh', (context) => {
    if (ports.ssh === undefined) return refuseJson(context, NOT_FOUND);
    return context.json({ for: ports.publicUrl, ...ports.ssh.address?.() });
  });

  app.post('/ssh-keys', async (context) => {
    const body = await jsonBody(context, ['publicKey', 'signature']);
    if ('status' in body) return refuseJson(context, body);
    const asked = await bearerOf(context, ports);
    if ('status' in asked) return refuseJson(context, asked);
    const { publicKey = '', signature = '' } = body.fields;
    const blob = agentKey(publicKey);
    if (blob === undefined)
      return refuseJson(context, badRequest('publicKey is no ed25519, ECDSA (P-256, P-384) or RSA key (2048 bits) as in a .pub file'));
    const { ssh, token, principal } = asked;
    const signer = sshsigSigner(signature, proofMessage(ports.publicUrl, token), PROOF_NAMESPACE);
    // Somebody else's public key is known to many: only its holder can sign.
    if (signer === undefined || !signer.blob.equals(blob)) return refuseJson(context, NO_PROOF);
    const login = { principal: principalName(principal), token, expiresAtMs: expiry(principal, ports) };
    const kept = await ssh.logins.keep(loginId('key', blob), sealLogin('key', blob, login, randomBytes(SALT_BYTES)));
    if (!kept) return refuseJson(context, TAKEN);
    return context.json({
      fingerprint: fingerprint(blob),
      principal: login.principal,
      expiresAt: new Date(login.expiresAtMs).toISOString(),
      ...ssh.address?.(),
    });
  });

  app.post('/ssh-codes', async (context) => {
    const body = await jsonBody(context, []);
    if ('status' in body) return refuseJson(context, body);
    const asked = await bearerOf(context, ports);
    if ('status' in asked) return refuseJson(context, asked);
    const { ssh, token, principal } = asked;
    const code = ports.randomToken();
    const login = { principal: principalName(principal), token, expiresAtMs: expiry(principal, ports) };
    const kept = await ssh.logins.keep(loginId('code', code), sealLogin('code', code, login, randomBytes(SALT_BYTES)));
    if (!kept) throw new Error('a random code was there already');
    return context.json({ code, principal: login.principal, expiresAt: new Date(login.expiresAtMs).toISOString(), ...ssh.address?.() });
  });

  return app;
}

const NO_PROOF: Refusal = {
  status: 403,
  code: 'proof-refused',
  message: 'The signature does not prove that this key is yours.',
  fix: 'Sign with its private key, for this address and this token: `sallyport ssh-key FILE` does.',
};
const TAKEN: Refusal = {
  status: 409,
  code: 'key-taken',
  message: 'This key is registered for another principal.',
  fix: 'Use a key of its own for each agent, or wait until the registration ends.',
};
const NO_TOKEN: Refusal = {
  status: 401,
  code: 'token-refused',
  message: 'Nothing was registered: the token was refused.',
  fix: 'Send a fresh access token for this gateway as a bearer token.',
};

async function bearerOf(context: Context, ports: SshKeyPorts): Promise<Bearer | Refusal> {
  if (ports.ssh === undefined) return NOT_FOUND;
  const token = bearer(context);
  if (token === '' || token.length > MAX_TOKEN_CHARACTERS) return NO_TOKEN;
  try {
    const principal = await ports.ssh.verifyToken(token);
    return expiry(principal, ports) <= ports.clock.now() ? NO_TOKEN : { ssh: ports.ssh, token, principal };
  } catch (error) {
    if (error instanceof TokenRefused) return NO_TOKEN;
    throw error;
  }
}

function expiry(principal: Principal, ports: Pick<SshKeyPorts, 'clock'>): number {
  return Math.min(principal.expiresAtMs, ports.clock.now() + LOGIN_MS);
}

/** The blob of a key that can log in. */
function agentKey(line: string): Buffer | undefined {
  const parsed = parsePublicKey(line);
  if (parsed === undefined || !AGENT_KEYS.has(parsed.type)) return undefined;
  try {
    return readPublicKey(parsed.blob).blob;
  } catch (error) {
    if (error instanceof SshMalformed) return undefined;
    throw error;
  }
}
