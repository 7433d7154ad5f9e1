import { CredentialUnavailable } from './credential-unavailable.ts';

/**
 * The password in a secret: its whole text, or `password` of a JSON object as Secrets Manager's rotation for RDS writes it; a
 * `username` beside it must be the target's user, since a password of another account would only lock that account.
 */
export function passwordIn(secret: string, target: { readonly name: string; readonly user: string }): string {
  const fields = jsonObject(secret);
  if (fields === undefined) {
    const password = secret.replace(/\r?\n$/u, '');
    if (password === '') throw new CredentialUnavailable(`target "${target.name}": its secret is empty`);
    return password;
  }
  const { username, password } = fields;
  if (username !== undefined && username !== target.user)
    throw new CredentialUnavailable(`target "${target.name}": its secret is for another user`);
  if (typeof password !== 'string' || password === '')
    throw new CredentialUnavailable(`target "${target.name}": its secret holds no password`);
  return password;
}

function jsonObject(text: string): Readonly<Record<string, unknown>> | undefined {
  if (!text.trimStart().startsWith('{')) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    // A password may begin with a brace.
    return undefined;
  }
}
