// `sallyport serve`: the gateway on one machine, before your own targets.
import { resolve } from 'node:path';
import { visibleText } from '../core/approval/visible.ts';
import { jsonLine } from './json-line.ts';
import { knownHostsLine } from '../proxy-task/ssh/host-key.ts';
import { dataDirectory } from '../standalone/data-directory.ts';
import { startMachine } from '../standalone/machine.ts';
import { EXIT, readArguments, type Verb, type VerbIo } from './verb.ts';

const USAGE = `Usage: sallyport serve [--config DIR] [--data DIR] [--json]

Runs gateway, API and console in one process, until SIGINT or SIGTERM. Sessions then end at their next transaction
boundary, and the evidence is sealed.

  --config DIR   configuration: sallyport.yaml, policies/, masking.yaml, tests/ (default: config)
  --data DIR     state and evidence; one gateway at a time (SALLYPORT_DATA, else .sallyport)
  --json         {"event":"ready",…} when it listens, {"event":"log",…} for messages
`;

export const verb: Verb = { usage: USAGE, run };

async function run(args: readonly string[], io: VerbIo): Promise<number> {
  const { values } = readArguments({
    args: [...args],
    options: { config: { type: 'string', default: 'config' }, data: { type: 'string' }, json: { type: 'boolean', default: false } },
  });
  const { json } = values;
  const dataDir = dataDirectory(values.data, io.env);
  const stop = io.stopRequested();
  const machine = await startMachine({ configDir: resolve(values.config), dataDir, env: io.env, log: logTo(io, json) });
  const { postgres, ssh, api } = machine;
  if (json) io.stdout.write(jsonLine({ event: 'ready', postgres, ...(ssh === undefined ? {} : { ssh }), api, dataDir, pid: process.pid }));
  else {
    const sshLines =
      ssh === undefined
        ? ''
        : `  SSH clients         ${ssh.host}:${ssh.port}\n  for known_hosts     ${knownHostsLine(ssh.host, ssh.port, ssh.hostKey)}\n`;
    io.stdout.write(
      `Sallyport is ready.\n  PostgreSQL clients  ${postgres.host}:${postgres.port}\n${sshLines}  API and console     ${api}\n  data                ${dataDir}\n`,
    );
  }
  await stop;
  io.stderr.write('stopping: sessions end at their next transaction boundary\n');
  await machine.stop();
  return EXIT.fine;
}

/**
 * Messages of the gateway for the operator: lines on stderr, or JSON objects on stdout. What hosts and clients said may be in them:
 * it acts on no terminal, and forges no line.
 */
export function logTo(io: VerbIo, json: boolean): (line: string) => void {
  return json
    ? (line) => io.stdout.write(jsonLine({ event: 'log', at: new Date().toISOString(), message: line }))
    : (line) => io.stderr.write(`${new Date().toISOString()} ${visibleText(line, false)}\n`);
}
