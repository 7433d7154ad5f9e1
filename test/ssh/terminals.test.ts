/** Terminals through the gateway are what they are without it: modes, sizes, keys and the names of a person's language. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startSshLab, type SshLab } from '../support/ssh-lab.ts';
import { layOut, opsPolicies } from './support/guarded-host.ts';
import { onTerminal, type OnTerminal, type Size, type TerminalStep } from './support/on-terminal.ts';

let lab: SshLab;
beforeAll(async () => {
  lab = await startSshLab({ policies: opsPolicies, sshd: { unprivileged: true } });
  layOut(lab.host);
  lab.host.giveAway();
});
afterAll(() => lab.stop());

const WAYS = ['direct', 'all'] as const;
type Asked = {
  readonly modes?: readonly string[];
  readonly size?: Size;
  readonly steps?: readonly TerminalStep[];
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
};

function ssh(way: (typeof WAYS)[number], command: string, { args = [], env = {}, ...asked }: Asked = {}): Promise<OnTerminal> {
  const variables = Object.entries({ TERM: 'xterm-256color', ...env }).map(([name, value]) => `${name}=${value}`);
  return onTerminal(
    lab.home,
    ['env', ...variables, 'ssh', '-F', lab.home.path('ssh_config'), '-tt', ...args, way, ...(command === '' ? [] : [command])],
    asked,
  );
}

/** The same without the gateway and through it: what both show. */
async function same(command: string, asked?: Asked): Promise<string> {
  const [direct, through] = await Promise.all(WAYS.map((way) => ssh(way, command, asked)));
  expect(through?.shown.toString('latin1')).toBe(direct?.shown.toString('latin1'));
  expect(through?.status).toBe(direct?.status);
  return through?.shown.toString('latin1') ?? '';
}

/** What the terminal says its size is, pixels included: rows, columns, width, height. */
const SIZE = `python3 -c 'import fcntl,struct,termios;print(*struct.unpack("HHHH",fcntl.ioctl(0,termios.TIOCGWINSZ,bytes(8))))'`;

describe('a terminal', () => {
  test('has the modes of the client', async () => {
    const modes = ['-ixon', 'intr', '^X', 'erase', '^H', '-echoctl', 'iutf8', '-echoe', 'susp', 'undef', '9600'];
    const shown = await same('stty -a', { modes });
    for (const mode of ['intr = ^X', 'erase = ^H', '-ixon', '-echoctl', ' iutf8', 'susp = <undef>', 'speed 9600'])
      expect(shown).toContain(mode);
  });

  test('has the size of the client in characters and pixels', async () => {
    expect(await same(SIZE, { size: [37, 111, 1110, 740] })).toBe('37 111 1110 740\r\n');
  });

  test('changes its size with that of the client, and says so to the program', async () => {
    const size: Size = [50, 132, 1320, 1000];
    const wait = `trap '${SIZE.replaceAll("'", `'\\''`)}; exit 4' WINCH; echo ready; while :; do read -t 0.1 x; done`;
    const shown = await same(wait, { size: [24, 80, 800, 480], steps: [{ shown: 'ready', resize: size }] });
    expect(shown).toBe('ready\r\n50 132 1320 1000\r\n');
  });

  test('turns the key for it into an interrupt, also where that is another than usual', async () => {
    const wait = `trap 'echo interrupted; exit 3' INT; echo ready; read x; echo went on`;
    expect(await same(wait, { steps: [{ shown: 'ready', type: '\u0003' }] })).toContain('interrupted');
    expect(await same(wait, { modes: ['intr', '^X'], steps: [{ shown: 'ready', type: '\u0018' }] })).toContain('interrupted');
  });

  test('has the kind and the language of the client', async () => {
    const args = ['-o', 'SendEnv=LANG LC_ALL LC_TIME'];
    const env = { TERM: 'screen-256color', LANG: 'de_DE.UTF-8', LC_ALL: '', LC_TIME: 'C.UTF-8' };
    expect(await same('echo "$TERM $LANG $LC_TIME"', { args, env })).toContain('screen-256color de_DE.UTF-8 C.UTF-8\r\n');
  });

  test('shows bytes that are no text as they are', async () => {
    const all = `import os; os.write(1, bytes(range(256)))`;
    const shown = await same(`stty raw -echo; python3 -c '${all}'`);
    expect(Buffer.from(shown, 'latin1').equals(Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)))).toBe(true);
  });

  test('takes keys of all kinds', async () => {
    const read = `stty raw -echo; echo ready; head -c 6 | od -An -tx1`;
    expect(await same(read, { steps: [{ shown: 'ready', type: '\u0003\u0000\u00ff\u001b[A' }] })).toContain('03 00 ff 1b 5b 41');
  });

  test('is a shell that talks', async () => {
    const steps = [
      { shown: '$ ', type: 'x=20; echo $((x+2))\n' },
      { shown: '22', type: 'exit 6\n' },
    ];
    expect((await ssh('all', '', { steps })).status).toBe(6);
  });
});

describe('variables that are not on the list', () => {
  test('are refused, and do not arrive', async () => {
    const args = ['-v', '-o', 'LogLevel=DEBUG2', '-o', 'SetEnv=LD_AUDIT=/x BASH_ENV=/x PROMPT_COMMAND=x LC_MINE=y'];
    const { stdout } = await lab.run('ssh', [...args, 'all', 'env']);
    expect(stdout.toString()).toContain('LC_MINE=y\n');
    for (const name of ['LD_AUDIT', 'BASH_ENV', 'PROMPT_COMMAND']) expect(stdout.toString()).not.toContain(name);
    const direct = await lab.run('ssh', ['-o', 'SetEnv=PROMPT_COMMAND=x', 'direct', 'env']);
    expect(direct.stdout.toString()).toContain('PROMPT_COMMAND=x\n');
  });
});
