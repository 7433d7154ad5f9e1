import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { verb as replay } from '../../cli/replay.ts';
import { verb as sessions } from '../../cli/sessions.ts';
import type { Verb } from '../../cli/verb.ts';
import { verb as verify } from '../../cli/verify.ts';
import {
  acknowledged,
  dataRow,
  flushed,
  judged,
  opened,
  readFiles,
  recordStatement,
  sessionClosed,
  startRecorder,
  temporaryDirectory,
} from '../support/evidence.ts';
import { keptIo } from '../support/verb-io.ts';

let data: string;

beforeAll(async () => {
  data = temporaryDirectory();
  const recorder = startRecorder(data, 'w1');
  const session = recorder.open('s_first');
  session.append(opened('s_first'));
  recordStatement(session, 1, acknowledged);
  session.append({ ...judged(2, 'drop table accounts\u001b[2J'), decision: 'block', code: 'ZG010', reason: 'migrations drop' });
  await session.close(sessionClosed(2));
  const other = recorder.open('s_other', 'digest');
  other.append(opened('s_other'));
  const row = dataRow('secret');
  other.appendContent(row, 0, row.length);
  await flushed(other);
  await recorder.close();
});

async function ran(verb: Verb, ...args: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
  const io = keptIo({ env: { SALLYPORT_DATA: data } });
  const status = await verb.run(args, io);
  return { status, ...io.written };
}

describe('sallyport verify', () => {
  test('says intact and complete, and exits 0', async () => {
    const { status, stdout } = await ran(verify);
    expect(status).toBe(0);
    expect(stdout).toContain('intact    yes');
    expect(stdout).toContain('complete  yes');
    expect(stdout).toContain('ended abnormally: s_other (the writer closed)');
  });

  test('with a byte changed names the file and exits 1; as JSON too', async () => {
    const copy = temporaryDirectory();
    startRecorder(copy, 'w1');
    const log = join(copy, 'evidence/writers/w1.log');
    writeFileSync(log, readFileSync(log, 'utf8').replace('"program":"0.1.0"', '"program":9.1.0"'));
    const { status, stdout } = await ran(verify, copy);
    expect(status).toBe(1);
    expect(stdout).toMatch(/intact {4}NO[^]*changed {2}writers\/w1\.log, byte 0/u);
    const json: unknown = JSON.parse((await ran(verify, copy, '--json')).stdout);
    expect(json).toMatchObject({ intact: false, complete: true, findings: [{ file: 'writers/w1.log', atByte: 0 }] });
  });

  test('trusts a pinned key by its file or fingerprint, and no other', async () => {
    const [keyPath = ''] = [...readFiles(join(data, 'evidence')).keys()].filter((path) => path.startsWith('keys/'));
    const fingerprint = keyPath.slice('keys/'.length, -'.pem'.length);
    expect((await ran(verify, '--key', join(data, 'evidence', keyPath))).stdout).toContain('pinned key');
    expect((await ran(verify, '--key', `SHA256:${fingerprint}`)).status).toBe(0);
    expect((await ran(verify, '--key', '0'.repeat(64))).status).toBe(1);
    await expect(ran(verify, '--key', 'nothing')).rejects.toMatchObject({ code: 'usage' });
  });

  test('of a directory without evidence is an error, not a pass', async () => {
    await expect(ran(verify, temporaryDirectory())).rejects.toMatchObject({ code: 'evidence-not-found' });
  });
});

describe('sallyport sessions', () => {
  test('lists what was recorded, with how it ended', async () => {
    const { stdout } = await ran(sessions);
    expect(stdout).toMatch(/s_first +closed +corp\/agent-7 for ann@example\.com +bank/u);
    expect(stdout).toMatch(/s_other +abnormal/u);
  });

  test('shows the statements of one, without letting their text act on the terminal', async () => {
    const { stdout } = await ran(sessions, 'show', 's_f');
    expect(stdout).toContain('block ZG010');
    expect(stdout).toContain('drop table accounts\\u{1b}[2J');
    expect(stdout).not.toContain('\u001b');
  });

  test('latest is the newest session with a statement', async () => {
    expect((await ran(sessions, 'show', 'latest')).stdout).toContain('s_first');
    expect((await ran(replay, 'latest')).stdout).toContain('s_first');
    const empty = temporaryDirectory();
    startRecorder(empty, 'w1');
    await expect(ran(sessions, 'show', 'latest', '--data', empty)).rejects.toMatchObject({ code: 'session-not-found' });
  });

  test('refuses an id that no session or several have', async () => {
    await expect(ran(sessions, 'show', 's_')).rejects.toThrow('2 sessions start with s_');
    await expect(ran(sessions, 'show', 'x')).rejects.toThrow('no session x');
  });
});

describe('sallyport replay', () => {
  test('plays statements, decisions and the released rows', async () => {
    const { stdout } = await ran(replay, 's_first');
    expect(stdout).toContain(
      '#1  permit: analysts may read\n      select 1\n column1 | column2\n---------+---------\n 1       | ann\n(1 row)',
    );
    expect(stdout).toContain('#2  block ZG010: migrations drop');
    expect(stdout).not.toContain('\u001b');
  });

  test('says of rows that were not kept that only count and hash were recorded', async () => {
    const { stdout, stderr } = await ran(replay, 's_other');
    expect(stdout).toContain('(17 bytes were released, of which this target records count and hash only)');
    expect(stdout).not.toContain('secret');
    expect(stderr).toContain('ended abnormally');
  });

  test('has every event as a line of JSON', async () => {
    const lines = (await ran(replay, 's_first', '--json')).stdout.trimEnd().split('\n');
    const scenes: { kind: string; event?: { type: string } }[] = lines.map((line) => JSON.parse(line));
    expect(scenes.map(({ kind, event }) => event?.type ?? kind)).toEqual([
      'session.opened',
      'statement.judged',
      'statement.sent',
      'rows',
      'rows.released',
      'statement.completed',
      'statement.judged',
      'session.closed',
    ]);
  });

  test('takes a speed above zero only', async () => {
    await expect(ran(replay, 's_first', '--speed', '0')).rejects.toMatchObject({ code: 'usage' });
  });
});
