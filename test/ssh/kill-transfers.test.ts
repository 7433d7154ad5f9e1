// kill -9 in the middle of transfers: what was sent is in the evidence, and the evidence is whole.
import { beforeAll, describe, expect, test } from 'vitest';
import { killTransfers, type SshDrill } from '../drills/ssh-kill.ts';

const KILLS = 2;
let drill: SshDrill;

beforeAll(async () => {
  drill = await killTransfers(KILLS, (line) => process.stdout.write(`${line}\n`));
}, 280_000);

/** The events of the statements whose text this is, and what was recorded of them. */
function statementsOf(text: string): readonly Readonly<Record<string, unknown>>[] {
  return drill.events.filter((event) => event['type'] === 'statement.judged' && String(event['text']).includes(text));
}

describe(`after ${KILLS} times kill -9 in the middle of an upload, an output and a push`, () => {
  test('every file that reached the host in part is in the evidence as a write that was sent', () => {
    expect(drill.uploads).toHaveLength(KILLS);
    for (const { path, bytesOnHost } of drill.uploads) {
      expect(bytesOnHost).toBeGreaterThan(0);
      expect(statementsOf(path).length).toBeGreaterThan(0);
    }
    expect(drill.events.filter(({ type }) => type === 'statement.sent').length).toBeGreaterThanOrEqual(2 * KILLS);
  });

  test('every command is in the evidence, with all that the client has read of its output or more', () => {
    const recorded = drill.events.filter(({ type, stream }) => type === 'channel.data' && stream === 'stdout');
    const bytes = recorded.reduce((sum, event) => sum + Number(event['bytes']), 0);
    const read = drill.printed.reduce((sum, each) => sum + each.bytes, 0);
    for (const { command } of drill.printed) expect(statementsOf(command)).toHaveLength(1);
    expect(bytes).toBeGreaterThanOrEqual(read);
  });

  test('every branch that was updated is in the evidence', () => {
    for (const branch of drill.pushes) expect(statementsOf(branch)).toHaveLength(1);
  });

  test('verify says intact and complete, and names each killed session', () => {
    expect(drill.verification).toMatchObject({ intact: true, complete: true, findings: [], open: [], openWriters: [] });
    expect(drill.verification.abnormal.length).toBeGreaterThanOrEqual(2 * KILLS);
    expect(drill.verify.status).toBe(0);
    expect(drill.verify.output).toContain('intact    yes');
    expect(drill.verify.output).toContain('complete  yes');
  });
});
