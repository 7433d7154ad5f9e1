/** A Python that has paramiko, in an environment of its own: installed from pinned packages at the first run. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const CONSTRAINTS = join(import.meta.dirname, 'paramiko-constraints.txt');
const FOLDER = join(import.meta.dirname, '../../../node_modules/.cache/sallyport-paramiko');
const INSTALL_TIMEOUT_MS = 300_000;

/** The start of a program: connects to the gateway with the pinned host key, by `PORT`, `HOST_KEY` and `TOKEN` of its environment. */
export const PARAMIKO_CONNECT = `
import base64, os, sys, paramiko
client = paramiko.SSHClient()
key = paramiko.Ed25519Key(data=base64.b64decode(os.environ['HOST_KEY']))
port = int(os.environ['PORT'])
client.get_host_keys().add('[127.0.0.1]:%d' % port, 'ssh-ed25519', key)
client.set_missing_host_key_policy(paramiko.RejectPolicy())
client.connect('127.0.0.1', port=port, username='web1', password=os.environ['TOKEN'], look_for_keys=False, allow_agent=False)
def run(command, data=b''):
    stdin, stdout, stderr = client.exec_command(command)
    stdin.write(data)
    stdin.channel.shutdown_write()
    out, err = stdout.read(), stderr.read()
    return stdout.channel.recv_exit_status(), out, err
`;

/** Path of its `python3`. Throws what is missing, in words. */
export function paramikoPython(): string {
  const wanted = createHash('sha256').update(readFileSync(CONSTRAINTS)).digest('hex');
  const python = join(FOLDER, 'bin/python3');
  const mark = join(FOLDER, 'installed');
  if (existsSync(mark) && readFileSync(mark, 'utf8') === wanted && spawnSync(python, ['-c', 'import paramiko']).status === 0) return python;
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(join(FOLDER, '..'), { recursive: true });
  run('python3', ['-m', 'venv', FOLDER], 'python3 cannot make a virtual environment (Debian: python3-venv)');
  const install = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-c', CONSTRAINTS, 'paramiko'];
  run(python, install, 'paramiko could not be installed with pip');
  // Written aside and renamed: an installation that was cut short is never taken for a whole one.
  writeFileSync(`${mark}.new`, wanted);
  renameSync(`${mark}.new`, mark);
  return python;
}

function run(program: string, parameters: readonly string[], otherwise: string): void {
  const ran = spawnSync(program, parameters, { encoding: 'utf8', timeout: INSTALL_TIMEOUT_MS, stdio: ['ignore', 'pipe', 'pipe'] });
  if (ran.status !== 0) throw new Error(`${otherwise}\n${ran.error?.message ?? ''}${ran.stdout ?? ''}${ran.stderr ?? ''}`);
}
