/** `sallyport config`: is the configuration right, and what may be written in it. */
import { jsonLine } from './json-line.ts';
import { readFileSync } from 'node:fs';
import { cedarSchema } from '../core/policy/schema.ts';
import { unfitForAws } from '../core/config/fit-for-aws.ts';
import { unfitForOneMachine } from '../core/config/fit-for-one-machine.ts';
import { readPublished } from '../core/config/published-bundle.ts';
import type { ConfigReading } from '../core/config/read-config.ts';
import { readConfigDirectory, readConfigFiles } from '../standalone/config-directory.ts';
import { activate, publish } from './config-publish.ts';
import { configArgument, printFindings, type ConfigArgument } from './config-argument.ts';
import { EXIT, readArguments, UsageError, type Verb, type VerbIo } from './verb.ts';

const USAGE = `Usage: sallyport config check [--config DIR] [--aws] [--json]
       sallyport config schema sallyport|masking|tests|policies
       sallyport config publish [DIR] --instance NAME [--seed] [--as PERSON] [--json]
       sallyport config activate VERSION --instance NAME [--as PERSON] [--json]

check      reads and checks the whole directory; every finding with file, line and what to do
schema     prints the JSON Schema of a file, or the Cedar schema of the policies, for editors
publish    AWS: validates the directory there and stores it as a signed bundle; asks you to sign in
activate   AWS: puts a published bundle in force, after its own cases; another person than the publisher

  --config DIR   the configuration directory (SALLYPORT_CONFIG, else config)
  --aws          check what tasks in AWS need too, as publish does: roles of targets, no variables, nothing of one machine
  --instance N   the instance of Sallyport (SALLYPORT_INSTANCE), in the account and region of your AWS credentials
  --seed         publish the very first bundle, before anybody can sign in
  --as PERSON    sign in as this person, at the demo issuer only
  --json         one JSON object a finding, then one with the version or the number of findings

Exit status 0 when there is nothing to correct, 1 when there is, 2 for wrong usage.
`;

export const verb: Verb = { usage: USAGE, run };

async function run(args: readonly string[], io: VerbIo): Promise<number> {
  const { values, positionals } = readArguments({
    args: [...args],
    allowPositionals: true,
    options: {
      config: { type: 'string' },
      json: { type: 'boolean', default: false },
      aws: { type: 'boolean', default: false },
      instance: { type: 'string' },
      seed: { type: 'boolean', default: false },
      as: { type: 'string' },
    },
  });
  const [action, name, ...more] = positionals;
  if (action === 'check' && name === undefined) return check(configArgument(values.config, io), values, io);
  if (action === 'schema' && name !== undefined && more.length === 0) return printSchema(name, io);
  if (action === 'publish' && more.length === 0)
    return publish(name ?? configArgument(values.config, io).directory, values.seed, values, io);
  if (action === 'activate' && name !== undefined && more.length === 0) return activate(name, values, io);
  throw new UsageError(
    action === undefined ? 'say what to do: check, schema, publish or activate' : `"${positionals.join(' ')}" is not understood`,
  );
}

const ONE: Readonly<Record<string, string>> = { targets: 'target', issuers: 'issuer', policies: 'policy', masks: 'mask', cases: 'case' };

async function check(
  { directory, env }: ConfigArgument,
  { json, aws }: { readonly json: boolean; readonly aws: boolean },
  io: VerbIo,
): Promise<number> {
  const reading = aws ? await readForAws(directory) : await readForOneMachine(directory, env);
  if ('errors' in reading) {
    if (json) for (const error of reading.errors) io.stdout.write(jsonLine({ event: 'finding', ...error }));
    else printFindings(reading.errors, io);
    const findings = reading.errors.length;
    io.stdout.write(
      json
        ? jsonLine({ event: 'checked', ok: false, findings })
        : `${findings} ${findings === 1 ? 'finding' : 'findings'} in ${directory}\n`,
    );
    return EXIT.findings;
  }
  const { version, targets, issuers, policies, masks, cases } = reading.config;
  const counts = { targets: targets.length, issuers: issuers.length, policies: policies.length, masks: masks.length, cases: cases.length };
  const words = Object.entries(counts).map(([what, count]) => `${count} ${count === 1 ? (ONE[what] ?? what) : what}`);
  io.stdout.write(json ? jsonLine({ event: 'checked', ok: true, version, ...counts }) : `${version} is fine: ${words.join(', ')}\n`);
  return EXIT.fine;
}

/** As `serve` reads it; what no login could use there is said now. */
async function readForOneMachine(directory: string, env: ConfigArgument['env']): Promise<ConfigReading> {
  const reading = await readConfigDirectory(directory, env);
  if ('errors' in reading) return reading;
  const unfit = unfitForOneMachine(Object.fromEntries(await readConfigFiles(directory)), reading.config);
  return unfit.length > 0 ? { errors: unfit } : reading;
}

/** As `publish-bundle` reads it. */
async function readForAws(directory: string): Promise<ConfigReading> {
  const files = Object.fromEntries(await readConfigFiles(directory));
  const reading = readPublished(files);
  const unfit = 'errors' in reading ? [] : unfitForAws(files, reading.config);
  return unfit.length > 0 ? { errors: unfit } : reading;
}

function printSchema(name: string, io: VerbIo): number {
  if (name === 'policies') io.stdout.write(cedarSchema());
  else if (['sallyport', 'masking', 'tests'].includes(name)) {
    io.stdout.write(readFileSync(new URL(`../core/config/${name}.schema.json`, import.meta.url), 'utf8'));
  } else throw new UsageError(`there is no schema "${name}": use sallyport, masking, tests or policies`);
  return EXIT.fine;
}
