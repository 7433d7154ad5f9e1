/**
 * One emulator of AWS (moto) for all suites of `npm run test:aws`: installed from pinned packages at the first run, started once,
 * ended with the run. Whatever it needs is there or made; else the run fails and says what is missing.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { createHash, randomInt } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const VERSION = '5.2.5';
const ROOT = join(import.meta.dirname, '../../..');
const CONSTRAINTS = join(import.meta.dirname, 'moto-constraints.txt');
const FOLDER = join(ROOT, `node_modules/.cache/sallyport-moto-${VERSION}`);
const INSTALL_TIMEOUT_MS = 300_000;
const START_TIMEOUT_MS = 60_000;
const PORT_ATTEMPTS = 10;

/** Ends with whoever holds the other end of its standard input, so that no crash of a run leaves an emulator behind. */
const PROGRAM = `
import os, sys, threading
def watch():
    sys.stdin.buffer.read()
    os._exit(0)
threading.Thread(target=watch, daemon=True).start()
from moto.server import main
main(['-H', '127.0.0.1', '-p', sys.argv[1]])
`;

export type MotoServer = { readonly url: string; stop(): Promise<void> };

/** Starts one on a free port of loopback; installs it first where it is missing. Throws what is missing, in words. */
export async function startMoto(): Promise<MotoServer> {
  const python = ensureInstalled();
  for (let attempt = 1; ; attempt += 1) {
    // Below the ephemeral ports: one that a client's own end could take would fail now and then.
    const port = randomInt(20_000, 32_000);
    const output: string[] = [];
    const child = spawn(python, ['-c', PROGRAM, String(port)], { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, NO_COLOR: '1' } });
    const keep = (chunk: Buffer): void => {
      output.push(chunk.toString());
      if (output.length > 50) output.shift();
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    if (await answers(child, port)) return { url: `http://127.0.0.1:${port}`, stop: () => end(child) };
    await end(child);
    if (attempt === PORT_ATTEMPTS || !output.join('').includes('in use')) throw new Error(`moto did not start: ${output.join('')}`);
  }
}

/** vitest's `globalSetup`: workers inherit the addresses of what runs. */
export default async function setup(): Promise<() => Promise<void>> {
  const moto = await startMoto();
  process.env['SALLYPORT_TEST_MOTO'] = moto.url;
  // What suites of one run share, such as the synthesized templates.
  const run = mkdtempSync(join(tmpdir(), 'sallyport-test-aws-'));
  process.env['SALLYPORT_TEST_RUN'] = run;
  return async () => {
    await moto.stop();
    rmSync(run, { recursive: true, force: true });
  };
}

/** Path of a Python that has moto; made once, by version of moto and its pins. */
function ensureInstalled(): string {
  const wanted = createHash('sha256').update(readFileSync(CONSTRAINTS)).digest('hex');
  const python = join(FOLDER, 'bin/python3');
  const mark = join(FOLDER, 'installed');
  if (existsSync(mark) && readFileSync(mark, 'utf8') === wanted && spawnSync(python, ['-c', 'import moto.server']).status === 0)
    return python;
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(join(FOLDER, '..'), { recursive: true });
  run('python3', ['--version'], 'python3 is missing: the emulator of AWS runs on it (Debian: python3)');
  run('python3', ['-m', 'venv', FOLDER], 'python3 cannot make a virtual environment (Debian: python3-venv)');
  run(
    python,
    ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-c', CONSTRAINTS, `moto[server]==${VERSION}`],
    `moto ${VERSION} could not be installed with pip`,
  );
  // Written aside and renamed: an installation that was cut short is never taken for a whole one.
  writeFileSync(`${mark}.new`, wanted);
  renameSync(`${mark}.new`, mark);
  return python;
}

function run(program: string, parameters: readonly string[], otherwise: string): void {
  const ran = spawnSync(program, parameters, { encoding: 'utf8', timeout: INSTALL_TIMEOUT_MS, stdio: ['ignore', 'pipe', 'pipe'] });
  if (ran.status !== 0) throw new Error(`${otherwise}\n${ran.error?.message ?? ''}${ran.stdout ?? ''}${ran.stderr ?? ''}`);
}

/** Whether it takes connections before it ends or the time is up. */
async function answers(child: ChildProcess, port: number): Promise<boolean> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (child.exitCode === null && child.signalCode === null && Date.now() < deadline) {
    if (await connects(port)) return true;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return false;
}

function connects(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
}
