import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { ChannelEvent } from '../../../core/evidence/channel-event.ts';
import { RsyncProtocol } from '../../../proxy-task/ssh/rsync-machine.ts';
import type { TransferRules } from '../../../proxy-task/ssh/transfer.ts';
import type { TransferScanner } from '../../../proxy-task/ssh/transfer.ts';

function rsync(mode: 'sender' | 'receiver', transfers: TransferRules = { blockFindings: 'none' }) {
  const log: string[] = [];
  const events: ChannelEvent[] = [];
  const unexpected = (): never => {
    throw new Error('rsync asks for nothing');
  };
  const machine = new RsyncProtocol({
    channel: 2,
    statement: 9,
    transfers,
    command: { mode, paths: ['/srv/app'] },
    actions: {
      toTarget: (bytes) => log.push(`> ${bytes.toString()}`),
      toClient: (bytes, { scan }) => log.push(`< ${bytes.toString()}${scan ? ' scanned' : ''}`),
      endTarget: () => log.push('end'),
      tell: () => undefined,
      refuse: (code, message) => log.push(`refused ${code} ${message}`),
      record: (event) => events.push(event),
      ask: unexpected,
      resolve: unexpected,
      completed: unexpected,
      pauseClient: unexpected,
      resumeClient: unexpected,
    },
  });
  return { machine, log, events };
}

describe('rsync', () => {
  test('bytes pass as they are, and those of the files are on record', () => {
    const { machine, log, events } = rsync('sender');
    machine.fromClient(Buffer.from('sums'));
    machine.fromTarget(Buffer.from('fi'), 'stdout');
    machine.fromTarget(Buffer.from('les'), 'stdout');
    machine.fromTarget(Buffer.from('a warning'), 'stderr');
    machine.clientEnded();
    machine.targetEnded();
    machine.targetEnded();
    expect(log).toEqual(['> sums', '< fi', '< les', 'end']);
    expect(events).toEqual([
      {
        type: 'channel.file',
        channel: 2,
        statement: 9,
        by: 'rsync',
        action: 'read',
        path: '/srv/app',
        bytes: 5,
        sha256: createHash('sha256').update('files').digest('hex'),
        complete: false,
        detected: 0,
      },
    ]);
  });

  test('a receiver writes', () => {
    const { machine, events } = rsync('receiver');
    machine.fromClient(Buffer.from('files'));
    machine.fromTarget(Buffer.from('sums of blocks'), 'stdout');
    machine.targetEnded();
    expect(events).toMatchObject([{ action: 'write', bytes: 5 }]);
  });

  test('a finding ends the channel before it passes', () => {
    const newScanner = (): TransferScanner => ({
      scan: (bytes) => (bytes.includes('SECRET') ? 1 : 0),
      ending: () => 0,
      finish: () => 0,
    });
    const { machine, log, events } = rsync('receiver', { blockFindings: 'write', newScanner });
    machine.fromTarget(Buffer.from('SECRET of the host passes: it is no file'), 'stdout');
    machine.fromClient(Buffer.from('a SECRET'));
    machine.fromClient(Buffer.from('more'));
    expect(log).toEqual(['< SECRET of the host passes: it is no file', 'refused ZG010 the file holds what may not pass here']);
    expect(events).toMatchObject([{ detected: 1, bytes: 0 }]);
  });
});
