// A host on ssh2's server, in this process: programs are functions, and everything that it was asked for is kept.
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { posix } from 'node:path';
import ssh2, { type AuthContext, type Connection, type ServerChannel, type Session } from 'ssh2';
import { fingerprint } from '../../core/config/ssh-public-key.ts';
import { ed25519Blob, openSshPrivateKey } from '../../core/credential/openssh-private-key.ts';
import { socketOf } from '../../proxy-task/ssh/channel-internals.ts';

/** What a program has: its channel, and how it ends. */
export type HostProgram = (run: {
  readonly words: readonly string[];
  readonly channel: ServerChannel;
  readonly channelEnv: Readonly<Record<string, string>>;
  readonly terminal: object | undefined;
  readonly onSignal: (heard: (name: string) => void) => void;
  readonly onResize: (heard: (size: { readonly cols: number; readonly rows: number }) => void) => void;
  exit(status: number | string): void;
}) => void;

export type EmbeddedHost = {
  readonly port: number;
  readonly hostKey: string;
  /** In OpenSSH's form: what logs in. */
  readonly clientKey: string;
  /** Commands in the order in which they came; `shell` and `subsystem …` for those. */
  readonly asked: string[];
  readonly connections: Set<Connection>;
  /** Users who logged in, and with what type of key. */
  readonly logins: { readonly user: string; readonly algorithm: string; readonly blob: Buffer }[];
  stop(): Promise<void>;
};

export type HostOptions = {
  readonly programs?: Readonly<Record<string, HostProgram>>;
  /** Links of the file system, by their path. */
  readonly links?: Readonly<Record<string, string>>;
  readonly accepts?: (context: AuthContext) => boolean;
  readonly noSftp?: boolean;
  /** Answers `direct-tcpip`. */
  readonly onForward?: (channel: ServerChannel, to: { readonly destIP: string; readonly destPort: number }) => void;
};

const PROGRAMS: Readonly<Record<string, HostProgram>> = {
  echo: ({ words, channel, exit }) => void channel.write(`${words.slice(1).join(' ')}\n`, () => exit(0)),
  cat: ({ channel, exit }) => {
    channel.pipe(channel, { end: false });
    channel.on('end', () => exit(0));
  },
  warn: ({ words, channel, exit }) => void channel.stderr.write(`${words.slice(1).join(' ')}\n`, () => exit(1)),
  exit: ({ words, exit }) => exit(Number(words[1])),
  die: ({ words, exit }) => exit(words[1] ?? 'KILL'),
  wait: ({ channel }) => void channel.write('waiting\n'),
  env: ({ channel, channelEnv, exit }) => void channel.write(JSON.stringify(channelEnv), () => exit(0)),
  size: ({ channel, terminal, onResize, exit }) => {
    channel.write(`${JSON.stringify(terminal ?? null)}\n`);
    onResize(({ cols, rows }) => void channel.write(`${cols}x${rows}\n`, () => exit(0)));
  },
  trap: ({ channel, onSignal, exit }) => {
    channel.write('ready\n');
    onSignal((name) => void channel.write(`got ${name}\n`, () => exit(0)));
  },
  /** `big BYTES`: a pattern, as fast as it is taken. */
  big: ({ words, channel, exit }) => {
    let left = Number(words[1]);
    const piece = Buffer.from(Array.from({ length: 65_536 }, (_, i) => i % 251));
    const more = (): void => {
      while (left > 0) {
        const next = piece.subarray(0, Math.min(left, piece.length));
        left -= next.length;
        if (!channel.write(next)) {
          channel.once('drain', more);
          return;
        }
      }
      channel.write('', () => exit(0));
    };
    more();
  },
};

export async function startEmbeddedHost(options: HostOptions = {}): Promise<EmbeddedHost> {
  const { privateKey } = generateKeyPairSync('ed25519');
  const { privateKey: clientPrivate } = generateKeyPairSync('ed25519');
  const clientBlob = ed25519Blob(clientPrivate);
  const programs = { ...PROGRAMS, ...options.programs };
  const asked: string[] = [];
  const connections = new Set<Connection>();
  const sockets = new Set<Socket>();
  const logins: EmbeddedHost['logins'] = [];
  const server = new ssh2.Server({ hostKeys: [openSshPrivateKey(privateKey)] }, (connection) => {
    connections.add(connection);
    const socket = socketOf(connection);
    if (socket !== undefined) sockets.add(socket.once('close', () => sockets.delete(socket)));
    connection.on('close', () => connections.delete(connection));
    connection.on('error', () => undefined);
    connection.on('authentication', (context) => {
      if (context.method !== 'publickey') {
        context.reject(['publickey']);
        return;
      }
      const taken = options.accepts === undefined ? context.key.data.equals(clientBlob) : options.accepts(context);
      if (!taken) {
        context.reject(['publickey']);
        return;
      }
      if (context.signature !== undefined) logins.push({ user: context.username, algorithm: context.key.algo, blob: context.key.data });
      context.accept();
    });
    connection.on('session', (accept) => serveSession(accept()));
    connection.on('tcpip', (accept, reject, info) => {
      asked.push(`forward ${info.destIP}:${info.destPort}`);
      if (options.onForward === undefined) reject();
      else options.onForward(accept(), info);
    });
  });

  function serveSession(session: Session): void {
    const channelEnv: Record<string, string> = {};
    let terminal: object | undefined;
    let signal: (name: string) => void = () => undefined;
    let resize: (size: { cols: number; rows: number }) => void = () => undefined;
    session.on('env', (accept: (() => void) | undefined, _reject: unknown, info: unknown) => {
      // As ssh2 hands it over; its types lack the name.
      const { key, val } = info as { key: string; val: string };
      channelEnv[key] = val;
      accept?.();
    });
    session.on('pty', (accept, _reject, info) => {
      terminal = info;
      accept?.();
    });
    session.on('window-change', (accept, _reject, info) => {
      resize(info);
      accept?.();
    });
    session.on('signal', (accept: (() => void) | undefined, _reject: unknown, info: { readonly name: string }) => {
      signal(info.name);
      accept?.();
    });
    const run = (command: string, channel: ServerChannel): void => {
      const words = command.split(' ');
      const program = programs[words[0] ?? ''];
      channel.on('error', () => undefined);
      const exit = (status: number | string): void => {
        if (typeof status === 'number') channel.exit(status);
        else channel.exit(status, false, '');
        channel.end();
      };
      if (program === undefined) exit(127);
      else
        program({
          words,
          channel,
          channelEnv,
          terminal,
          onSignal: (heard) => {
            signal = heard;
          },
          onResize: (heard) => {
            resize = heard;
          },
          exit,
        });
    };
    session.on('exec', (accept, _reject, { command }) => {
      asked.push(command);
      run(command, accept());
    });
    session.on('shell', (accept) => {
      asked.push('shell');
      run('cat', accept());
    });
    session.on('sftp', (accept, reject) => {
      if (options.noSftp === true) {
        reject();
        return;
      }
      const sftp = accept();
      const name = (path: string) => ({ filename: path, longname: path, attrs: { mode: 0, uid: 0, gid: 0, size: 0, atime: 0, mtime: 0 } });
      sftp.on('REALPATH', (id, path) => {
        const plain = posix.resolve('/home/agent', path);
        const link = Object.entries(options.links ?? {}).find(([from]) => plain === from || plain.startsWith(`${from}/`));
        sftp.name(id, [name(link === undefined ? plain : link[1] + plain.slice(link[0].length))]);
      });
      sftp.on('LSTAT', (id) => sftp.status(id, 2));
    });
  }

  // What it listens on is its own to close.
  server.on('connection', () => undefined);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  // A TCP server that listens has an address with a port.
  const { port } = server.address() as AddressInfo;
  return {
    port,
    hostKey: fingerprint(ed25519Blob(privateKey)),
    clientKey: openSshPrivateKey(clientPrivate),
    asked,
    connections,
    logins,
    stop: async () => {
      for (const connection of connections) connection.end();
      for (const socket of sockets) socket.destroy();
      const closed = once(server, 'close');
      server.close();
      await closed;
    },
  };
}
