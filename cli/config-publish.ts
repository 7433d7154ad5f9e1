/** `sallyport config publish` and `config activate`: a configuration on its way into force on AWS, by two people. */
import { formatConfigError, type ConfigError } from '../core/config/config-error.ts';
import type { SignInDemand } from '../core/config/bundle-signers.ts';
import { visibleText } from '../core/approval/visible.ts';
import { SallyportError } from '../core/errors.ts';
import { readConfigFiles } from '../standalone/config-directory.ts';
import { signInAtDemo, signInWithBrowser } from './approver-sign-in.ts';
import { jsonLine } from './json-line.ts';
import { EXIT, UsageError, type VerbIo } from './verb.ts';

export type PublishFlags = {
  readonly instance?: string | undefined;
  readonly as?: string | undefined;
  readonly json: boolean;
};

/** Calls a function and reads its answer as unknown data. */
export type Invoke = (functionName: string, payload: object) => Promise<unknown>;

/** The instance said no, or something that this version does not understand. */
export class BundleNotTaken extends SallyportError {
  readonly code = 'bundle-not-taken';
}

type Fields = Readonly<Record<string, unknown>>;

/** Publishes a directory; findings go to stderr, or to stdout as JSON. */
export async function publish(directory: string, seed: boolean, flags: PublishFlags, io: VerbIo, invoke: Invoke = lambda): Promise<number> {
  const name = functionName('publish-bundle', flags.instance, io);
  const files = Object.fromEntries(await readConfigFiles(directory));
  let answer = fieldsOf(await invoke(name, { files, ...(seed ? { seed } : {}) }));
  if (answer['kind'] === 'sign-in') {
    io.stderr.write(`${text(answer, 'version')} is valid. Publishing it is signed with your name.\n`);
    answer = fieldsOf(await invoke(name, { files, idToken: await signIn(answer, flags, io) }));
  }
  if (answer['kind'] === 'invalid') return printInvalid(answer['errors'], flags.json, io);
  if (answer['kind'] !== 'published') throw refusal(answer);
  const [version, publishedBy, already] = [text(answer, 'version'), text(answer, 'publishedBy'), answer['already'] === true];
  if (flags.json) io.stdout.write(jsonLine({ event: 'published', version, publishedBy, already }));
  else {
    io.stdout.write(`${version} ${already ? 'had been' : 'is'} published by ${publishedBy}\n`);
    io.stderr.write(`Another person puts it in force: sallyport config activate ${version}\n`);
  }
  return EXIT.fine;
}

/** Puts a published version in force, after showing what it would change. */
export async function activate(version: string, flags: PublishFlags, io: VerbIo, invoke: Invoke = lambda): Promise<number> {
  const name = functionName('activate-bundle', flags.instance, io);
  let answer = fieldsOf(await invoke(name, { version }));
  if (answer['kind'] === 'sign-in') {
    io.stderr.write(`${stakes(answer).join('\n')}\n`);
    answer = fieldsOf(await invoke(name, { version, idToken: await signIn(answer, flags, io) }));
  }
  if (answer['kind'] === 'cases-failed') return printFailed(answer['failed'], version, flags.json, io);
  if (answer['kind'] !== 'activated') throw refusal(answer);
  const activatedBy = text(answer, 'activatedBy');
  const replaced = typeof answer['replaced'] === 'string' ? answer['replaced'] : undefined;
  if (flags.json) io.stdout.write(jsonLine({ event: 'activated', version, activatedBy, ...(replaced === undefined ? {} : { replaced }) }));
  else io.stdout.write(`${version} is in force, activated by ${activatedBy}${replaced === undefined ? '' : `; it replaces ${replaced}`}\n`);
  return EXIT.fine;
}

/** What the activator reads before signing in. */
function stakes(answer: Fields): readonly string[] {
  const cases = fieldsOf(answer['cases']);
  const changes = listOf(answer['changes']).map((each) => `  ${text(each, 'change').padEnd(8)}${visibleText(text(each, 'path'), false)}`);
  const at = typeof answer['publishedAtMs'] === 'number' ? new Date(answer['publishedAtMs']).toISOString() : 'at no known time';
  return [
    `${text(answer, 'version')}, published by ${visibleText(text(answer, 'publishedBy'), false)} ${at}`,
    typeof answer['replaces'] === 'string' ? `replaces ${answer['replaces']}:` : 'is the first one:',
    ...changes,
    `${Number(cases['passed'])} cases pass; ${Number(cases['needCatalog'])} need a catalog and run with \`sallyport policy test\` only`,
    '`sallyport config check` in your own checkout prints the same version if it holds the same rules.',
    '',
  ];
}

async function signIn(answer: Fields, { as }: PublishFlags, io: VerbIo): Promise<string> {
  const demand = fieldsOf(answer['signIn']);
  const request: SignInDemand = { issuer: text(demand, 'issuer'), clientId: text(demand, 'clientId'), nonce: text(demand, 'nonce') };
  return as === undefined ? signInWithBrowser(request, io.stderr) : signInAtDemo(request, as);
}

function functionName(noun: string, flag: string | undefined, io: VerbIo): string {
  const instance = flag ?? io.env['SALLYPORT_INSTANCE'];
  if (instance === undefined || !/^[a-z0-9-]{1,32}$/.test(instance))
    throw new UsageError('which instance? name it with --instance, or in SALLYPORT_INSTANCE');
  return `sallyport-${instance}-${noun}`;
}

/** Loaded when it is needed: checking a configuration needs no AWS. */
async function lambda(name: string, payload: object): Promise<unknown> {
  const { invokeFunction } = await import('./adapters/lambda-invoke.ts');
  return invokeFunction(name, payload);
}

function printInvalid(errors: unknown, json: boolean, io: VerbIo): number {
  const findings = listOf(errors).map((error): ConfigError => ({
    file: text(error, 'file'),
    line: Number(error['line']),
    column: Number(error['column']),
    message: text(error, 'message'),
    fix: text(error, 'fix'),
  }));
  for (const finding of findings) {
    if (json) io.stdout.write(jsonLine({ event: 'finding', ...finding }));
    else io.stderr.write(`${formatConfigError(finding)}\n`);
  }
  io.stdout.write(
    json ? jsonLine({ event: 'published', ok: false, findings: findings.length }) : `nothing is published: ${findings.length} findings\n`,
  );
  return EXIT.findings;
}

function printFailed(failed: unknown, version: string, json: boolean, io: VerbIo): number {
  for (const one of listOf(failed)) {
    const [name, source, problems] = [
      text(one, 'name'),
      text(one, 'source'),
      Array.isArray(one['problems']) ? one['problems'].map(String) : [],
    ];
    if (json) io.stdout.write(jsonLine({ event: 'case', name, source, ok: false, problems }));
    else io.stderr.write(`FAIL ${source} ${name}\n${problems.map((problem) => `     ${problem}\n`).join('')}`);
  }
  io.stdout.write(json ? jsonLine({ event: 'activated', ok: false, version }) : `${version} is not activated: its own cases fail\n`);
  return EXIT.findings;
}

function refusal(answer: Fields): BundleNotTaken {
  const { kind, reason } = answer;
  return new BundleNotTaken(
    kind === 'refused' && typeof reason === 'string' ? reason : 'the answer is not understood: is the instance of another version?',
  );
}

function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};
}

function listOf(value: unknown): readonly Fields[] {
  return Array.isArray(value) ? value.map(fieldsOf) : [];
}

function text(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value !== 'string') throw new BundleNotTaken(`the answer has no \`${name}\`: is the instance of another version?`);
  return value;
}
