import { beforeAll, describe, expect, test } from 'vitest';
import { verb as replay } from '../../cli/replay.ts';
import { verb as verify } from '../../cli/verify.ts';
import type { Verb } from '../../cli/verb.ts';
import type { SessionEvent } from '../../core/evidence/event.ts';
import type { SessionRecorder } from '../../core/evidence/recorder.ts';
import { flushed, judged, opened, sessionClosed, startRecorder, temporaryDirectory } from '../support/evidence.ts';
import { keptIo } from '../support/verb-io.ts';

let data: string;

function channelData(session: SessionRecorder, channel: number, stream: 'input' | 'stdout' | 'stderr', text: string, detected = 0): void {
  const bytes = Buffer.from(text);
  session.appendContent(bytes, 0, bytes.length);
  session.append({ type: 'channel.data', channel, stream, bytes: bytes.length, detected });
}

const onHost = (session: string): SessionEvent => ({ ...opened(session), protocol: 'ssh', target: 'web1', database: 'deploy' });

beforeAll(async () => {
  data = temporaryDirectory();
  const recorder = startRecorder(data, 'w1');
  const session = recorder.open('s_host');
  session.append(onHost('s_host'));
  session.append({ ...judged(1, 'cat /srv/app/notes'), protocol: 'ssh' });
  session.append({ type: 'channel.opened', channel: 1, kind: 'exec' });
  session.append({ type: 'statement.sent', statement: 1 });
  await flushed(session);
  channelData(session, 1, 'stdout', 'ssn [masked:us-ssn]\nsecond ', 1);
  await flushed(session);
  channelData(session, 1, 'stdout', 'line\n');
  channelData(session, 1, 'stderr', 'warning\u001b]52;c;aGk=\u0007\u202e\n');
  session.append({ type: 'channel.closed', channel: 1, reason: 'the program ended', exitStatus: 0, inputBytes: 0, outputBytes: 60 });
  session.append({ type: 'channel.opened', channel: 2, kind: 'shell', columns: 80, rows: 24, term: 'xterm' });
  channelData(session, 2, 'input', 'ls\r');
  channelData(session, 2, 'stdout', '\u001b[6n\u001b[32mfile\u001b[0m\r\n');
  session.append({ type: 'channel.closed', channel: 2, reason: 'the program ended', exitStatus: 7, inputBytes: 3, outputBytes: 20 });
  session.append({
    type: 'channel.file',
    channel: 3,
    statement: 2,
    by: 'sftp',
    action: 'write',
    path: '/srv/x',
    bytes: 9,
    sha256: 'b'.repeat(64),
    complete: false,
    detected: 2,
  });
  await session.close(sessionClosed(1));
  const database = recorder.open('s_database');
  database.append(opened('s_database'));
  await database.close(sessionClosed(0));
  await recorder.close();
});

async function ran(verb: Verb, ...args: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
  const io = keptIo({ env: { SALLYPORT_DATA: data } });
  const status = await verb.run(args, io);
  return { status, ...io.written };
}

describe('sallyport replay of a session on a host', () => {
  test('shows statements, output by channel and stream, and files; nothing of it acts on a terminal', async () => {
    const { stdout } = await ran(replay, 's_host');
    expect(stdout).toContain('      cat /srv/app/notes\n');
    expect(stdout).toContain('      1 │ ssn [masked:us-ssn]\n');
    expect(stdout).toMatch(/1 │ second (?:line\n|\n.*hidden by detectors\n {6}1 │ line\n)/u);
    expect(stdout).toContain('      1 ! warning\n');
    expect(stdout).toContain('      2 │ file\n');
    expect(stdout).toMatch(/channel 2 opened: shell, terminal xterm 80×24/u);
    expect(stdout).toMatch(/channel 3: sftp write \/srv\/x: 9 bytes, not whole, SHA-256 b{64}, 2 values found/u);
    expect(stdout.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\u202e]/u);
  });

  test('--terminal plays the channel that has one, safely, and puts the terminal back', async () => {
    const { stdout, stderr } = await ran(replay, 's_host', '--terminal', '--no-wait');
    expect(stdout).toBe('\u001b[32mfile\u001b[0m\r\n\u001b[0m\u001b[?25h\u001b[?7h\u001b[?1049l\u001b(B\u001b[r\r\n');
    expect(stderr).toContain('Channel 2 of 2');
    expect(stderr).toContain('exit status 7');
  });

  test('--asciicast writes lines that a player reads', async () => {
    const { stdout } = await ran(replay, 's_host', '--asciicast', '3', '--channel', '1');
    const lines: unknown[] = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines[0]).toMatchObject({ version: 3, term: { cols: 80, rows: 24 } });
    expect(lines.at(-1)).toMatchObject({ 1: 'x', 2: '0' });
    expect(lines[1]).toMatchObject({ 1: 'o', 2: 'ssn [masked:us-ssn]\r\nsecond ' });
  });

  test('--json has the bytes', async () => {
    const { stdout } = await ran(replay, 's_host', '--json');
    expect(stdout).toContain(`"bytes":"${Buffer.from('line\n').toString('base64')}"`);
  });

  test('refuses what cannot be shown, with the way', async () => {
    for (const args of [
      ['s_database', '--terminal'],
      ['s_host', '--terminal', '--channel', '9'],
      ['s_host', '--asciicast', '1'],
      ['s_host', '--channel', '1'],
      ['s_host', '--terminal', '--json'],
      ['s_host', '--skip-idle', '0'],
      ['s_host', '--no-wait', '--speed', '2'],
    ]) {
      await expect(ran(replay, ...args)).rejects.toMatchObject({ code: 'usage' });
    }
  });

  test('verify covers it', async () => {
    expect((await ran(verify)).status).toBe(0);
  });
});
