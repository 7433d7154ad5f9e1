/** What the gateway logs in to a host with: a key in a secret, a certificate of our authority, or a key that the instance takes for a minute. */
import {
  CERTIFICATE_MS,
  certificateFor,
  certificateToSign,
  NONCE_BYTES,
  signedCertificate,
} from '../../core/credential/host-certificate.ts';
import { CredentialUnavailable } from '../../core/credential/credential-unavailable.ts';
import { regionOf, roleSession, type Purpose } from '../../core/credential/role-session.ts';
import { readPublicKey, type SshKey } from '../../core/ssh/public-key.ts';
import { verifySignature } from '../../core/ssh/signature.ts';
import { SshMalformed } from '../../core/ssh/wire.ts';
import type { SshTarget } from '../../core/target.ts';
import type { CredentialPorts } from './ports.ts';

/** One login, permitted already. */
export type HostLogin = {
  readonly account: string;
  /** The key that the proxy has made for this login; its private half never leaves the task. */
  readonly publicKey: Buffer | undefined;
  /** Extensions that the agent's own certificate did not have. */
  readonly without: readonly string[];
};

export type HostGiven = {
  /** Names the credential in evidence; never the secret. */
  readonly id: string;
  /** No login may begin with it afterwards. */
  readonly expiresAtMs: number;
} & (
  | { readonly form: 'privateKey'; readonly password: string }
  /** Over the key that was sent, in base64. */
  | { readonly form: 'certificate'; readonly certificate: string }
  /** The instance takes the key that was sent. */
  | { readonly form: 'pushed' }
);

/** Under which session of which role, for the log. */
export type HostIssuance = { readonly given: HostGiven; readonly sourceIdentity?: string; readonly role?: string };

const SECRET_MS = 3_600_000;
/** EC2 Instance Connect removes a key after 60 s. */
const PUSHED_MS = 60_000;
const SERIAL_BYTES = 8;

/** Throws CredentialUnavailable. */
export async function hostCredential(
  ports: CredentialPorts,
  target: SshTarget,
  purpose: Purpose & { kind: 'session' },
  login: HostLogin,
): Promise<HostIssuance> {
  const { credential, name } = target;
  switch (credential.kind) {
    case 'secretsManager': {
      const session = roleSession(target, purpose);
      const { value, version } = await ports.secret(credential.arn, regionOf(target), await ports.assume(session));
      if (value.trim() === '') throw new CredentialUnavailable(`target "${name}": its secret is empty`);
      const given = { id: `secretsManager:${version}`, form: 'privateKey', password: value, expiresAtMs: ports.now() + SECRET_MS } as const;
      return { given, sourceIdentity: session.sourceIdentity, role: session.roleArn };
    }
    case 'sshCa':
      return { given: await certify(ports, target, purpose, login) };
    case 'instanceConnect': {
      const { blob } = keyOf(target, login);
      const session = roleSession(target, { ...purpose, account: login.account });
      const keys = await ports.assume(session);
      const pushedMs = ports.now();
      const push = {
        // `roleSession` wants it too.
        instanceId: target.instanceId ?? '',
        account: login.account,
        publicKey: `ssh-ed25519 ${blob.toString('base64')}`,
        region: regionOf(target),
      };
      const given = {
        id: `instanceConnect:${await ports.pushKey(push, keys)}`,
        form: 'pushed',
        expiresAtMs: pushedMs + PUSHED_MS,
      } as const;
      return { given, sourceIdentity: session.sourceIdentity, role: session.roleArn };
    }
    case 'env':
    case 'file':
      throw new CredentialUnavailable(
        `target "${name}": ${credential.kind} is of one machine; in AWS use secretsManager, sshCa or instanceConnect`,
      );
  }
}

async function certify(
  ports: CredentialPorts,
  target: SshTarget,
  { principal, session }: Purpose & { kind: 'session' },
  login: HostLogin,
): Promise<HostGiven> {
  const key = keyOf(target, login);
  const authority = await ports.authority();
  const nowMs = ports.now();
  const serial = ports.random(SERIAL_BYTES).readBigUInt64BE(0);
  const certificate = certificateFor({
    publicKey: key.blob,
    account: login.account,
    principal,
    session,
    sourceAddresses: target.sourceAddresses ?? [],
    without: login.without,
    nonce: ports.random(NONCE_BYTES),
    serial,
    nowMs,
  });
  const toSign = certificateToSign(certificate, authority.publicKey);
  const signature = await authority.sign(toSign);
  // A host would refuse it without a word; here it is said.
  if (!verifySignature(readPublicKey(authority.publicKey), signature, toSign))
    throw new CredentialUnavailable(`target "${target.name}": the authority has not signed with its own key`);
  return {
    id: `sshCa:${serial}`,
    form: 'certificate',
    certificate: signedCertificate(toSign, signature).toString('base64'),
    expiresAtMs: nowMs + CERTIFICATE_MS,
  };
}

/** The key that was sent. Throws CredentialUnavailable for none, and for one of another kind than tasks make. */
function keyOf({ name }: SshTarget, { publicKey }: HostLogin): SshKey {
  if (publicKey === undefined) throw new CredentialUnavailable(`target "${name}": no public key was sent for this login`);
  try {
    const key = readPublicKey(publicKey);
    if (key.type === 'ssh-ed25519') return key;
  } catch (cause) {
    if (!(cause instanceof SshMalformed)) throw cause;
    throw new CredentialUnavailable(`target "${name}": the public key that was sent is none`, { cause });
  }
  throw new CredentialUnavailable(`target "${name}": the public key that was sent is of another kind than Ed25519`);
}
