/** `sallyport ssh-key`: registers a public key for minutes, or gets a one-time code, so that an agent can log in by SSH. */
import { visibleText } from '../core/approval/visible.ts';
import { proofMessage } from '../core/ssh/login.ts';
import { knownHostsLine } from '../proxy-task/ssh/host-key.ts';
import { askJson, GatewayRefused, remoteGateway, runningGateway } from './gateway-client.ts';
import { jsonLine } from './json-line.ts';
import { proveKey, readKeyFile } from './ssh-proof.ts';
import { EXIT, readArguments, UsageError, type Verb, type VerbIo } from './verb.ts';

const USAGE = `Usage: sallyport ssh-key FILE [--target NAME] [--api URL] [--json]
       sallyport ssh-key --code [--target NAME] [--api URL] [--json]

Registers FILE.pub for the agent whose token is in SALLYPORT_TOKEN: until the token ends, for 15 minutes at most, the key
logs in as that agent and no other. FILE signs a proof, by ssh-keygen where there is one. With --code it gets a password
that is good for one login instead. Prints the ssh command, and the line that pins the gateway in known_hosts.

  --target NAME   the target to log in to: web1, or account+web1
  --api URL       a gateway elsewhere (SALLYPORT_API)
  --token TOKEN   the agent's token; better in SALLYPORT_TOKEN, where a list of processes does not show it
  --data DIR      data directory of the gateway on this machine (SALLYPORT_DATA, else .sallyport)
  --json          one JSON object: fingerprint or code, principal, expiresAt, command, knownHosts
`;

export const verb: Verb = { usage: USAGE, run };

type Answer = Readonly<Record<string, unknown>>;

async function run(args: readonly string[], io: VerbIo): Promise<number> {
  const { values, positionals } = readArguments({
    args: [...args],
    allowPositionals: true,
    options: {
      target: { type: 'string' },
      api: { type: 'string' },
      token: { type: 'string' },
      data: { type: 'string' },
      code: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  const [file, ...more] = positionals;
  if (more.length > 0) throw new UsageError('one key at a time');
  if (values.code === (file !== undefined))
    throw new UsageError(values.code ? '--code needs no key' : 'name the file of a key, or ask for a --code');
  const token = values.token ?? io.env['SALLYPORT_TOKEN'] ?? '';
  if (token === '') throw new UsageError('no token: give SALLYPORT_TOKEN (sallyport token gets one from the demo issuer)');
  const remote = remoteGateway(values, io.env);
  const api = remote ?? runningGateway(values.data, io.env).api;
  const key = file === undefined ? undefined : await readKeyFile(file);
  const answer =
    key === undefined
      ? await askJson(`${api}/v1/ssh-codes`, token, {})
      : await askJson(`${api}/v1/ssh-keys`, token, {
          publicKey: key.publicKey,
          signature: await proveKey(key, proofMessage(await signedAddress(api, remote !== undefined), token)),
        });
  const target = values.target ?? 'TARGET';
  const lines = connecting(answer, api, target, key?.path);
  if (values.json) io.stdout.write(jsonLine({ ...answer, ...lines }));
  else io.stdout.write(values.code ? codeText(answer, lines) : keyText(answer, lines));
  return EXIT.fine;
}

/** What the proof is for. A gateway elsewhere gets one for the address that was asked for: it could pretend to be another. */
async function signedAddress(api: string, isRemote: boolean): Promise<string> {
  const { for: known } = await askJson(`${api}/v1/ssh`, undefined);
  if (typeof known !== 'string') throw new GatewayRefused('the gateway’s answer is not understood: is it of another version?');
  if (isRemote && known !== api) throw new GatewayRefused(`this gateway is known as ${known}: use that address`);
  return known;
}

type Lines = { readonly command: string; readonly knownHosts?: string };

function connecting(answer: Answer, api: string, target: string, keyPath: string | undefined): Lines {
  const { host, port, hostKey } = answer;
  const known = typeof host === 'string' && typeof port === 'number';
  // A gateway that listens on all addresses is reached where its API is.
  const apiHost = new URL(api).hostname.replace(/^\[|\]$/g, '');
  const name = !known ? 'GATEWAY' : host === '0.0.0.0' || host === '::' ? apiHost : host;
  const identity =
    keyPath === undefined
      ? '-o PreferredAuthentications=password -o PubkeyAuthentication=no'
      : `-i ${shellWord(keyPath)} -o IdentitiesOnly=yes`;
  const command = `ssh ${identity}${known ? ` -p ${port}` : ''} ${shellWord(target)}@${shellWord(name)}`;
  return { command, ...(known && typeof hostKey === 'string' ? { knownHosts: knownHostsLine(name, port, hostKey) } : {}) };
}

function keyText(answer: Answer, lines: Lines): string {
  return `${shown(answer, 'fingerprint')} logs in as ${shown(answer, 'principal')} until ${shown(answer, 'expiresAt')}.\n\n${hints(lines)}`;
}

function codeText(answer: Answer, lines: Lines): string {
  return `${shown(answer, 'code')}\n\nThis password is good for one login as ${shown(answer, 'principal')}, until ${shown(answer, 'expiresAt')}.\n\n${hints(lines)}`;
}

function hints({ command, knownHosts }: Lines): string {
  const pinned = knownHosts === undefined ? '' : `\nThe gateway's line for known_hosts:\n  ${visibleText(knownHosts, false)}\n`;
  return `  ${visibleText(command, false)}\n${pinned}`;
}

function shown(answer: Answer, field: string): string {
  const value = answer[field];
  if (typeof value !== 'string') throw new GatewayRefused('the gateway’s answer is not understood: is it of another version?');
  return visibleText(value, false);
}

/** As it is where a shell leaves it so, quoted otherwise. */
function shellWord(text: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
