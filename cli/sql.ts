// `sallyport sql`: a small client, for people who try what an agent would see. It speaks to the gateway only, like any other client.
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import type { Client } from 'pg';
import { visibleText } from '../core/approval/visible.ts';
import { address, connect, GatewayUnreachable } from './sql-connect.ts';
import { jsonPrinter, tablePrinter, type Printer } from './sql-print.ts';
import { runStatement } from './sql-run.ts';
import { EXIT, readArguments, UsageError, type Verb, type VerbIo } from './verb.ts';

const DEFAULT_TARGET = 'bank';

const USAGE = `Usage: sallyport sql [--target NAME] [--token TOKEN] [STATEMENT]

Runs SQL through the gateway, as an agent would, and prints what comes back. Without STATEMENT it reads SQL from
standard input, or asks for it on a terminal.

  --target NAME            the target to ask for (SALLYPORT_TARGET, else ${DEFAULT_TARGET})
  --token TOKEN            the agent's token; better in SALLYPORT_TOKEN, where a list of processes does not show it
  --approval wait|failfast hold a statement that needs approval on the wire, or refuse it at once with the approval's id
  --approval-id ID         run what this approval allows
  --reason TEXT            why, for the approver to read
  --host HOST, --port PORT where the gateway is (SALLYPORT_HOST, SALLYPORT_PORT, else the one that runs on --data)
  --ca FILE                certificates to trust beside the usual ones are in this file; TLS is always used, but on loopback
  --data DIR               data directory of the gateway on this machine (SALLYPORT_DATA, else .sallyport)
  --json                   one JSON object a line: columns, row, tag, notice, error

Exit status 1 when the gateway or the target refused or failed a statement.
`;

async function run(args: readonly string[], io: VerbIo): Promise<number> {
  const { values, positionals } = readArguments({
    args: [...args],
    allowPositionals: true,
    options: {
      target: { type: 'string' },
      token: { type: 'string' },
      approval: { type: 'string' },
      'approval-id': { type: 'string' },
      reason: { type: 'string' },
      host: { type: 'string' },
      port: { type: 'string' },
      ca: { type: 'string' },
      data: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });
  if (positionals.length > 1) throw new UsageError('the statement must be one argument: quote it');
  if (values.approval !== undefined && values.approval !== 'wait' && values.approval !== 'failfast') {
    throw new UsageError('--approval is wait or failfast');
  }
  const token = values.token ?? io.env['SALLYPORT_TOKEN'] ?? '';
  if (token === '') throw new UsageError('no token: give --token or SALLYPORT_TOKEN (sallyport token gets one from the demo issuer)');
  const target = values.target ?? io.env['SALLYPORT_TARGET'] ?? DEFAULT_TARGET;
  const asks = positionals[0] === undefined && io.stdin.isTTY === true;
  const text = asks ? '' : (positionals[0] ?? (await readAll(io)));
  if (!asks && text.trim() === '') throw new UsageError('no statement');

  const printer = values.json ? jsonPrinter(io) : tablePrinter(io);
  const settings = {
    'sallyport.approval': values.approval,
    'sallyport.approval_id': values['approval-id'],
    'sallyport.reason': values.reason,
  };
  const client = await connect({ ...address(values, io), ca: values.ca, target, token, settings }, io, printer);
  if (client === undefined) return EXIT.findings;
  let stopped = false;
  void io.stopRequested().then(() => {
    // A client that closes withdraws what it was waiting for.
    stopped = true;
    io.stderr.write('stopped: the connection to the gateway is closed\n');
    return client.end();
  });
  try {
    if (asks) return await converse(client, target, io, printer);
    const failure = await runStatement(client, text, printer);
    if (failure !== undefined) printer.error(failure);
    return failure === undefined ? EXIT.fine : EXIT.findings;
  } catch (error) {
    if (stopped) return EXIT.findings;
    throw new GatewayUnreachable('the connection to the gateway was lost; whether the statement ran is unknown', { cause: error });
  } finally {
    if (!stopped) await client.end();
  }
}

async function readAll(io: VerbIo): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of io.stdin) {
    const piece: unknown = chunk;
    chunks.push(piece instanceof Uint8Array ? piece : Buffer.from(String(piece)));
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
  } catch (cause) {
    throw new UsageError('the SQL on standard input is not UTF-8', { cause });
  }
}

async function converse(client: Client, target: string, io: VerbIo, printer: Printer): Promise<number> {
  if (!(io.stdout instanceof Writable)) throw new UsageError('no statement');
  io.stdout.write(`Connected to ${visibleText(target, false)} through Sallyport. End a statement with ; and the session with \\q.\n`);
  const lines = createInterface({ input: io.stdin, output: io.stdout, terminal: true, prompt: `${target}=> ` });
  let pending = '';
  let busy = false;
  lines.on('SIGINT', () => {
    if (!busy) return lines.close();
    // A client that closes withdraws what it was waiting for.
    lines.close();
    io.stderr.write('stopped: the connection to the gateway is closed\n');
    void client.end();
  });
  lines.prompt();
  for await (const line of lines) {
    if (pending === '' && /^\s*(?:\\q|quit|exit)\s*;?\s*$/u.test(line)) break;
    pending += pending === '' ? line : `\n${line}`;
    if (/;\s*$/u.test(pending)) {
      busy = true;
      const failure = await runStatement(client, pending, printer);
      busy = false;
      if (failure !== undefined) printer.error(failure);
      pending = '';
    }
    lines.setPrompt(pending.trim() === '' ? `${target}=> ` : `${target}-> `);
    lines.prompt();
  }
  lines.close();
  return EXIT.fine;
}

export const verb: Verb = { usage: USAGE, run };
