/** `sallyport ssh-ca`: the authority whose certificates let the gateway in to hosts, as hosts are told to trust it. */
import { existsSync } from 'node:fs';
import { fingerprint } from '../core/config/ssh-public-key.ts';
import { sshAuthority } from '../standalone/ssh-authority.ts';
import { jsonLine } from './json-line.ts';
import { EXIT, readArguments, UsageError, type Verb, type VerbIo } from './verb.ts';

const USAGE = `Usage: sallyport ssh-ca [--data DIR] [--json]
       sallyport ssh-ca --aws --instance NAME [--json]

Prints the public key of the authority that signs certificates for hosts with the credential sshCa: a line for the file
that TrustedUserCAKeys names in sshd_config. On one machine the key is made with the first use, and stays.

  --data DIR     data directory of the gateway on this machine (SALLYPORT_DATA, else .sallyport)
  --aws          the key in KMS of an instance, in the account and region of your AWS credentials
  --instance N   the instance of Sallyport (SALLYPORT_INSTANCE)
  --json         {"publicKey","fingerprint"}
`;

export const verb: Verb = { usage: USAGE, run };

async function run(args: readonly string[], io: VerbIo): Promise<number> {
  const { values } = readArguments({
    args: [...args],
    options: {
      data: { type: 'string' },
      aws: { type: 'boolean', default: false },
      instance: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });
  if (values.aws && values.data !== undefined) throw new UsageError('--data has no meaning with --aws: the key is in KMS');
  if (!values.aws && values.instance !== undefined) throw new UsageError('--instance goes with --aws');
  const publicKey = values.aws ? await inAws(values.instance ?? io.env['SALLYPORT_INSTANCE']) : onThisMachine(values.data, io);
  const blob = Buffer.from(publicKey.split(' ')[1] ?? '', 'base64');
  io.stdout.write(values.json ? jsonLine({ publicKey, fingerprint: fingerprint(blob) }) : `${publicKey}\n`);
  return EXIT.fine;
}

async function inAws(instance: string | undefined): Promise<string> {
  if (instance === undefined || !/^[a-z0-9-]{1,32}$/.test(instance))
    throw new UsageError('which instance? name it with --instance, or in SALLYPORT_INSTANCE');
  // Only here is the AWS SDK needed.
  const { authorityKey } = await import('./adapters/kms-authority-key.ts');
  return `ecdsa-sha2-nistp256 ${(await authorityKey(`alias/sallyport-${instance}-ssh-ca`)).toString('base64')}`;
}

function onThisMachine(data: string | undefined, { env }: VerbIo): string {
  const directory = data ?? (env['SALLYPORT_DATA'] === '' ? undefined : env['SALLYPORT_DATA']) ?? '.sallyport';
  // A key in a place where no gateway looks would be trusted for nothing.
  if (!existsSync(directory)) throw new UsageError(`${directory} is no data directory: name the gateway's with --data`);
  return sshAuthority(directory).publicKey;
}
