import type { Config } from '../../core/config/config.ts';
import type { Principal } from '../../core/principal.ts';

type Verifier = { verify(token: string): Promise<Principal> };

/** Makes a verifier when the configuration changes and keeps it, with the keys it has fetched, until the next change. */
export function verifierPerConfig(make: (config: Config) => Verifier): (config: Config, token: string) => Promise<Principal> {
  let made: { readonly config: Config; readonly verifier: Verifier } | undefined;
  return (config, token) => {
    if (made?.config !== config) made = { config, verifier: make(config) };
    return made.verifier.verify(token);
  };
}
