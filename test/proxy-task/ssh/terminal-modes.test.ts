/** Terminal modes as a client encodes them: what is read of them, and that the transport hands them over as they came. */
import { once } from 'node:events';
import fc from 'fast-check';
import type { Connection, PseudoTtyOptions } from 'ssh2';
import { afterEach, describe, expect, test } from 'vitest';
import { readTerminalModes } from '../../../proxy-task/ssh/messages/terminal-modes.ts';
import { SshDoor } from '../../support/ssh-door.ts';
import { encodedModes } from '../../../proxy-task/ssh/terminal-internals.ts';

const ECHO = 53;
const INTR = 1;
const SPEED = 129;
const mode = (opcode: number, value: number): readonly number[] => [
  opcode,
  value >>> 24,
  (value >>> 16) & 255,
  (value >>> 8) & 255,
  value & 255,
];

describe('encoded modes', () => {
  test.each([
    ['nothing', [], [0]],
    ['only their end', [0], [0]],
    ['two, with their end', [...mode(INTR, 3), ...mode(ECHO, 0), 0], [...mode(INTR, 3), ...mode(ECHO, 0), 0]],
    ['one without an end', mode(ECHO, 1), [...mode(ECHO, 1), 0]],
    ['what follows the end', [...mode(ECHO, 1), 0, 7, 7], [...mode(ECHO, 1), 0]],
    ['an opcode without a known form, which ends them', [...mode(ECHO, 1), 160, 1], [...mode(ECHO, 1), 0]],
    ['a number above 24 bits', [...mode(SPEED, 0xff_00_00_01), 0], [...mode(SPEED, 0xff_00_00_01), 0]],
  ])('%s', (_, encoded, read) => {
    expect(readTerminalModes(Uint8Array.from(encoded))).toEqual(Buffer.from(read));
  });

  test('one that is cut off is none', () => {
    expect(readTerminalModes(Uint8Array.from([ECHO, 0, 0]))).toBeUndefined();
  });

  test('more than there are opcodes are none', () => {
    expect(readTerminalModes(Buffer.concat(Array.from({ length: 257 }, () => Buffer.from(mode(ECHO, 1)))))).toBeUndefined();
  });

  test('what was read reads the same, whatever it was', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (encoded) => {
        const read = readTerminalModes(encoded);
        if (read !== undefined) expect(readTerminalModes(read)).toEqual(read);
      }),
    );
  });
});

describe('the transport', () => {
  let door: SshDoor;
  afterEach(() => door.close());

  /** What arrives of terminals that are asked for with these modes, one after the other. */
  async function arrived(...asked: readonly (readonly number[])[]): Promise<readonly Buffer[]> {
    const found: Buffer[] = [];
    door = await SshDoor.open({ onClient: ({ connection }) => answerPty(connection, found) });
    door.knows('t.o.k');
    const client = await door.connect({ password: 't.o.k' });
    for (const modes of asked) {
      // Bytes are sent as they are; the types know names only.
      const pty = { term: 'xterm', modes: Buffer.from(modes) as unknown as NonNullable<PseudoTtyOptions['modes']> };
      await new Promise<void>((resolve, reject) => {
        client.exec('x', { pty }, (error, channel) => {
          if (error !== undefined) return reject(error);
          channel.on('close', () => resolve()).resume();
        });
      });
    }
    const closed = once(client, 'close');
    client.end();
    await closed;
    return found;
  }

  test('hands over the modes of each terminal as the client wrote them', async () => {
    const one = [...mode(SPEED, 38_400), ...mode(INTR, 24), 0];
    const other = [...mode(ECHO, 0), 0];
    expect(await arrived(one, other)).toEqual([Buffer.from(one), Buffer.from(other)]);
  });

  test('takes modes that its own parser would end the connection for', async () => {
    const large = [...mode(SPEED, 0xfe_00_00_00), 0];
    expect(await arrived(large)).toEqual([Buffer.from(large)]);
  });

  test('keeps no more of them than a few kilobytes', async () => {
    const many = Buffer.concat(Array.from({ length: 4_000 }, () => Buffer.from(mode(ECHO, 1))));
    const [found] = await arrived([...many]);
    expect(found?.length).toBe(4_096);
  });
});

function answerPty(connection: Connection, found: Buffer[]): void {
  connection.on('session', (accept) => {
    const session = accept();
    session.on('pty', (acceptPty) => {
      found.push(encodedModes(connection));
      acceptPty?.();
    });
    session.on('exec', (acceptExec) => {
      const channel = acceptExec();
      channel.exit(0);
      channel.end();
    });
  });
}
