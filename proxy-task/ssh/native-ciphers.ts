/** Which ciphers the transport has in native code: without it every byte costs several times the processor time. */
import { createRequire } from 'node:module';
import { ALGORITHMS } from './algorithms.ts';

/** Said at the start where `nativeCiphers` is empty. */
export const WITHOUT_NATIVE_CIPHERS =
  'ssh: the native ciphers of ssh2 are not here, so that SSH is slow; they are built when it is installed';

/** Those that are negotiated; all of them where the transport's binding was built for this machine, else none. */
export function nativeCiphers(): readonly string[] {
  // Not in its types, and not among its exports: the module that has loaded the binding, or has not found one.
  const crypto: unknown = createRequire(import.meta.url)('ssh2/lib/protocol/crypto.js');
  const { bindingAvailable }: Readonly<Record<string, unknown>> = typeof crypto === 'object' && crypto !== null ? { ...crypto } : {};
  return bindingAvailable === true ? ALGORITHMS.cipher : [];
}
