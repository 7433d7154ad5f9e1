/**
 * What is negotiated with clients: modern algorithms only, so that there is nothing to downgrade to. Strict key exchange
 * (`kex-strict-s-v00@openssh.com`, against CVE-2023-48795) is ssh2's own and always offered.
 */
import type { Algorithms } from 'ssh2';

export const ALGORITHMS = {
  kex: ['curve25519-sha256', 'curve25519-sha256@libssh.org', 'ecdh-sha2-nistp256', 'ecdh-sha2-nistp384', 'ecdh-sha2-nistp521'],
  serverHostKey: ['ssh-ed25519'],
  // What authenticates by itself comes first: AES in hardware is the fastest of them.
  cipher: ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com', 'chacha20-poly1305@openssh.com', 'aes128-ctr', 'aes256-ctr'],
  // Only for CTR, and encrypt-then-MAC only.
  hmac: ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-512-etm@openssh.com'],
  // A few bytes that become gigabytes are no use to anybody who records them.
  compress: ['none'],
} as const satisfies Algorithms;
