/** Credentials of targets from `issue-credential`, which alone may assume their roles. Kept nowhere but in the hands of one login. */
import { CredentialUnavailable } from '../../core/credential/credential-unavailable.ts';
import type { Principal } from '../../core/principal.ts';
import type { PostgresTarget } from '../../core/target.ts';
import type { CredentialIssuer, HostCredential, HostCredentialIssuer, HostLogin, UpstreamCredential } from '../ports.ts';
import { invokeLambda } from './invoke-lambda.ts';

/** The function itself asks STS and Secrets Manager, each twice at most. */
const TIMEOUT_MS = 9_000;

export class LambdaCredentials implements CredentialIssuer, HostCredentialIssuer {
  readonly #invoke: ReturnType<typeof invokeLambda>;
  readonly #now: () => number;

  constructor(options: { readonly functionName: string; readonly now: () => number }) {
    this.#invoke = invokeLambda(options.functionName, TIMEOUT_MS);
    this.#now = options.now;
  }

  issue(target: PostgresTarget, _principal: Principal, session: string, token: string): Promise<UpstreamCredential> {
    return this.#ask(target, { purpose: 'session', target: target.name, session, token });
  }

  async issueForHost({ target, session, token }: HostLogin): Promise<HostCredential> {
    // The function verifies the agent's token itself; a login by certificate has none to show.
    if (token === undefined) throw new CredentialUnavailable(`target "${target.name}": without a token no credential is issued`);
    const { id, password } = await this.#ask(target, { purpose: 'session', target: target.name, session, token });
    return { id, privateKey: password };
  }

  /** For the gateway's own connection, which reads the target's catalog; no agent is named. Throws CredentialUnavailable. */
  issueForCatalog(target: PostgresTarget): Promise<UpstreamCredential> {
    return this.#ask(target, { purpose: 'catalog', target: target.name });
  }

  async #ask({ name }: { readonly name: string }, request: object): Promise<UpstreamCredential> {
    let value: unknown;
    try {
      value = await this.#invoke(request);
    } catch (cause) {
      const why = cause instanceof Error ? cause.name : 'unknown';
      throw new CredentialUnavailable(`target "${name}": issue-credential gives no answer (${why})`, { cause, retry: true });
    }
    const fields: Readonly<Record<string, unknown>> = typeof value === 'object' && value !== null ? { ...value } : {};
    const { kind, id, password, expiresAtMs, code, reason } = fields;
    if (kind === 'refused')
      throw new CredentialUnavailable(`target "${name}": issue-credential refuses (${String(code)}): ${String(reason)}`);
    if (kind !== 'issued' || typeof id !== 'string' || typeof password !== 'string' || password === '' || typeof expiresAtMs !== 'number')
      throw new CredentialUnavailable(`target "${name}": issue-credential gives an answer that is not understood`);
    if (expiresAtMs <= this.#now()) throw new CredentialUnavailable(`target "${name}": the credential has expired before it was used`);
    return { id, password };
  }
}
