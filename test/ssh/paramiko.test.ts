/** paramiko, with the agent's token as its password: commands and files through the gateway to a real OpenSSH server. */
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startSshLab, type SshLab } from '../support/ssh-lab.ts';
import { layOut, opsPolicies } from './support/guarded-host.ts';
import { paramikoPython } from './support/paramiko.ts';

/** Connects with the pinned host key, then does what the suite gives. */
const CONNECT = `
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

let lab: SshLab;
let python: string;
beforeAll(async () => {
  python = paramikoPython();
  lab = await startSshLab({ policies: opsPolicies });
  layOut(lab.host);
}, 400_000);
afterAll(() => lab.stop());

async function paramiko(program: string, group = 'all'): Promise<string> {
  const { ssh } = lab.gateway.machine;
  const token = await lab.gateway.issuer.mintToken({ principal: 'agent-7', groups: [group], ttlSeconds: 300 });
  const env = { PORT: String(ssh?.port), HOST_KEY: ssh?.hostKey.split(' ')[1] ?? '', TOKEN: token };
  const { status, stdout, stderr } = await lab.home.run(python, ['-c', `${CONNECT}${program}`], { env });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout.toString().trim();
}

test('commands have their output, errors, input and exit status', async () => {
  expect(await paramiko(`print(run('cat; echo err >&2; exit 5', b'in' * 3))`)).toBe(`(5, b'ininin', b'err\\n')`);
});

test('files are sent, fetched, listed, renamed and removed', async () => {
  const large = randomBytes(4_000_000);
  writeFileSync(lab.home.path('large'), large);
  const work = lab.host.path('srv/work');
  const said = await paramiko(`
sftp = client.open_sftp()
sftp.put('large', '${work}/one')
sftp.rename('${work}/one', '${work}/two')
sftp.get('${work}/two', 'back')
print(sftp.stat('${work}/two').st_size, 'two' in sftp.listdir('${work}'))
sftp.remove('${work}/two')
print('two' in sftp.listdir('${work}'))
`);
  expect(said).toBe('4000000 True\nFalse');
  expect(readFileSync(lab.home.path('back')).equals(large)).toBe(true);
});

test('what is refused says so, and what it was about is untouched', async () => {
  const kept = lab.host.path('srv/guarded/keep');
  const said = await paramiko(
    `
status, out, err = run('rm ${kept}')
print(status, out, err.startswith(b'sallyport: '))
try:
    client.open_sftp().remove('${kept}')
except IOError as error:
    print(error.errno)
`,
    'ops',
  );
  expect(said).toBe("77 b'' True\n13");
  expect(readFileSync(kept, 'utf8')).toBe('kept\n');
});
