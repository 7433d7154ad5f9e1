/** Credentials of targets from `issue-credential`, which alone may assume their roles. Kept nowhere but in the hands of one login. */
import { generateKeyPairSync } from 'node:crypto';
import { CredentialUnavailable } from '../../core/credential/credential-unavailable.ts';
import { ed25519Blob, openSshPrivateKey } from '../../core/credential/openssh-private-key.ts';
import { shownFields } from '../../core/identity/shown.ts';
import type { Principal } from '../../core/principal.ts';
import { bytesIn } from '../../core/ssh/certificate-proof.ts';
import type { PostgresTarget } from '../../core/target.ts';
import type { CredentialIssuer, HostCredential, HostCredentialIssuer, HostLogin, UpstreamCredential } from '../ports.ts';
import { invokeLambda } from './invoke-lambda.ts';

/** The function itself asks STS and Secrets Manager, each twice at most. */
const TIMEOUT_MS = 9_000;

/** An answer that is one, with a credential that has not expired. */
type Issued = { readonly id: string; readonly fields: Readonly<Record<string, unknown>> };

export class LambdaCredentials implements CredentialIssuer, HostCredentialIssuer {
  readonly #invoke: ReturnType<typeof invokeLambda>;
  readonly #now: () => number;

  constructor(options: { readonly functionName: string; readonly now: () => number }) {
    this.#invoke = invokeLambda(options.functionName, TIMEOUT_MS);
    this.#now = options.now;
  }

  issue(target: PostgresTarget, _principal: Principal, session: string, token: string): Promise<UpstreamCredential> {
    return this.#password(target, { purpose: 'session', target: target.name, session, token });
  }

  async issueForHost({ target, account, session, shown }: HostLogin): Promise<HostCredential> {
    const { name, credential } = target;
    // The function verifies what the agent has shown itself.
    if (shown === undefined) throw new CredentialUnavailable(`target "${name}": no credential is issued to nobody`);
    const request = { purpose: 'host', target: name, account, session, ...shownFields(shown) };
    if (credential.kind !== 'sshCa' && credential.kind !== 'instanceConnect') {
      const { id, password } = await this.#password(target, request);
      return { id, privateKey: password };
    }
    // A new key for each login: its private half is here and nowhere else, and goes with the session.
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    const { id, fields } = await this.#ask(target, { ...request, publicKey: ed25519Blob(publicKey).toString('base64') });
    const key = { id, privateKey: openSshPrivateKey(privateKey) };
    if (credential.kind === 'instanceConnect') {
      if (fields['form'] !== 'pushed') throw notUnderstood(target);
      return key;
    }
    const certificate = bytesIn(fields['certificate']);
    if (certificate === undefined || certificate.length === 0) throw notUnderstood(target);
    return { ...key, certificate };
  }

  /** For the gateway's own connection, which reads the target's catalog; no agent is named. Throws CredentialUnavailable. */
  issueForCatalog(target: PostgresTarget): Promise<UpstreamCredential> {
    return this.#password(target, { purpose: 'catalog', target: target.name });
  }

  async #password(target: { readonly name: string }, request: object): Promise<UpstreamCredential> {
    const { id, fields } = await this.#ask(target, request);
    const { password } = fields;
    if (typeof password !== 'string' || password === '') throw notUnderstood(target);
    return { id, password };
  }

  async #ask(target: { readonly name: string }, request: object): Promise<Issued> {
    const at = `target "${target.name}"`;
    let value: unknown;
    try {
      value = await this.#invoke(request);
    } catch (cause) {
      const why = cause instanceof Error ? cause.name : 'unknown';
      throw new CredentialUnavailable(`${at}: issue-credential gives no answer (${why})`, { cause, retry: true });
    }
    const fields: Readonly<Record<string, unknown>> = typeof value === 'object' && value !== null ? { ...value } : {};
    const { kind, id, expiresAtMs, code, reason } = fields;
    if (kind === 'refused') throw new CredentialUnavailable(`${at}: issue-credential refuses (${String(code)}): ${String(reason)}`);
    if (kind !== 'issued' || typeof id !== 'string' || typeof expiresAtMs !== 'number') throw notUnderstood(target);
    if (expiresAtMs <= this.#now()) throw new CredentialUnavailable(`${at}: the credential has expired before it was used`);
    return { id, fields };
  }
}

function notUnderstood({ name }: { readonly name: string }): CredentialUnavailable {
  return new CredentialUnavailable(`target "${name}": issue-credential gives an answer that is not understood`);
}
