/** The proof that a private key is here: `ssh-keygen -Y sign`, which also asks for passphrases and agents; without it, our own. */
import { spawn } from 'node:child_process';
import { createPrivateKey, sign } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import ssh2 from 'ssh2';
import { parsePublicKey } from '../core/config/ssh-public-key.ts';
import { SallyportError } from '../core/errors.ts';
import { PROOF_NAMESPACE } from '../core/ssh/login.ts';
import { armorSshsig, sshsigBytes } from '../core/ssh/sshsig.ts';
import { sshString } from '../core/ssh/wire.ts';

/** The key cannot be read or cannot sign. */
export class KeyUnusable extends SallyportError {
  readonly code = 'key-unusable';
}

export type KeyFile = {
  /** What `ssh -i` takes. */
  readonly path: string;
  /** The line of `<path>.pub`. */
  readonly publicKey: string;
};

/** A signature is a few hundred bytes. */
const MAX_SIGNATURE_CHARACTERS = 65_536;

/** The key of this name, with or without `.pub`. Throws KeyUnusable. */
export async function readKeyFile(file: string): Promise<KeyFile> {
  const path = file.endsWith('.pub') ? file.slice(0, -'.pub'.length) : file;
  const publicKey = (await read(`${path}.pub`)).trim();
  if (parsePublicKey(publicKey) === undefined)
    throw new KeyUnusable(`${path}.pub is no public key that is taken: make one with ssh-keygen -t ed25519`);
  return { path, publicKey };
}

/** The armored signature of the key over `message`. Throws KeyUnusable. */
export async function proveKey({ path, publicKey }: KeyFile, message: string, program = 'ssh-keygen'): Promise<string> {
  const signed = await signWith(program, path, message);
  return signed ?? signHere(path, publicKey, message);
}

/** Undefined where there is no such program. */
function signWith(program: string, path: string, message: string): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    // Its questions for a passphrase go to the terminal.
    const child = spawn(program, ['-Y', 'sign', '-q', '-f', path, '-n', PROOF_NAMESPACE], { stdio: ['pipe', 'pipe', 'pipe'] });
    let output = '';
    let complaint = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      output = (output + chunk).slice(0, MAX_SIGNATURE_CHARACTERS);
    });
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      complaint = (complaint + chunk).slice(0, MAX_SIGNATURE_CHARACTERS);
    });
    child.on('error', (cause) => {
      if ('code' in cause && cause.code === 'ENOENT') resolve(undefined);
      else reject(new KeyUnusable(`${program} cannot be run`, { cause }));
    });
    child.on('close', (status) => {
      if (status === 0) resolve(output);
      else reject(new KeyUnusable(`${program} could not sign with ${path}: ${complaint.trim() || `exit status ${status ?? 'none'}`}`));
    });
    // A program that ends before it has read is told of by its status.
    child.stdin.on('error', () => undefined);
    child.stdin.end(message);
  });
}

async function signHere(path: string, publicKey: string, message: string): Promise<string> {
  const text = await read(path);
  const key = ssh2.utils.parseKey(text);
  const blob = parsePublicKey(publicKey)?.blob;
  if (key instanceof Error || blob === undefined || key.type !== 'ssh-ed25519' || !key.isPrivateKey())
    throw new KeyUnusable(`without ssh-keygen only ed25519 keys without a passphrase can sign: install OpenSSH, or make such a key`);
  if (!key.getPublicSSH().equals(blob)) throw new KeyUnusable(`${path} and ${path}.pub do not belong together`);
  const signature = sign(null, sshsigBytes(message, PROOF_NAMESPACE), createPrivateKey(key.getPrivatePEM()));
  return armorSshsig(blob, PROOF_NAMESPACE, Buffer.concat([sshString(key.type), sshString(signature)]));
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new KeyUnusable(`${path} cannot be read: make a key with ssh-keygen -t ed25519 -f ${path.replace(/\.pub$/, '')}`, { cause });
  }
}
