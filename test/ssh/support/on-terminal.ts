/** A program on a terminal of its own, as a person's: with the modes that they set, their size in characters and pixels, and their keys. */
import type { SshHome } from '../../support/ssh-program.ts';

export type Size = readonly [rows: number, columns: number, width: number, height: number];

/** Once the text has been shown, since the step before: keys are typed, or the window gets another size. */
export type TerminalStep = { readonly shown: string; readonly type?: string; readonly resize?: Size };

export type OnTerminal = { readonly status: number; readonly shown: Buffer };

/** Python has terminals; Node has none. */
const PROGRAM = `
import base64, fcntl, json, os, pty, struct, subprocess, sys, termios
ask = json.load(sys.stdin)
def resize(fd, rows, columns, width, height):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, width, height))
child, fd = pty.fork()
if child == 0:
    resize(0, *ask['size'])
    if ask['modes']: subprocess.run(['stty', *ask['modes']], check=True)
    os.execvp(ask['program'][0], ask['program'])
shown, seen = b'', 0
steps = ask['steps']
while True:
    try:
        piece = os.read(fd, 65536)
    except OSError:
        piece = b''
    if piece == b'':
        break
    shown += piece
    while steps:
        at = shown.find(steps[0]['shown'].encode(), seen)
        if at < 0:
            break
        step = steps.pop(0)
        seen = at + len(step['shown'].encode())
        if 'resize' in step:
            resize(fd, *step['resize'])
        os.write(fd, step.get('type', '').encode('latin1'))
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print(json.dumps({'status': status, 'left': len(steps), 'shown': base64.b64encode(shown).decode()}))
`;

/** Runs it to its end; rejects where a text was never shown. `modes`: words of `stty`. */
export async function onTerminal(
  home: SshHome,
  program: readonly string[],
  { modes = [], size = [24, 80, 0, 0], steps = [] }: { modes?: readonly string[]; size?: Size; steps?: readonly TerminalStep[] },
): Promise<OnTerminal> {
  const { status, stdout, stderr } = await home.run('python3', ['-c', PROGRAM], { input: JSON.stringify({ program, modes, size, steps }) });
  if (status !== 0) throw new Error(stderr);
  // What the program above prints.
  const ran = JSON.parse(stdout.toString()) as { readonly status: number; readonly left: number; readonly shown: string };
  const shown = Buffer.from(ran.shown, 'base64');
  if (ran.left > 0) throw new Error(`${ran.left} steps were not reached: ${shown.toString()}`);
  return { status: ran.status, shown };
}
