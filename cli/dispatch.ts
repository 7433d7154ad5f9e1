// From the words on the command line to one verb and its exit status.
import { readFileSync } from 'node:fs';
import { visibleText } from '../core/approval/visible.ts';
import { SallyportError } from '../core/errors.ts';
import { EXIT, nearest, UsageError, type Verb, type VerbIo } from './verb.ts';

/** One verb as the help lists it; `load` brings in its file, so that no verb pays for another's imports. */
export type ListedVerb = { readonly summary: string; load(): Promise<Verb> };

/** The verbs by name, in the order of the help. */
export type VerbTable = Readonly<Record<string, ListedVerb>>;

export const VERBS: VerbTable = {
  demo: listed('run examples/bank with a real PostgreSQL, an issuer and a tour', 'demo'),
  serve: listed('run the gateway, API and console on one machine, on your own targets', 'serve'),
  sql: listed('run a statement through the gateway, as an agent would', 'sql'),
  token: listed('get a token for an agent, from the demo issuer or AWS', 'token'),
  approvals: listed('list, show, approve or reject what agents ask for', 'approvals'),
  sessions: listed('list, show or end sessions', 'sessions'),
  'ssh-key': listed('register a key for logins by SSH, or get a one-time code', 'ssh-key'),
  'ssh-ca': listed('print the authority that hosts trust', 'ssh-ca'),
  replay: listed('play a recorded session', 'replay'),
  verify: listed('check that recordings are intact and complete', 'verify'),
  config: listed('check the configuration directory, publish and activate it', 'config'),
  policy: listed('run the policy tests, or explain a decision', 'policy'),
};

/** Runs one command line, without the program's own name; the exit status. Never throws: every failure becomes one line on stderr. */
export async function dispatch(words: readonly string[], io: VerbIo, verbs: VerbTable = VERBS): Promise<number> {
  const [name, ...args] = words;
  if (name === undefined) {
    io.stderr.write(helpText(verbs));
    return EXIT.usage;
  }
  try {
    return await runNamed(name, args, io, verbs);
  } catch (error) {
    return report(error, `sallyport ${name}`, io);
  }
}

async function runNamed(name: string, args: readonly string[], io: VerbIo, verbs: VerbTable): Promise<number> {
  const asked = name === 'help' ? args[0] : undefined;
  if (name === '--version' || name === '-V' || name === 'version') {
    io.stdout.write(`sallyport ${version()}\n`);
    return EXIT.fine;
  }
  if (name === '--help' || name === '-h' || (name === 'help' && asked === undefined)) {
    io.stdout.write(helpText(verbs));
    return EXIT.fine;
  }
  const wanted = asked ?? name;
  const found = Object.hasOwn(verbs, wanted) ? verbs[wanted] : undefined;
  if (found === undefined) {
    const meant = nearest(wanted, [...Object.keys(verbs), 'help', 'version']);
    io.stderr.write(`sallyport: unknown verb "${wanted}"${meant === undefined ? '' : `; did you mean "${meant}"?`}\nSee sallyport help.\n`);
    return EXIT.usage;
  }
  const verb = await found.load();
  if (asked !== undefined || asksForHelp(args)) {
    io.stdout.write(verb.usage.endsWith('\n') ? verb.usage : `${verb.usage}\n`);
    return EXIT.fine;
  }
  return verb.run(args, io);
}

function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf('--');
  return args.slice(0, end === -1 ? args.length : end).some((word) => word === '--help' || word === '-h');
}

function report(error: unknown, who: string, io: VerbIo): number {
  const debug = (io.env['SALLYPORT_DEBUG'] ?? '') !== '';
  if (debug && error instanceof Error) io.stderr.write(`${error.stack ?? error.message}\n`);
  if (error instanceof UsageError) {
    io.stderr.write(`${who}: ${oneLine(error.message)}\nSee ${who} --help.\n`);
    return EXIT.usage;
  }
  if (error instanceof SallyportError) {
    io.stderr.write(`${who}: ${oneLine(error.message)}\n`);
    return EXIT.findings;
  }
  const taken = takenPort(error);
  if (taken !== undefined) {
    io.stderr.write(`${who}: ${taken}\n`);
    return EXIT.findings;
  }
  const message = error instanceof Error ? error.message : String(error);
  io.stderr.write(`${who}: unexpected error: ${oneLine(message)}${debug ? '' : ' (SALLYPORT_DEBUG=1 shows where)'}\n`);
  return EXIT.bug;
}

/** What to do when a listener cannot have its port; undefined for any other error. */
function takenPort(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('syscall' in error) || error.syscall !== 'listen' || !('port' in error)) return undefined;
  const where = `${'address' in error ? String(error.address) : ''}:${String(error.port)}`;
  if ('code' in error && error.code === 'EADDRINUSE') return `${where} is taken by another program: stop it, or choose another port`;
  return `cannot listen on ${where}: ${oneLine(error.message)}`;
}

/** Messages may repeat what somebody else wrote: a reason, a name, an answer of another server. */
function oneLine(text: string): string {
  return visibleText(text.replace(/\s*[\r\n]+\s*/gu, ' ').trim(), false);
}

function helpText(verbs: VerbTable): string {
  const rows = Object.entries(verbs).map(([name, verb]) => `  ${name.padEnd(11)}${verb.summary}\n`);
  return `Usage: sallyport <verb> [arguments]

The gateway between AI agents and production databases.

${rows.join('')}  version    print the version
  help       print this, or the help of a verb

Exit status: 0 is fine, 1 means findings or a refusal, 2 wrong usage.
See sallyport <verb> --help.
`;
}

function listed(summary: string, file: string): ListedVerb {
  return {
    summary,
    load: async () => {
      const loaded: unknown = await import(new URL(`${file}.ts`, import.meta.url).href);
      const verb = typeof loaded === 'object' && loaded !== null && 'verb' in loaded ? loaded.verb : undefined;
      if (!isVerb(verb)) throw new Error(`cli/${file}.ts exports no verb`);
      return verb;
    },
  };
}

function isVerb(value: unknown): value is Verb {
  return (
    typeof value === 'object' &&
    value !== null &&
    'usage' in value &&
    typeof value.usage === 'string' &&
    'run' in value &&
    typeof value.run === 'function'
  );
}

function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest ? String(manifest.version) : 'unknown';
}
