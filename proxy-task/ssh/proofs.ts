/** What a client can show, and who it is by that. Nothing here tells the client why it was refused. */
import type { AgentConfig, SshUserCa } from '../../core/config/config.ts';
import { TokenRefused } from '../../core/identity/token-refused.ts';
import { principalName, type Principal } from '../../core/principal.ts';
import { isCode, loginId, openLogin, type LoginKind, type StoredLogin } from '../../core/ssh/login.ts';
import { readPublicKey, type SshKey } from '../../core/ssh/public-key.ts';
import { signsWith, verifyPlain, verifySignature } from '../../core/ssh/signature.ts';
import { SshMalformed } from '../../core/ssh/wire.ts';
import type { Identity } from '../pipeline/open-session.ts';
import { StateUnavailable, type Clock, type SshLogins, type TokenVerifier } from '../ports.ts';
import type { CertificateProof } from '../../core/ssh/certificate-proof.ts';
import { judgeCertificate } from '../../core/ssh/certificate-login.ts';
import { CERTIFICATE_SUFFIX, readUserCertificate, type UserCertificate } from '../../core/ssh/user-certificate.ts';
import type { UserName } from '../../core/ssh/user-name.ts';

export type ProofPorts = {
  readonly tokens: TokenVerifier;
  readonly logins: SshLogins;
  /** Authorities of user certificates, as they are configured now. */
  readonly authorities: () => readonly SshUserCa[];
  readonly agents: () => readonly AgentConfig[];
  /** The account of a target where the client names none; undefined where there is no such target. */
  readonly defaultAccount: (targetName: string) => string | undefined;
  readonly clock: Pick<Clock, 'now'>;
  /** Told of stores and issuers that fail. */
  readonly onError: (error: unknown) => void;
};

/** What the session must keep to beyond policy. */
export type Restrictions = {
  readonly pty: boolean;
  readonly forward: boolean;
  /** The only command that may run, to the letter; undefined: any that policy permits. */
  readonly command: string | undefined;
};

export type Proven = {
  readonly kind: 'proven';
  readonly identity: Identity;
  readonly principal: Principal;
  readonly method: 'key' | 'certificate' | 'code' | 'token';
  /** Of the key or the whole certificate. */
  readonly fingerprint: string | undefined;
  readonly restrictions: Restrictions;
};
/** `reason` is for the record only, and holds nothing that was shown. */
export type Unproven = { readonly kind: 'unproven'; readonly reason: string };

/** A signature as ssh2 hands it over: of a plain key without its name, and as DER; of a certificate as it came. */
export type ShownKey = {
  readonly algorithm: string;
  readonly blob: Buffer;
  readonly signature: Buffer;
  /** What was signed: the session's id and the request (RFC 4252 §7). */
  readonly signed: Buffer;
};

const UNRESTRICTED: Restrictions = { pty: true, forward: true, command: undefined };
/** Signed tokens have three parts; anything else need not be verified. */
const TOKEN_FORM = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;
const MAX_TOKEN_CHARACTERS = 16_384;
/** Keys of agents; authorities may have more kinds. */
const AGENT_KEYS: ReadonlySet<string> = new Set(['ssh-ed25519', 'ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp384', 'ssh-rsa']);

/**
 * Whether a key of this kind would be looked at. It is all that a client learns before it signs: whether a key is registered is told
 * to nobody who does not hold it, and no store is asked for strangers.
 */
export function isKindTaken(algorithm: string, blob: Buffer): boolean {
  return keyOf(algorithm, blob) !== undefined;
}

/** Who holds this key. Never rejects. */
export async function proveByKey(shown: ShownKey, user: UserName, remoteAddress: string, ports: ProofPorts): Promise<Proven | Unproven> {
  const { algorithm, blob, signature, signed } = shown;
  const known = keyOf(algorithm, blob);
  if (known === undefined) return unproven('a key or an algorithm of a kind that is not taken');
  if ('certificate' in known) {
    const { certificate } = known;
    const agreed = algorithm.slice(0, -CERTIFICATE_SUFFIX.length);
    if (!verifySignature(certificate.key, signature, signed, agreed)) return unproven('a wrong signature');
    return byCertificate(certificate, user, { ...shown, remoteAddress }, ports);
  }
  const { key } = known;
  if (!verifyPlain(key, algorithm, signature, signed, 'der')) return unproven('a wrong signature');
  return byLogin('key', blob, () => ports.logins.readKey(loginId('key', blob)), ports, key.fingerprint);
}

/** Who shows this code or token. Never rejects. */
export async function proveByPassword(password: string, ports: ProofPorts): Promise<Proven | Unproven> {
  if (isCode(password)) return byLogin('code', password, () => ports.logins.takeCode(loginId('code', password)), ports, undefined);
  if (password.length > MAX_TOKEN_CHARACTERS || !TOKEN_FORM.test(password)) return unproven('neither a code nor a token');
  return byToken(password, 'token', undefined, ports);
}

type Known = { readonly key: SshKey } | { readonly certificate: UserCertificate };

/** The key that is shown, where it is one that signs by this algorithm. */
function keyOf(algorithm: string, blob: Buffer): Known | undefined {
  try {
    if (!algorithm.endsWith(CERTIFICATE_SUFFIX)) {
      const key = readPublicKey(blob);
      return AGENT_KEYS.has(key.type) && signsWith(key, algorithm) ? { key } : undefined;
    }
    const certificate = readUserCertificate(blob);
    const fits = AGENT_KEYS.has(certificate.key.type) && signsWith(certificate.key, algorithm.slice(0, -CERTIFICATE_SUFFIX.length));
    return fits ? { certificate } : undefined;
  } catch (error) {
    if (error instanceof SshMalformed) return undefined;
    throw error;
  }
}

function byCertificate(certificate: UserCertificate, user: UserName, proof: CertificateProof, ports: ProofPorts): Proven | Unproven {
  const answer = judgeCertificate(certificate, {
    authorities: ports.authorities(),
    agents: ports.agents(),
    targetName: user.targetName,
    account: user.account ?? ports.defaultAccount(user.targetName),
    remoteAddress: proof.remoteAddress,
    nowMs: ports.clock.now(),
  });
  if (answer.kind === 'refused') return unproven(answer.reason);
  const { extensions, forceCommand: command } = certificate;
  return {
    kind: 'proven',
    identity: { kind: 'certificate', principal: answer.principal, proof },
    principal: answer.principal,
    method: 'certificate',
    fingerprint: certificate.key.fingerprint,
    restrictions: { pty: extensions.has('permit-pty'), forward: extensions.has('permit-port-forwarding'), command },
  };
}

async function byLogin(
  kind: LoginKind,
  shown: string | Uint8Array,
  find: () => Promise<StoredLogin | undefined>,
  ports: ProofPorts,
  fingerprint: string | undefined,
): Promise<Proven | Unproven> {
  let stored: StoredLogin | undefined;
  try {
    stored = await find();
  } catch (error) {
    if (!(error instanceof StateUnavailable)) throw error;
    ports.onError(error);
    return unproven('the store of registered logins cannot be read');
  }
  if (stored === undefined || stored.expiresAtMs <= ports.clock.now())
    return unproven(kind === 'key' ? 'the key is not registered, or no longer' : 'the code is unknown, used or expired');
  const token = openLogin(kind, shown, stored);
  if (token === undefined) return unproven('the stored login cannot be opened');
  const proven = await byToken(token, kind, fingerprint, ports);
  // Who the token speaks of is read anew: the configuration may have changed, and the store is not believed.
  if (proven.kind === 'proven' && principalName(proven.principal) !== stored.principal)
    return unproven('the stored login is of another principal');
  return proven;
}

async function byToken(
  token: string,
  method: 'key' | 'code' | 'token',
  fingerprint: string | undefined,
  ports: ProofPorts,
): Promise<Proven | Unproven> {
  try {
    const principal = await ports.tokens.verify(token);
    return { kind: 'proven', identity: { kind: 'token', token }, principal, method, fingerprint, restrictions: UNRESTRICTED };
  } catch (error) {
    if (!(error instanceof TokenRefused)) throw error;
    return unproven(`the token was refused: ${error.refusal}`);
  }
}

function unproven(reason: string): Unproven {
  return { kind: 'unproven', reason };
}
