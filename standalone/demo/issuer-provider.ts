/** Loads the OpenID provider of the demo when it is needed, and without a word that is none of a newcomer's business. */
import type { interactionPolicy, Provider } from 'oidc-provider';

export type OidcProvider = { readonly Provider: typeof Provider; readonly interactionPolicy: typeof interactionPolicy };

/** It complains about every runtime that is not the newest, whatever works: the demo is tested on all that we support. */
const COMPLAINT = 'Unsupported runtime.';

/** Other warnings pass. */
export async function loadOidcProvider(): Promise<OidcProvider> {
  const { console: terminal } = globalThis;
  const warn = terminal.warn.bind(terminal);
  terminal.warn = (...words: unknown[]): void => {
    if (!words.some((word) => typeof word === 'string' && word.includes(COMPLAINT))) warn(...words);
  };
  try {
    return await import('oidc-provider');
  } finally {
    terminal.warn = warn;
  }
}
