// From flags and environment to a connection to the gateway, and nowhere else.
import { readFileSync } from 'node:fs';
import { rootCertificates } from 'node:tls';
import { Client } from 'pg';
import { SallyportError } from '../core/errors.ts';
import { dataDirectory } from '../standalone/data-directory.ts';
import { readRunning } from '../standalone/running.ts';
import type { Printer } from './sql-print.ts';
import { complaint } from './sql-run.ts';
import { UsageError, type VerbIo } from './verb.ts';

const DEFAULT_PORT = 6432;

/** The gateway could not be found or reached, or the connection to it was lost. */
export class GatewayUnreachable extends SallyportError {
  readonly code = 'gateway_unreachable';
}

export type Destination = { readonly host: string; readonly port: number };

/** Where the gateway is: flags, then environment, then the gateway that runs on the data directory. Throws GatewayUnreachable. */
export function address(
  values: { host?: string | undefined; port?: string | undefined; data?: string | undefined },
  io: VerbIo,
): Destination {
  const host = values.host ?? io.env['SALLYPORT_HOST'];
  const port = values.port ?? io.env['SALLYPORT_PORT'];
  if (host === undefined && port === undefined) {
    const folder = dataDirectory(values.data, io.env);
    const running = readRunning(folder);
    if (running !== undefined) return running.postgres;
    throw new GatewayUnreachable(`no gateway runs on ${folder}: start one (sallyport demo), or name it with --host and --port`);
  }
  const number = Number(port ?? DEFAULT_PORT);
  if (!Number.isInteger(number) || number < 1 || number > 65_535) throw new UsageError('--port is a number from 1 to 65535');
  return { host: host ?? '127.0.0.1', port: number };
}

/** Logs in with the token as the password. A refusal by the gateway is printed, and gives undefined. Throws GatewayUnreachable. */
export async function connect(
  to: Destination & {
    readonly ca: string | undefined;
    target: string;
    token: string;
    settings: Readonly<Record<string, string | undefined>>;
  },
  io: VerbIo,
  printer: Printer,
): Promise<Client | undefined> {
  const client = new Client({
    host: to.host,
    port: to.port,
    database: to.target,
    user: io.env['USER'] ?? 'sallyport',
    password: to.token,
    application_name: 'sallyport sql',
    ssl: isLoopback(to.host) ? false : tlsOptions(to.ca),
    options: startupOptions(to.settings),
  });
  client.on('notice', (said) => {
    const read = complaint(said);
    if (read !== undefined) printer.notice(read);
  });
  client.on('error', () => {
    // The statement in hand is told of it as well; between statements the next one is.
  });
  try {
    await client.connect();
    return client;
  } catch (error) {
    const refusal = complaint(error);
    if (refusal === undefined) {
      const why = error instanceof Error ? error.message : String(error);
      throw new GatewayUnreachable(`no connection to the gateway at ${to.host}:${to.port}: ${why}`, { cause: error });
    }
    printer.error(refusal);
    return undefined;
  }
}

function tlsOptions(caFile: string | undefined): { ca?: string[] } {
  return caFile === undefined ? {} : { ca: [...rootCertificates, readFileSync(caFile, 'utf8')] };
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/u.test(host);
}

// The server cuts this at white space and takes a backslash as its escape (`pg_split_opts`).
function startupOptions(settings: Readonly<Record<string, string | undefined>>): string {
  return Object.entries(settings)
    .flatMap(([name, value]) => (value === undefined ? [] : [`-c ${name}=${value.replace(/[\\\s]/gu, String.raw`\$&`)}`]))
    .join(' ');
}
