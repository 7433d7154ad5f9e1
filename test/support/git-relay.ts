/** Stock git, with a git machine of the gateway between the client and `git receive-pack` or `git upload-pack` over stdio. */
import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { ChannelEvent } from '../../core/evidence/channel-event.ts';
import type { HostOperation } from '../../core/statement/host/host-operation.ts';
import type { ChannelActions } from '../../proxy-task/ssh/channel-protocol.ts';
import { GitProtocol } from '../../proxy-task/ssh/git-protocol.ts';

export type Ran = { readonly ok: boolean; readonly output: string };

/** What ssh is to git here: the command as one line, then the bytes; frames of `kind length bytes` come back. */
const CLIENT = `
const socket = require('node:net').connect(process.env.GIT_RELAY);
const quote = JSON.stringify({ command: process.argv.at(-1), protocol: process.env.GIT_PROTOCOL ?? '' });
socket.write(quote + '\\n');
process.stdin.on('data', (chunk) => socket.write(chunk)).on('end', () => socket.end());
let held = Buffer.alloc(0);
socket.on('data', (chunk) => {
  held = Buffer.concat([held, chunk]);
  while (held.length >= 5 && held.length >= 5 + held.readUInt32BE(1)) {
    const body = held.subarray(5, 5 + held.readUInt32BE(1));
    if (held[0] === 1) process.stdout.write(Buffer.from(body));
    else if (held[0] === 2) process.stderr.write(Buffer.from(body));
    else process.exitCode = body[0];
    held = held.subarray(5 + held.readUInt32BE(1));
  }
});
socket.on('end', () => process.stdin.destroy());
`;

export class GitRelay {
  readonly directory = mkdtempSync(join(tmpdir(), 'sallyport-git-'));
  readonly asked: HostOperation[] = [];
  readonly events: ChannelEvent[] = [];
  readonly completed: string[] = [];
  /** Commands that were relayed. */
  readonly commands: string[] = [];
  judge: (operation: HostOperation) => 'run' | 'refused' = () => 'run';
  readonly #server = createServer({ allowHalfOpen: true }, (socket) => this.#relay(socket));

  static async start(): Promise<GitRelay> {
    const relay = new GitRelay();
    writeFileSync(join(relay.directory, 'ssh.cjs'), CLIENT);
    await new Promise<void>((resolve) => relay.#server.listen(join(relay.directory, 'relay'), resolve));
    return relay;
  }

  stop(): void {
    this.#server.close();
    rmSync(this.directory, { recursive: true, force: true });
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  /** A repository through the relay. */
  url(name: string): string {
    return `ssh://host${this.path(name)}`;
  }

  /** Runs git in a folder below the directory. */
  async git(folder: string, ...args: readonly string[]): Promise<Ran> {
    try {
      const { stdout, stderr } = await promisify(execFile)('git', [...args], { cwd: this.path(folder), env: this.#environment() });
      return { ok: true, output: stdout + stderr };
    } catch (error) {
      if (!(error instanceof Error) || !('stderr' in error) || !('stdout' in error)) throw error;
      return { ok: false, output: `${String(error.stdout)}${String(error.stderr)}` };
    }
  }

  /** The same, where anything but success is a failure of the test; its output without the line's end. */
  async must(folder: string, ...args: readonly string[]): Promise<string> {
    const ran = await this.git(folder, ...args);
    if (!ran.ok) throw new Error(`git ${args.join(' ')}: ${ran.output}`);
    return ran.output.trim();
  }

  /** What was asked for, as `change ref`; forgotten then. */
  changes(): readonly string[] {
    const found = this.asked.flatMap((operation) =>
      operation.kind === 'gitPush' ? operation.updates.map(({ ref, change }) => `${change} ${ref}`) : [],
    );
    this.asked.length = 0;
    return found;
  }

  #environment(): NodeJS.ProcessEnv {
    const person = { GIT_AUTHOR_NAME: 'a', GIT_AUTHOR_EMAIL: 'a@x', GIT_COMMITTER_NAME: 'a', GIT_COMMITTER_EMAIL: 'a@x' };
    const alone = { HOME: this.directory, GIT_CONFIG_NOSYSTEM: '1', GIT_TERMINAL_PROMPT: '0', LC_ALL: 'C' };
    const ssh = { GIT_RELAY: this.path('relay'), GIT_SSH_COMMAND: `${process.execPath} ${this.path('ssh.cjs')}`, GIT_SSH_VARIANT: 'ssh' };
    return { PATH: process.env['PATH'], ...person, ...alone, ...ssh };
  }

  #relay(socket: Socket): void {
    let line = Buffer.alloc(0);
    const first = (chunk: Buffer): void => {
      line = Buffer.concat([line, chunk]);
      const end = line.indexOf('\n');
      if (end === -1) return;
      socket.off('data', first);
      this.#open(socket, JSON.parse(line.toString('utf8', 0, end)), line.subarray(end + 1));
    };
    socket.on('data', first);
    socket.on('error', () => undefined);
  }

  #open(socket: Socket, opening: unknown, rest: Buffer): void {
    const { command, protocol } = Object.fromEntries(Object.entries(opening ?? {}).map(([name, value]) => [name, String(value)]));
    const [, service = '', path = ''] = /^git-(\S+) '(.*)'$/u.exec(command ?? '') ?? [];
    if (service !== 'upload-pack' && service !== 'receive-pack') throw new Error(`not git: ${command}`);
    this.commands.push(service);
    const env = { ...this.#environment(), ...(protocol === '' ? {} : { GIT_PROTOCOL: protocol }) };
    const host = spawn('git', [service, path], { env });
    const frame = (kind: number, bytes: Uint8Array): void => {
      const head = Buffer.alloc(5);
      head.writeUInt8(kind);
      head.writeUInt32BE(bytes.length, 1);
      if (!socket.writableEnded) socket.write(Buffer.concat([head, bytes]));
    };
    const end = (status: number): void => {
      frame(3, Buffer.of(status));
      socket.end();
    };
    let statement = 10;
    const actions: ChannelActions = {
      toTarget: (bytes) => host.stdin.write(bytes),
      toClient: (bytes) => frame(1, bytes),
      endTarget: () => host.stdin.end(),
      ask: (ask, operation) => {
        this.asked.push(operation);
        statement += 1;
        const answer = this.judge(operation);
        const refused = { kind: 'refused', statement, code: 'ZG010', message: 'blocked by policy: not today' } as const;
        // People answer later, never within the call.
        setImmediate(() => machine.answered(ask, answer === 'run' ? { kind: 'run', statement } : refused));
      },
      resolve: (at, resolved) => resolved(at),
      record: (event) => this.events.push(event),
      completed: (of, outcome) => this.completed.push(`${of} ${outcome}`),
      pauseClient: () => socket.pause(),
      resumeClient: () => socket.resume(),
      tell: () => undefined,
      refuse: (code, message) => {
        frame(2, Buffer.from(`sallyport: ${code} ${message}\n`));
        end(77);
        host.kill();
      },
    };
    const machine = new GitProtocol({ channel: 1, actions, account: 'git', repository: path, service, statement: 5 });
    host.stdin.on('error', () => undefined);
    host.stdout.on('data', (chunk: Buffer) => machine.fromTarget(chunk, 'stdout'));
    host.stderr.on('data', (chunk: Buffer) => {
      frame(2, chunk);
      machine.fromTarget(chunk, 'stderr');
    });
    host.on('close', (status) => {
      machine.targetEnded();
      end(status ?? 255);
    });
    socket.on('data', (chunk: Buffer) => machine.fromClient(chunk));
    socket.on('end', () => machine.clientEnded());
    if (rest.length > 0) machine.fromClient(Buffer.from(rest));
  }
}
