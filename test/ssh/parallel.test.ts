/** Many at once: fifty programs in one connection, beside files that come and go in it, and fifty connections. */
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { exec, run } from '../support/host-gateway.ts';
import { startSshLab, type SshLab } from '../support/ssh-lab.ts';
import { layOut, opsPolicies } from './support/guarded-host.ts';

const MANY = Array.from({ length: 50 }, (_, index) => index);
const MINUTES = 60_000;

let lab: SshLab;
beforeAll(async () => {
  lab = await startSshLab({ policies: opsPolicies });
  layOut(lab.host);
});
afterAll(() => lab.stop());

/** Prints its number, what it reads and a megabyte, complains, and ends with its number. */
const program = (index: number): string =>
  `echo ${index}; cat; head -c 1000000 /dev/zero | tr '\\0' ${index % 10}; echo e${index} >&2; exit ${index}`;
const expected = (index: number): unknown => ({
  status: index,
  stdout: `${index}\nto ${index}\n${String(index % 10).repeat(1_000_000)}`,
  stderr: `e${index}\n`,
});

async function ssh(index: number, args: readonly string[] = []): Promise<unknown> {
  const { status, stdout, stderr } = await lab.run('ssh', [...args, 'all', program(index)], { input: `to ${index}\n` });
  return { status, stdout: stdout.toString(), stderr };
}

test(
  'fifty programs and files of both kinds share one connection, and each has what is its own',
  async () => {
    const content = randomBytes(5_000_000);
    writeFileSync(lab.home.path('file'), content);
    const socket = ['-o', `ControlPath=${lab.home.path('socket')}`];
    await lab.run('ssh', [...socket, '-o', 'ControlMaster=yes', '-o', 'ControlPersist=60', 'all', 'true']);
    const files = ['-O', '-s'].map(async (protocol) => {
      const there = lab.host.path('srv/work', `file${protocol}`);
      const back = lab.home.path(`back${protocol}`);
      expect(await lab.run('scp', [...socket, protocol, lab.home.path('file'), `all:${there}`])).toMatchObject({ status: 0, stderr: '' });
      expect(await lab.run('scp', [...socket, protocol, `all:${there}`, back])).toMatchObject({ status: 0, stderr: '' });
      return readFileSync(back).equals(content);
    });
    expect(await Promise.all(MANY.map((index) => ssh(index, socket)))).toEqual(MANY.map(expected));
    expect(await Promise.all(files)).toEqual([true, true]);
    await lab.run('ssh', [...socket, '-O', 'exit', 'all']);
    const opened = (await lab.settled()).filter(({ type }) => type === 'session.opened');
    expect(opened).toHaveLength(1);
  },
  3 * MINUTES,
);

test(
  'fifty connections at once have each what is its own',
  async () => {
    expect(await Promise.all(MANY.map((index) => ssh(index)))).toEqual(MANY.map(expected));
  },
  3 * MINUTES,
);

test('a connection takes sixty-four channels, and another one once the first of them is closed', async () => {
  const client = await lab.gateway.connect();
  const channels = await Promise.all(Array.from({ length: 64 }, () => exec(client, 'cat')));
  await expect(exec(client, 'cat')).rejects.toThrow('open');
  const [first] = channels;
  const closed = new Promise((resolve) => first?.resume().on('close', resolve));
  first?.end();
  await closed;
  expect((await run(client, 'echo there is room')).stdout.toString()).toBe('there is room\n');
  for (const channel of channels) channel.end();
  client.end();
});

test('all of it is on record, whole', async () => {
  await lab.settled();
  const { intact, complete, findings } = await lab.verify();
  expect({ intact, complete, findings }).toEqual({ intact: true, complete: true, findings: [] });
});
