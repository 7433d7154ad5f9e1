/** Programs of OpenSSH and their like, run to their end in a directory of their own, with nothing of the person who runs the suite. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** For a gibibyte on a busy machine. */
const TIMEOUT_MS = 300_000;

export type Finished = { readonly status: number | null; readonly stdout: Buffer; readonly stderr: string };

/** A directory of keys and files; `remove` takes it away. */
export class SshHome {
  readonly directory = mkdtempSync(join(tmpdir(), 'sallyport-ssh-home-'));

  path(name: string): string {
    return join(this.directory, name);
  }

  /** Makes a key without a passphrase; its path. Rejects where ssh-keygen is not installed. */
  async key(name: string, ...options: readonly string[]): Promise<string> {
    const made = await this.run('ssh-keygen', ['-q', '-N', '', '-C', name, '-f', this.path(name), ...options]);
    if (made.status !== 0) throw new Error(made.stderr);
    return this.path(name);
  }

  /** Rejects when the program is not installed, and when it takes longer than five minutes. */
  run(
    program: string,
    args: readonly string[],
    { input = '', env = {} }: { readonly input?: string | Buffer; readonly env?: Readonly<Record<string, string>> } = {},
  ): Promise<Finished> {
    const child = spawn(program, args, {
      cwd: this.directory,
      env: { PATH: process.env['PATH'], HOME: this.directory, LC_ALL: 'C', TZ: 'UTC', ...env },
      timeout: TIMEOUT_MS,
      killSignal: 'SIGKILL',
    });
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    const stdout: Buffer[] = [];
    let stderr = '';
    child.stdout.on('data', (piece: Buffer) => stdout.push(piece));
    child.stderr.setEncoding('utf8').on('data', (piece: string) => (stderr += piece));
    return new Promise((resolve, reject) => {
      child.on('error', (cause) => reject(new Error(`${program} does not start: is it installed?`, { cause })));
      child.on('close', (status, signal) => {
        if (signal === null) resolve({ status, stdout: Buffer.concat(stdout), stderr });
        else reject(new Error(`${program} was ended by ${signal}: ${stderr}`));
      });
    });
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}
