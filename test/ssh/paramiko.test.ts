/** paramiko, with the agent's token as its password: commands and files through the gateway to a real OpenSSH server. */
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sha256 } from '../support/ssh-host.ts';
import { startSshLab, type SshLab } from '../support/ssh-lab.ts';
import { layOut, opsPolicies } from './support/guarded-host.ts';
import { PARAMIKO_CONNECT, paramikoPython } from './support/paramiko.ts';

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
  const { status, stdout, stderr } = await lab.home.run(python, ['-c', `${PARAMIKO_CONNECT}${program}`], { env });
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

test('a shell talks on a terminal of the size that was asked for', async () => {
  const said = await paramiko(`
shell = client.invoke_shell(term='vt220', width=99, height=31)
shell.send(b"stty size; echo $TERM; exit 7\\n")
said = b''
while True:
    piece = shell.recv(4096)
    if not piece:
        break
    said += piece
print(b'31 99' in said, b'vt220' in said.replace(b'$TERM', b''), shell.recv_exit_status())
`);
  expect(said).toBe('True True 7');
});

test('files are read ahead, and written and read at any place', async () => {
  const large = randomBytes(4_000_000);
  writeFileSync(lab.host.path('srv/work/large'), large);
  const said = await paramiko(`
import hashlib
sftp = client.open_sftp()
with sftp.open('${lab.host.path('srv/work/large')}', 'rb') as file:
    file.prefetch()
    print(hashlib.sha256(file.read()).hexdigest())
with sftp.open('${lab.host.path('srv/work/large')}', 'r+b') as file:
    file.seek(1000000)
    file.write(b'in the middle')
    file.seek(999998)
    print(len(file.read(17)))
`);
  expect(said).toBe(`${sha256(large)}\n17`);
  large.write('in the middle', 1_000_000);
  expect(readFileSync(lab.host.path('srv/work/large')).equals(large)).toBe(true);
});

test('new keys in the middle and signs of life change nothing', async () => {
  const input = randomBytes(3_000_000);
  writeFileSync(lab.home.path('input'), input);
  const said = await paramiko(
    `
import hashlib, threading
client.get_transport().set_keepalive(1)
stdin, stdout, stderr = client.exec_command('cat')
data = open('input', 'rb').read()
def send():
    for at in range(0, len(data), 500000):
        stdin.write(data[at:at + 500000])
        client.get_transport().renegotiate_keys()
    stdin.channel.shutdown_write()
threading.Thread(target=send).start()
print(hashlib.sha256(stdout.read()).hexdigest(), stdout.channel.recv_exit_status())
`,
  );
  expect(said).toBe(`${sha256(input)} 0`);
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
