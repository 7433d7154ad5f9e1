/** What clients write as user name: the target, or an account on it and the target. */

export type UserName = { readonly account: string | undefined; readonly targetName: string };

/** As `sallyport.yaml` writes names of targets and accounts. */
const FORM = /^(?:([A-Za-z0-9_][A-Za-z0-9_.-]{0,31})\+)?([a-z0-9][a-z0-9_-]{0,62})$/;

/** `web1`, or `deploy+web1`; undefined for anything else. */
export function parseUserName(text: string): UserName | undefined {
  const [, account, targetName] = FORM.exec(text) ?? [];
  return targetName === undefined ? undefined : { account, targetName };
}
