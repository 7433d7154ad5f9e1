// Certificates for one suite: an authority of its own, and servers it vouches for.
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeCertificate } from './certificate.ts';

export type TestAuthority = {
  readonly caFile: string;
  readonly ca: string;
  /** A certificate for these names (`DNS:localhost`, `IP:127.0.0.1`), signed with SHA-384. */
  issue(subjectAltNames: string): { readonly key: string; readonly cert: string };
  remove(): void;
};

const ISSUER = 'test authority';

export function makeAuthority(): TestAuthority {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-test-tls-'));
  const authority = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const signing = { issuer: ISSUER, signingKey: authority.privateKey } as const;
  const ca = makeCertificate({ ...signing, subject: ISSUER, publicKey: authority.publicKey, digest: 'sha256' });
  const caFile = join(folder, 'ca.crt');
  writeFileSync(caFile, ca);
  let issued = 0;
  return {
    caFile,
    ca,
    issue: (subjectAltNames) => {
      const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const cert = makeCertificate({ ...signing, subject: `server-${++issued}`, publicKey, digest: 'sha384', subjectAltNames });
      return { key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), cert };
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
