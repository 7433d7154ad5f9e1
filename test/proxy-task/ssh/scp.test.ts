import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ChannelEvent } from '../../../core/evidence/channel-event.ts';
import type { HostOperation } from '../../../core/statement/host/host-operation.ts';
import type { ChannelActions } from '../../../proxy-task/ssh/channel-protocol.ts';
import { ScpProtocol } from '../../../proxy-task/ssh/scp-machine.ts';
import type { ScpCommand } from '../../../proxy-task/ssh/scp-places.ts';
import type { TransferRules } from '../../../proxy-task/ssh/transfer.ts';
import type { TransferScanner } from '../../../proxy-task/ssh/transfer.ts';

const SINK: ScpCommand = { mode: 'sink', paths: ['/srv/app'], recursive: true, preserve: true, folder: false };
const SOURCE: ScpCommand = { mode: 'source', paths: ['/srv/app', '/srv/notes'], recursive: true, preserve: true, folder: false };
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

type FileOperation = HostOperation & { readonly kind: 'file' };
type Options = {
  readonly command?: ScpCommand;
  readonly judge?: (operation: FileOperation) => 'run' | 'refused' | 'held';
  /** What exists or may be made on the host: path → as it is. Others cannot be resolved. */
  readonly paths?: Readonly<Record<string, string>>;
  readonly transfers?: TransferRules;
};

function scp(options: Options = {}) {
  const toTarget: string[] = [];
  const toClient: string[] = [];
  const asked: string[] = [];
  const events: ChannelEvent[] = [];
  const completed: string[] = [];
  const refusals: string[] = [];
  const state = { ended: false, pauses: 0, resumes: 0, held: 0 };
  const { command = SINK, judge = () => 'run', paths } = options;
  const answer = (ask: number, kind: 'run' | 'refused'): void =>
    machine.answered(
      ask,
      kind === 'run' ? { kind, statement: 100 + ask } : { kind, statement: 100 + ask, code: 'ZG010', message: 'blocked by policy: no' },
    );
  const actions: ChannelActions = {
    toTarget: (bytes) => toTarget.push(bytes.toString('latin1')),
    toClient: (bytes) => toClient.push(bytes.toString('latin1')),
    endTarget: () => (state.ended = true),
    ask: (ask, operation) => {
      if (operation.kind !== 'file') throw new Error('scp asks for files only');
      asked.push(`${operation.action} ${operation.paths.join(' ')}${operation.attributes === undefined ? '' : ` ${operation.attributes}`}`);
      const judged = judge(operation);
      if (judged === 'held') state.held = ask;
      else answer(ask, judged);
    },
    resolve: (path, resolved) => resolved(paths === undefined ? path : paths[path]),
    record: (event) => events.push(event),
    completed: (statement, outcome) => completed.push(`${statement} ${outcome}`),
    pauseClient: () => (state.pauses += 1),
    resumeClient: () => (state.resumes += 1),
    tell: () => undefined,
    refuse: (code, message) => refusals.push(`${code} ${message}`),
  };
  const machine = new ScpProtocol({
    channel: 4,
    actions,
    account: 'deploy',
    home: '/home/deploy',
    transfers: options.transfers ?? { blockFindings: 'none' },
    command,
  });
  const client = (text: string): void => machine.fromClient(Buffer.from(text, 'latin1'));
  const host = (text: string): void => machine.fromTarget(Buffer.from(text, 'latin1'), 'stdout');
  const passed = (): { toTarget: string; toClient: string } => ({ toTarget: toTarget.join(''), toClient: toClient.join('') });
  return { machine, client, host, passed, asked, events, completed, refusals, state, answer };
}

describe('files that a client sends', () => {
  test('one file passes, and is on record', () => {
    const { client, host, passed, asked, events, completed } = scp({ paths: { '/srv/app': '/srv/app' } });
    host('\0');
    client('C0644 5 notes\n');
    host('\0');
    client('hello\0');
    host('\0');
    expect(passed()).toEqual({ toTarget: 'C0644 5 notes\nhello\0', toClient: '\0\0\0' });
    expect(asked).toEqual(['write /srv/app']);
    expect(events).toEqual([
      {
        type: 'channel.file',
        channel: 4,
        statement: 101,
        by: 'scp',
        action: 'write',
        path: '/srv/app',
        bytes: 5,
        sha256: sha256('hello'),
        complete: true,
        detected: 0,
      },
    ]);
    expect(completed).toEqual(['101 ok']);
  });

  test('a file whose target may be a folder or its new name is on record as both', () => {
    const { client, host, asked, events } = scp();
    host('\0');
    client('C0644 5 notes\n');
    host('\0');
    client('hello\0');
    host('\0');
    expect(asked).toEqual(['write /srv/app/notes /srv/app']);
    expect(events).toMatchObject([{ type: 'channel.file', path: '/srv/app/notes or /srv/app' }]);
  });

  test('a tree, with times', () => {
    const { client, host, passed, asked, events } = scp({ command: { ...SINK, folder: true } });
    host('\0');
    client('T1 0 1 0\n');
    client('D0755 0 sub\n');
    expect(passed()).toEqual({ toTarget: 'T1 0 1 0\n', toClient: '\0\0' });
    host('\0');
    expect(passed().toTarget).toBe('T1 0 1 0\nD0755 0 sub\n');
    host('\0');
    client('C0600 0 empty\n');
    host('\0');
    client('\0');
    host('\0');
    client('E\n');
    host('\0');
    expect(asked).toEqual(['makeFolder /srv/app/sub', 'write /srv/app/sub/empty']);
    expect(passed().toTarget).toBe('T1 0 1 0\nD0755 0 sub\nC0600 0 empty\n\0E\n');
    expect(events).toMatchObject([{ path: '/srv/app/sub/empty', bytes: 0, complete: true }]);
  });

  test('where the host alone knows whether its target is a folder, both paths are asked for', () => {
    const { client, host, asked } = scp();
    host('\0');
    client('C0644 5 notes\n');
    expect(asked).toEqual(['write /srv/app/notes /srv/app']);
  });

  test('a link in the target is what it leads to', () => {
    const { client, host, asked } = scp({
      command: { ...SINK, folder: true },
      paths: { '/srv/app/keys': '/home/deploy/.ssh/authorized_keys' },
    });
    host('\0');
    client('C0644 5 keys\n');
    expect(asked).toEqual(['write /home/deploy/.ssh/authorized_keys']);
  });

  test('a bit that runs it as its owner is asked for too', () => {
    const { client, host, asked } = scp({ command: { ...SINK, folder: true } });
    host('\0');
    client('C4755 5 su\n');
    expect(asked).toEqual(['write /srv/app/su', 'setAttributes /srv/app/su mode 4755']);
  });

  test('what is refused is skipped, and what comes after it passes', () => {
    const { client, host, passed, asked, completed } = scp({
      command: { ...SINK, folder: true },
      judge: ({ paths }) => (paths[0]?.endsWith('no') === true ? 'refused' : 'run'),
    });
    host('\0');
    client('T1 0 1 0\n');
    client('C0644 5 no\n');
    client('D0755 0 no\n');
    client('C0644 1 yes\n');
    expect(passed()).toEqual({
      toTarget: 'C0644 1 yes\n',
      toClient: '\0\0\x01sallyport: ZG010 blocked by policy: no\n\x01sallyport: ZG010 blocked by policy: no\n',
    });
    expect(asked).toEqual(['write /srv/app/no', 'makeFolder /srv/app/no', 'write /srv/app/yes']);
    expect(completed).toEqual([]);
  });

  test('bytes of a file that the host did not take never pass for records', () => {
    const { client, host, passed, asked } = scp({ command: { ...SINK, folder: true } });
    host('\0');
    client('C0644 20 name\nC0644 5 ../../evil\n');
    expect(passed().toTarget).toBe('C0644 20 name\n');
    host('\x01scp: name: Permission denied\n');
    expect(passed().toTarget).toBe('C0644 20 name\n');
    expect(asked).toEqual(['write /srv/app/name']);
  });

  test('nothing is passed on while people are asked', () => {
    const { client, host, passed, state, answer } = scp({ judge: () => 'held' });
    host('\0');
    client('C0644 5 notes\n');
    client('hello\0');
    expect(passed().toTarget).toBe('');
    answer(state.held, 'run');
    expect(passed().toTarget).toBe('C0644 5 notes\n');
    host('\0');
    expect(passed().toTarget).toBe('C0644 5 notes\nhello\0');
  });

  test('an upload that stops half-way', () => {
    const { client, host, events, machine, state } = scp();
    host('\0');
    client('C0644 5 notes\n');
    host('\0');
    client('he');
    machine.clientEnded();
    expect(state.ended).toBe(true);
    machine.targetEnded();
    expect(events).toMatchObject([{ bytes: 2, complete: false, sha256: sha256('he') }]);
  });

  test('a file whose sender could not read it, or whose receiver could not keep it, is not complete', () => {
    const one = scp();
    one.host('\0');
    one.client('C0644 2 notes\n');
    one.host('\0');
    one.client('he\x01read error\n');
    one.host('\0');
    const other = scp();
    other.host('\0');
    other.client('C0644 2 notes\n');
    other.host('\0');
    other.client('he\0');
    other.host('\x01disk full\n');
    expect([one.events, other.events]).toMatchObject([[{ complete: false }], [{ complete: false }]]);
    expect([one.completed, other.completed]).toEqual([['101 error'], ['101 error']]);
  });

  test('a client that waits for no answer is made to wait, up to a bound', () => {
    const { client, host, state, refusals } = scp();
    host('\0');
    client('C0644 99999999 notes\n');
    for (let i = 0; i < 100; i++) client('x'.repeat(100_000));
    expect(state.pauses).toBe(1);
    expect(refusals).toEqual(['08P01 scp sends on without waiting for an answer']);
  });

  test('a path that the host cannot resolve is not written', () => {
    const { client, host, passed, asked } = scp({ paths: {} });
    host('\0');
    client('C0644 5 notes\n');
    expect(passed()).toEqual({ toTarget: '', toClient: '\0\x01sallyport: the host cannot say what this path is\n' });
    expect(asked).toEqual([]);
  });
});

describe('files that a host sends', () => {
  test('one passes once it is judged, and is on record', () => {
    const { client, host, passed, asked, events } = scp({ command: SOURCE });
    client('\0');
    host('C0644 5 notes\n');
    client('\0');
    host('hello\0');
    client('\0');
    expect(passed()).toEqual({ toTarget: '\0\0\0', toClient: 'C0644 5 notes\nhello\0' });
    expect(asked).toEqual(['read /srv/notes']);
    expect(events).toMatchObject([{ action: 'read', path: '/srv/notes', complete: true, sha256: sha256('hello') }]);
  });

  test('files of a folder are judged one by one', () => {
    const { client, host, passed, asked } = scp({
      command: SOURCE,
      judge: ({ paths }) => (paths[0] === '/srv/app/secret' ? 'refused' : 'run'),
    });
    client('\0');
    host('D0755 0 app\n');
    client('\0');
    host('C0600 6 secret\n');
    host('C0600 1 open\n');
    client('\0');
    host('x\0');
    client('\0');
    host('E\n');
    client('\0');
    const refused = '\x01sallyport: ZG010 blocked by policy: no\n';
    expect(asked).toEqual(['list /srv/app', 'read /srv/app/secret', 'read /srv/app/open']);
    expect(passed()).toEqual({ toTarget: `\0\0${refused}\0\0\0`, toClient: `D0755 0 app\n${refused}C0600 1 open\nx\0E\n` });
  });

  test('a file that was not asked for is not passed on', () => {
    const { client, host, passed, asked } = scp({ command: SOURCE });
    client('\0');
    host('C0644 5 .bashrc\n');
    expect(asked).toEqual([]);
    expect(passed().toClient).toBe('\x01sallyport: the host cannot say what this path is\n');
  });

  test('messages of a host cannot play with a terminal', () => {
    const { client, host, passed } = scp({ command: SOURCE });
    client('\0');
    host('\x01\x1b]0;title\x07scp: none\n');
    expect(passed().toClient).toBe('\x01\\u{1b}]0;title\\u{7}scp: none\n');
  });

  test('a finding ends the channel before it leaves', () => {
    const newScanner = (): TransferScanner => ({
      scan: (bytes) => (bytes.includes('SECRET') ? 1 : 0),
      ending: () => 0,
      finish: () => 0,
    });
    const { client, host, passed, events, refusals } = scp({ command: SOURCE, transfers: { blockFindings: 'read', newScanner } });
    client('\0');
    host('C0644 12 notes\n');
    client('\0');
    host('hello ');
    host('SECRET\0');
    expect(passed().toClient).toBe('C0644 12 notes\nhello ');
    expect(refusals).toEqual(['ZG010 the file holds what may not pass here']);
    expect(events).toMatchObject([{ bytes: 6, detected: 1, complete: false }]);
  });
});

describe('what is no scp', () => {
  const lines = [
    'C0644 5 ../evil',
    'C0644 5 /etc/passwd',
    'C0644 5 ..',
    'C0644 5 .',
    'C0644 5 ',
    'C0644 5 a\tb',
    'C0644 5 a\x1b[2Jb',
    'C0644 5 a\rb',
    'C0644 5 a\x7fb',
    `C0644 5 ${'a'.repeat(256)}`,
    'C0644 -5 a',
    'C0644 5x a',
    'C0644 99999999999999999999 a',
    'C644 5 a',
    'C0999 5 a',
    'D0755 0 ..',
    'T1 2 3',
    'X',
    '',
    'E',
    'C0644 5 a\xff',
    'x'.repeat(5000),
  ];
  for (const [side, command] of [
    ['a client', SINK],
    ['a host', SOURCE],
  ] as const) {
    test.each(lines)(`${side}: %j`, (line) => {
      const { client, host, passed, asked, refusals } = scp({ command });
      const [sender, receiver] = command.mode === 'sink' ? [client, host] : [host, client];
      receiver('\0');
      sender(`${line}\n`);
      expect(refusals).toHaveLength(1);
      expect(refusals[0]).toMatch(/^08P01 /u);
      expect(asked).toEqual([]);
      expect(Object.values(passed()).join('')).toBe('\0');
    });
  }

  test('a folder where none was asked for', () => {
    const { client, host, refusals } = scp({ command: { ...SINK, recursive: false } });
    host('\0');
    client('D0755 0 sub\n');
    expect(refusals).toEqual(['08P01 a folder in an scp of files']);
  });

  test('folders without end', () => {
    const { client, host, passed } = scp({ command: { ...SINK, folder: true } });
    host('\0');
    for (let i = 0; i < 300; i++) {
      client('D0755 0 d\n');
      host('\0');
    }
    expect(passed().toTarget).toBe('D0755 0 d\n'.repeat(256));
  });

  test('what an account prints when it logs in', () => {
    const { host, refusals } = scp();
    host('Welcome!\n');
    expect(refusals[0]).toMatch(/does the account print something/u);
  });
});

describe('any bytes', () => {
  const conversation: readonly (readonly ['client' | 'host', string])[] = [
    ['host', '\0'],
    ['client', 'T1 0 1 0\nD0755 0 sub\n'],
    ['host', '\0\0'],
    ['client', 'C0644 3 a\n'],
    ['host', '\0'],
    ['client', 'abc\0'],
    ['host', '\0'],
    ['client', 'C0644 3 b\n'],
    ['host', '\x01no\n'],
    ['client', 'E\n'],
    ['host', '\0'],
  ];
  const outcome = (pieces: readonly number[]): object => {
    const { client, host, passed, asked, events, completed } = scp({ command: { ...SINK, folder: true } });
    for (const [side, text] of conversation) {
      const send = side === 'client' ? client : host;
      for (let at = 0, i = 0; at < text.length; i++) {
        const bytes = pieces[i % (pieces.length || 1)] ?? 1000;
        send(text.slice(at, at + bytes));
        at += bytes;
      }
    }
    return { ...passed(), asked, events, completed };
  };

  test('any split gives the same', () => {
    const whole = outcome([]);
    expect(whole).toMatchObject({ asked: ['makeFolder /srv/app/sub', 'write /srv/app/sub/a', 'write /srv/app/sub/b'] });
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 9 }), (pieces) => {
        expect(outcome(pieces)).toEqual(whole);
      }),
    );
  });

  test('random bytes of both sides throw nothing, and no record passes that was not judged', () => {
    const piece = fc.record({
      side: fc.constantFrom('client', 'host'),
      text: fc.oneof(
        fc.constantFrom('\0', 'C0644 2 a\n', 'D0755 0 d\n', 'E\n', 'T1 0 1 0\n', 'xy', '\x01m\n', '\x02m\n'),
        fc.string({ maxLength: 8 }),
      ),
    });
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), (list) => {
        const { client, host, passed } = scp({ judge: () => 'refused' });
        for (const { side, text } of list) (side === 'client' ? client : host)(text);
        expect(passed().toTarget).not.toMatch(/[CDTx]/u);
      }),
      { numRuns: 500 },
    );
  });
});
