// Certificates for one suite, made by openssl: an authority of its own, and servers it vouches for.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export type TestAuthority = {
  readonly caFile: string;
  readonly ca: string;
  /** A certificate for these names (`DNS:localhost`, `IP:127.0.0.1`). */
  issue(subjectAltNames: string): { readonly key: string; readonly cert: string };
  remove(): void;
};

export function makeAuthority(): TestAuthority {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-test-tls-'));
  const openssl = (...args: string[]): void => {
    execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  };
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  openssl('req', '-x509', ...curve, '-keyout', 'ca.key', '-out', 'ca.crt', '-days', '2', '-subj', '/CN=test authority');
  let serial = 0;
  return {
    caFile: join(folder, 'ca.crt'),
    ca: readFileSync(join(folder, 'ca.crt'), 'utf8'),
    issue: (subjectAltNames) => {
      const name = `server-${++serial}`;
      openssl('req', '-new', ...curve, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
      writeFileSync(join(folder, `${name}.ext`), `subjectAltName=${subjectAltNames}\n`);
      const sign = ['x509', '-req', '-in', `${name}.csr`, '-CA', 'ca.crt', '-CAkey', 'ca.key', '-set_serial', String(1000 + serial)];
      openssl(...sign, '-days', '2', '-sha384', '-extfile', `${name}.ext`, '-out', `${name}.crt`);
      return { key: readFileSync(join(folder, `${name}.key`), 'utf8'), cert: readFileSync(join(folder, `${name}.crt`), 'utf8') };
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
