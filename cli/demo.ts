// `sallyport demo`: everything on this machine, and the commands that show what it does.
import { jsonLine } from './json-line.ts';
import { startDemo } from '../standalone/demo/demo.ts';
import { dataDirectory } from '../standalone/data-directory.ts';
import { tour } from './demo-tour.ts';
import { logTo } from './serve.ts';
import { EXIT, readArguments, UsageError, type Verb, type VerbIo } from './verb.ts';

const USAGE = `Usage: sallyport demo [--data DIR] [--port N] [--ssh-port N] [--api-port N] [--issuer-port N] [--target-port N] [--json]

Starts a real PostgreSQL with a bank in it, a host (a real sshd where one is installed), an issuer of tokens, and the gateway
between agents and both; then prints a tour: commands to paste into another terminal. Everything listens on 127.0.0.1 only and ends with SIGINT or SIGTERM.

  --data DIR        where state, evidence and the database are kept (SALLYPORT_DATA, else .sallyport)
  --port N          the gateway for PostgreSQL (default 6432; 0 picks a free port)
  --ssh-port N      the gateway for SSH (default 2222)
  --api-port N      API and console (default 8080)
  --issuer-port N   issuer of tokens, where approvers sign in (default 8081)
  --target-port N   the database itself (default 0)
  --json            {"event":"ready",…} when it is ready, and no tour
`;

export const verb: Verb = { usage: USAGE, run };

async function run(args: readonly string[], io: VerbIo): Promise<number> {
  const { values } = readArguments({
    args: [...args],
    options: {
      data: { type: 'string' },
      port: { type: 'string', default: '6432' },
      'ssh-port': { type: 'string', default: '2222' },
      'api-port': { type: 'string', default: '8080' },
      'issuer-port': { type: 'string', default: '8081' },
      'target-port': { type: 'string', default: '0' },
      json: { type: 'boolean', default: false },
    },
  });
  const { json } = values;
  const dataDir = dataDirectory(values.data, io.env);
  const stop = io.stopRequested();
  const startedAt = performance.now();
  const demo = await startDemo({
    dataDir,
    ports: {
      postgres: port('--port', values.port),
      ssh: port('--ssh-port', values['ssh-port']),
      api: port('--api-port', values['api-port']),
      issuer: port('--issuer-port', values['issuer-port']),
      target: port('--target-port', values['target-port']),
    },
    env: io.env,
    log: logTo(io, json),
    progress: (step) => {
      if (!json) io.stderr.write(`${step} …\n`);
    },
  });
  const { postgres, ssh, api } = demo.machine;
  const seconds = (performance.now() - startedAt) / 1_000;
  if (json) {
    const target = { host: demo.target.host, port: demo.target.port, database: demo.target.database, log: demo.target.logFile };
    io.stdout.write(
      jsonLine({
        event: 'ready',
        postgres,
        ssh,
        api,
        issuer: demo.issuer,
        target,
        host: demo.host === undefined ? undefined : { kind: demo.host.kind, port: demo.host.port },
        dataDir,
        pid: process.pid,
      }),
    );
  } else {
    io.stdout.write(
      tour({
        postgres,
        ssh,
        host: demo.host?.kind,
        api,
        dataDir: values.data === undefined && (io.env['SALLYPORT_DATA'] ?? '') === '' ? undefined : dataDir,
        seconds,
      }),
    );
  }
  await stop;
  io.stderr.write('stopping …\n');
  await demo.stop();
  return EXIT.fine;
}

function port(flag: string, text: string): number {
  const number = Number(text);
  if (!/^\d+$/u.test(text) || number > 65_535) throw new UsageError(`${flag} ${text} is not a port`);
  return number;
}
