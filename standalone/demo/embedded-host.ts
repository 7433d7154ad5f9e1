/**
 * A host in this process, where no sshd is: a few programs of this machine, started without a shell, and files to read by sftp. It
 * is there to be looked at through the gateway, and is no server for anything else.
 */
import { spawn } from 'node:child_process';
import { timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import ssh2, { type AuthContext, type Connection, type ServerChannel } from 'ssh2';
import { parsePublicKey } from '../../core/config/ssh-public-key.ts';
import { serveFiles } from './embedded-files.ts';
import { HOST_ROOT } from './host-files.ts';

const PROGRAMS: ReadonlySet<string> = new Set([
  'cat',
  'head',
  'tail',
  'wc',
  'grep',
  'ls',
  'echo',
  'systemctl',
  'git-upload-pack',
  'git-receive-pack',
]);

export type EmbeddedHost = { readonly port: number; stop(): Promise<void> };

/** Listens on a free port of loopback; one key logs in, as anybody. */
export async function startEmbeddedHost(keys: { readonly hostKey: string; readonly clientKey: string }): Promise<EmbeddedHost> {
  const connections = new Set<Connection>();
  const parsed = parsePublicKey(keys.clientKey)?.blob;
  const blob = parsed === undefined ? undefined : Buffer.from(parsed);
  const server = new ssh2.Server({ hostKeys: [keys.hostKey] }, (connection) => {
    connections.add(connection);
    connection.on('close', () => connections.delete(connection));
    connection.on('error', () => connection.end());
    connection.on('authentication', (context) => {
      if (blob !== undefined && isKnown(context, blob)) context.accept();
      else context.reject(['publickey']);
    });
    connection.on('session', (accept) => {
      const session = accept();
      session.on('exec', (take, _refuse, { command }) => run(command, take()));
      session.on('sftp', (take) => serveFiles(take()));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the embedded host has no port');
  const { port } = address;
  return {
    port,
    stop: async () => {
      const closed = once(server, 'close');
      server.close();
      for (const connection of connections) connection.end();
      await closed;
    },
  };
}

function isKnown(context: AuthContext, blob: Buffer): boolean {
  if (context.method !== 'publickey' || context.key.data.length !== blob.length || !timingSafeEqual(context.key.data, blob)) return false;
  if (context.signature === undefined) return true;
  const key = ssh2.utils.parseKey(`ssh-ed25519 ${blob.toString('base64')}`);
  return !(key instanceof Error) && context.blob !== undefined && verified(key.verify(context.blob, context.signature, context.hashAlgo));
}

/** What cannot be verified is an error instead of an answer. */
function verified(answer: boolean | Error): boolean {
  return answer === true;
}

function run(command: string, channel: ServerChannel): void {
  const [name = '', ...args] = wordsOf(command);
  const end = (status: number): void => {
    channel.exit(status);
    channel.end();
  };
  if (!PROGRAMS.has(name)) {
    channel.stderr.write(`the demo's embedded host has no ${JSON.stringify(name)}: it has ${[...PROGRAMS].join(', ')}\n`);
    end(127);
    return;
  }
  const child = spawn(name, args, { cwd: HOST_ROOT, env: { PATH: `${HOST_ROOT}/bin:/usr/local/bin:/usr/bin:/bin` } });
  channel.pipe(child.stdin);
  child.stdin.on('error', () => {
    // It ended without reading all: its status says how.
  });
  child.stdout.pipe(channel, { end: false });
  child.stderr.pipe(channel.stderr, { end: false });
  child.once('error', () => end(126));
  child.once('close', (status) => end(status ?? 255));
  channel.once('close', () => child.kill());
}

/** Words of one command, with single and double quotes and nothing else that a shell knows. */
function wordsOf(command: string): readonly string[] {
  return Array.from(command.matchAll(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g), ([word]) => word.replaceAll(/'([^']*)'|"([^"]*)"/g, '$1$2'));
}
