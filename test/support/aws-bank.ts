/**
 * The demo bank's configuration as a platform team would publish it on AWS: a database on RDS, a host that trusts the gateway's
 * authority, and an issuer of the test's choice.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

const BANK = join(import.meta.dirname, '../../examples/bank/config');

export const BANK_ROLE = 'arn:aws:iam::222222222222:role/sallyport-target-bank';

/** `keys`: the issuer's public keys, where it cannot be asked. */
export function awsBankFiles(issuer: string, keys?: readonly Readonly<Record<string, unknown>>[]): Record<string, string> {
  const files = filesBelow('');
  const withIssuer = (text: string): string =>
    text
      .replace(/issuer: \$\{SALLYPORT_ISSUER[^}]*\}/, `issuer: ${issuer}${keys === undefined ? '' : `\n    keys: ${JSON.stringify(keys)}`}`)
      .replace('host: 127.0.0.1\n    port: ${BANK_PORT:-5433}', 'host: bank.abc123.eu-central-1.rds.amazonaws.com')
      .replace(/credential: file:\$\{WEB1_KEY_FILE.*/, 'credential: sshCa')
      .replace('host: 127.0.0.1\n    port: ${WEB1_PORT:-22}', 'host: web1.example')
      .replace(/credential: file:.*\n.*tls: .*\n/, `credential: rdsIam\n    assume: { role: '${BANK_ROLE}', externalId: x-17 }\n`);
  return { ...files, 'sallyport.yaml': withIssuer(files['sallyport.yaml'] ?? '') };
}

/** Another valid version of the same configuration. */
export function withQuorum(files: Readonly<Record<string, string>>, quorum: number): Record<string, string> {
  const path = 'policies/bank.cedar';
  return { ...files, [path]: (files[path] ?? '').replace('@quorum("1")', `@quorum("${quorum}")`) };
}

function filesBelow(folder: string): Record<string, string> {
  return Object.assign(
    {},
    ...readdirSync(join(BANK, folder)).map((name) => {
      const path = folder === '' ? name : `${folder}/${name}`;
      return statSync(join(BANK, path)).isDirectory() ? filesBelow(path) : { [path]: readFileSync(join(BANK, path), 'utf8') };
    }),
  ) as Record<string, string>; // Object.assign over many has no type of its own.
}
