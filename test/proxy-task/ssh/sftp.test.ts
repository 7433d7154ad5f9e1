import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileDetectors } from '../../../core/masking/detectors.ts';
import { StreamScanner } from '../../../core/masking/stream-scanner.ts';
import { encodePacket, type Field, FieldReader, string, uint32, uint64 } from '../../../proxy-task/ssh/messages/sftp-fields.ts';
import { FXF, FXP } from '../../../proxy-task/ssh/messages/sftp-packet.ts';
import { encodeStatus } from '../../../proxy-task/ssh/messages/sftp-reply.ts';
import type { TransferScanner } from '../../../proxy-task/ssh/transfer.ts';
import { ALL_EXTENSIONS, cut, HOME, SftpTwin } from './sftp-twin.ts';

const NONE = uint32(0);
const mode = (bits: number): Field[] => [uint32(4), uint32(bits)];
const sha256 = (text: string | Buffer): string => createHash('sha256').update(text).digest('hex');

describe('what a request asks for, and what the host is sent', () => {
  const links = { '/srv/link': '/etc/secret', '/srv/in': '/srv/data', '/srv/loop/up': '/srv' };
  const files = { '/srv/a': 'a', '/etc/secret': 's', '/srv/data/f': 'f', [`${HOME}/notes`]: 'n' };
  const table: readonly [name: string, type: number, fields: readonly Field[], asked: readonly string[], sent: readonly string[]][] = [
    ['a file read', FXP.OPEN, [string('/srv/a'), uint32(FXF.READ), NONE], ['read /srv/a'], ['3 /srv/a', '8 h0']],
    ['no flag is a read', FXP.OPEN, [string('/srv/a'), uint32(0), NONE], ['read /srv/a'], ['3 /srv/a', '8 h0']],
    ['a relative path', FXP.OPEN, [string('notes'), uint32(FXF.READ), NONE], [`read ${HOME}/notes`], [`3 ${HOME}/notes`, '8 h0']],
    [
      'a link is what it leads to',
      FXP.OPEN,
      [string('/srv/link'), uint32(FXF.READ), NONE],
      ['read /etc/secret'],
      ['3 /etc/secret', '8 h0'],
    ],
    ['a folder that is a link', FXP.OPEN, [string('/srv/in/f'), uint32(FXF.READ), NONE], ['read /srv/data/f'], ['3 /srv/data/f', '8 h0']],
    ['two dots', FXP.OPEN, [string('/srv/x/../../etc//secret'), uint32(FXF.READ), NONE], ['read /etc/secret'], ['3 /etc/secret', '8 h0']],
    ['a file written', FXP.OPEN, [string('/srv/new'), uint32(26), NONE], ['write /srv/new'], ['3 /srv/new']],
    ['a write through a link', FXP.OPEN, [string('/srv/link'), uint32(26), NONE], ['write /etc/secret'], ['3 /etc/secret']],
    ['both ways', FXP.OPEN, [string('/srv/a'), uint32(3), NONE], ['read /srv/a', 'write /srv/a'], ['3 /srv/a', '8 h0']],
    ['an append', FXP.OPEN, [string('/srv/a'), uint32(6), NONE], ['write /srv/a'], ['3 /srv/a']],
    ['truncation by a reader', FXP.OPEN, [string('/srv/a'), uint32(17), NONE], ['read /srv/a', 'write /srv/a'], ['3 /srv/a', '8 h0']],
    ['creation by a reader', FXP.OPEN, [string('/srv/n'), uint32(9), NONE], ['read /srv/n', 'write /srv/n'], ['3 /srv/n', '8 h0']],
    ['a new file only', FXP.OPEN, [string('/srv/link'), uint32(42), NONE], ['write /srv/link'], ['3 /srv/link']],
    [
      'a file that runs as its owner',
      FXP.OPEN,
      [string('/srv/s'), uint32(26), ...mode(0o104755)],
      ['write /srv/s', 'setAttributes /srv/s mode 4755'],
      ['3 /srv/s'],
    ],
    ['a mode that is nothing special', FXP.OPEN, [string('/srv/s'), uint32(26), ...mode(0o100755)], ['write /srv/s'], ['3 /srv/s']],
    ['a folder listed', FXP.OPENDIR, [string('/srv')], ['list /srv'], ['11 /srv']],
    ['a folder listed through a link', FXP.OPENDIR, [string('/srv/in')], ['list /srv/data'], ['11 /srv/data']],
    ['attributes', FXP.STAT, [string('/srv/link')], ['list /etc/secret'], ['17 /etc/secret']],
    ['attributes of a link', FXP.LSTAT, [string('/srv/link')], ['list /srv/link'], ['7 /srv/link']],
    ['attributes behind a link', FXP.LSTAT, [string('/srv/link/')], ['list /etc/secret'], ['7 /etc/secret']],
    ['attributes of dots', FXP.LSTAT, [string('/srv/in/..')], ['list /srv'], ['7 /srv']],
    ['a link read', FXP.READLINK, [string('/srv/link')], ['list /srv/link'], ['19 /srv/link']],
    ['a file removed', FXP.REMOVE, [string('/srv/a')], ['remove /srv/a'], ['13 /srv/a']],
    ['a link removed', FXP.REMOVE, [string('/srv/in/../link')], ['remove /srv/link'], ['13 /srv/link']],
    ['a file removed in a folder that is a link', FXP.REMOVE, [string('/srv/in/f')], ['remove /srv/data/f'], ['13 /srv/data/f']],
    ['a folder made', FXP.MKDIR, [string('/srv/d/'), ...mode(0o777)], ['makeFolder /srv/d'], ['14 /srv/d']],
    [
      'a folder made for a group',
      FXP.MKDIR,
      [string('/srv/d'), ...mode(0o2777)],
      ['makeFolder /srv/d', 'setAttributes /srv/d mode 2777'],
      ['14 /srv/d'],
    ],
    ['a folder removed', FXP.RMDIR, [string('/srv/d')], ['removeFolder /srv/d'], ['15 /srv/d']],
    ['a name changed', FXP.RENAME, [string('/srv/in/f'), string('g')], [`rename /srv/data/f ${HOME}/g`], ['18 /srv/data/f']],
    ['a link renamed', FXP.RENAME, [string('/srv/link'), string('/srv/m')], ['rename /srv/link /srv/m'], ['18 /srv/link']],
    [
      'a name changed over another',
      FXP.EXTENDED,
      [string('posix-rename@openssh.com'), string('/srv/a'), string('/srv/in')],
      ['rename /srv/a /srv/in'],
      ['200 posix-rename@openssh.com'],
    ],
    ['a mode', FXP.SETSTAT, [string('/srv/a'), ...mode(0o4755)], ['setAttributes /srv/a mode 4755'], ['9 /srv/a']],
    [
      'a mode through a link',
      FXP.SETSTAT,
      [string('/srv/link'), ...mode(0o644)],
      ['setAttributes /etc/secret mode 0644'],
      ['9 /etc/secret'],
    ],
    ['an owner', FXP.SETSTAT, [string('/srv/a'), uint32(2), uint32(0), uint32(0)], ['setAttributes /srv/a owner 0:0'], ['9 /srv/a']],
    ['a size is a write', FXP.SETSTAT, [string('/srv/a'), uint32(1), uint64(0)], ['write /srv/a'], ['9 /srv/a']],
    [
      'times of a link',
      FXP.EXTENDED,
      [string('lsetstat@openssh.com'), string('/srv/link'), uint32(8), uint32(1), uint32(2)],
      ['setAttributes /srv/link times 1 and 2'],
      ['200 lsetstat@openssh.com'],
    ],
    ['room on the disk', FXP.EXTENDED, [string('statvfs@openssh.com'), string('/srv')], ['list /srv'], ['200 statvfs@openssh.com']],
    ['what a path is', FXP.REALPATH, [string('/srv/link')], ['list /etc/secret'], ['16 /srv/link']],
    ['where it begins', FXP.REALPATH, [string('.')], [], [`16 ${HOME}/.`]],
    ['nothing is where it begins', FXP.REALPATH, [string('')], [], [`16 ${HOME}`]],
    ['a tilde', FXP.EXTENDED, [string('expand-path@openssh.com'), string('~')], [], ['200 expand-path@openssh.com']],
    [
      "somebody else's tilde",
      FXP.EXTENDED,
      [string('expand-path@openssh.com'), string('~other/x')],
      ['list /home/other/x'],
      ['200 expand-path@openssh.com'],
    ],
    [
      'names of users',
      FXP.EXTENDED,
      [string('users-groups-by-id@openssh.com'), string(''), string('')],
      [],
      ['200 users-groups-by-id@openssh.com'],
    ],
  ];

  test.each(table)('%s', (_, type, fields, asked, sent) => {
    const twin = SftpTwin.begun({ links, files }).request(type, 7, ...fields);
    expect(twin.operations()).toEqual(asked);
    // What is opened is asked for once more.
    const [first = ''] = sent;
    const opens = type === FXP.OPEN || type === FXP.OPENDIR;
    expect(twin.sent()).toEqual(opens ? [first, first.replace(/^\d+/u, '16'), ...sent.slice(1)] : sent);
    expect(twin.toClient.map(({ id }) => id)).toEqual([7]);
    expect(twin.refusals).toEqual([]);
    expect(
      twin.asked.every(({ by, account, home, recursive }) => by === 'sftp' && account === 'deploy' && home === HOME && !recursive),
    ).toBe(true);
  });

  test.each(table.filter(([, , , asked]) => asked.length > 0))('%s: refused, it never reaches the host', (_, type, fields, asked) => {
    const twin = SftpTwin.begun({ links, files, judge: () => 'refused' }).request(type, 7, ...fields);
    expect(twin.sent().filter((packet) => !/^16 |expand-path/u.test(packet))).toEqual([]);
    expect(twin.replies()).toEqual(['7 3 sallyport: ZG010 blocked by policy: no']);
    expect(twin.operations()).toEqual(asked.slice(0, 1));
  });

  test('the second of two refused: nothing is sent, and the first is said not to have run', () => {
    const twin = SftpTwin.begun({ files, judge: ({ action }) => (action === 'read' ? 'run' : 'refused') });
    twin.request(FXP.OPEN, 7, string('/srv/a'), uint32(3), NONE);
    expect(twin.sent()).toEqual([]);
    expect(twin.completed).toEqual(['101 error']);
  });
});

describe('what is never passed on', () => {
  const table: readonly [name: string, type: number, fields: readonly Field[], reply: string][] = [
    ['a symbolic link', FXP.SYMLINK, [string('/etc/shadow'), string('/srv/x')], '7 3 sallyport: links are not made through the gateway'],
    [
      'a hard link',
      FXP.EXTENDED,
      [string('hardlink@openssh.com'), string('/a'), string('/b')],
      '7 8 sallyport: the gateway does not know this request',
    ],
    ['a copy on the host', FXP.EXTENDED, [string('copy-data'), string('x')], '7 8 sallyport: the gateway does not know this request'],
    [
      'another extension',
      FXP.EXTENDED,
      [string('exec@example.com'), string('rm -rf /')],
      '7 8 sallyport: the gateway does not know this request',
    ],
    ['another type', 99, [string('/srv')], '7 8 sallyport: the gateway does not know this request'],
    [
      'a handle that nobody gave',
      FXP.READ,
      [string('h9'), uint64(0), uint32(9)],
      '7 4 sallyport: nothing is open for reading by this handle',
    ],
    ['a write to it', FXP.WRITE, [string('h9'), uint64(0), string('x')], '7 4 sallyport: nothing is open for writing by this handle'],
    ['its attributes', FXP.FSETSTAT, [string('h9'), NONE], '7 4 sallyport: nothing is open by this handle'],
    ['its end', FXP.CLOSE, [string('h9')], '7 4 sallyport: nothing is open by this handle'],
  ];
  test.each(table)('%s', (_, type, fields, reply) => {
    const twin = SftpTwin.begun().request(type, 7, ...fields);
    expect(twin.replies()).toEqual([reply]);
    expect(twin.sent()).toEqual([]);
    expect(twin.operations()).toEqual([]);
  });

  const paths: readonly [string, Buffer | string][] = [
    ['a path with NUL', '/srv/a\0b'],
    ['a path that is no UTF-8', Buffer.from([0x2f, 0xff, 0xfe])],
    ['a path that is too long', `/${'a'.repeat(4096)}`],
    ['a path of 200,000 bytes', `/${'a/'.repeat(100_000)}`],
  ];
  test.each(paths)('%s', (_, path) => {
    const twin = SftpTwin.begun();
    for (const type of [FXP.REMOVE, FXP.STAT, FXP.OPENDIR, FXP.REALPATH]) twin.request(type, 7, string(path));
    twin.request(FXP.OPEN, 7, string(path), uint32(1), NONE).request(FXP.RENAME, 7, string('/a'), string(path));
    expect(twin.replies().every((reply) => reply.startsWith('7 4 sallyport: the path '))).toBe(true);
    expect(twin.toClient).toHaveLength(6);
    expect([twin.sent(), twin.operations(), twin.resolved]).toEqual([[], [], []]);
  });

  test('a flag that is not known', () => {
    expect(SftpTwin.begun().request(FXP.OPEN, 7, string('/srv/a'), uint32(64), NONE).last()).toContain('7 4 sallyport: the path or a flag');
  });

  test.each(['/', '.', '..', '/srv/..', '/srv/.', ''])('the removal of %s, which is no name in a folder', (path) => {
    const twin = SftpTwin.begun()
      .request(FXP.REMOVE, 7, string(path))
      .request(FXP.RMDIR, 7, string(path))
      .request(FXP.RENAME, 7, string('/a'), string(path));
    // The home folder has a name.
    expect(twin.sent().filter((packet) => !packet.endsWith(HOME))).toEqual(path === '' ? ['18 /a'] : []);
  });

  test('a path that the host cannot resolve', () => {
    const twin = SftpTwin.begun({ unknown: ['/srv/none', '/srv/none/a'] });
    twin.request(FXP.STAT, 7, string('/srv/none')).request(FXP.REMOVE, 8, string('/srv/none/a'));
    expect(twin.replies().map((reply) => reply.slice(0, 4))).toEqual(['7 2 ', '8 2 ']);
    expect([twin.sent(), twin.operations()]).toEqual([[], []]);
  });

  test('a new file that the host cannot name is made only where nothing is', () => {
    const twin = SftpTwin.begun({ unknown: ['/srv/new'] }).request(FXP.OPEN, 7, string('/srv/new'), uint32(26), NONE);
    expect(twin.operations()).toEqual(['write /srv/new']);
    expect(twin.toTarget[0]?.body.readUInt32BE(4 + '/srv/new'.length)).toBe(26 | FXF.EXCL);
  });

  test.each(['srv', '/srv/../etc', '/srv//x', '/srv/', '/srv/./x', '/s\0v'])(
    'an answer of the host that is no resolved path: %s',
    (answer) => {
      const twin = SftpTwin.begun();
      twin.silent = true;
      twin.request(FXP.REALPATH, 7, string('/srv'));
      const id = twin.toTarget.at(-1)?.id ?? 0;
      twin.machine.fromTarget(encodePacket(FXP.NAME, uint32(id), uint32(1), string(answer), string(''), NONE), 'stdout');
      expect(twin.last()).toBe('7 4 sallyport: the host names a path that cannot be judged');
    },
  );
});

describe('the beginning', () => {
  test('only what is let through is offered', () => {
    const twin = new SftpTwin().send(encodePacket(FXP.INIT, uint32(6), string('some@extension'), string('1')));
    expect(twin.toTarget).toEqual([{ type: FXP.INIT, id: 0, body: Buffer.from([0, 0, 0, 3]) }]);
    const body = twin.toClient[0]?.body ?? Buffer.alloc(0);
    const reader = new FieldReader(body, 0, body.length);
    expect(reader.uint32()).toBe(3);
    const names: string[] = [];
    while (!reader.atEnd) names.push(reader.text(99) ?? '');
    const hidden = new Set(['hardlink@openssh.com', 'copy-data', 'home-directory']);
    const offered = ALL_EXTENSIONS.filter((each, i) => !hidden.has(each) && !hidden.has(ALL_EXTENSIONS[i - 1] ?? ''));
    expect(names.toSorted()).toEqual(offered.toSorted());
  });

  test.each([
    ['a request first', encodePacket(FXP.STAT, uint32(1), string('/'))],
    ['an old version', encodePacket(FXP.INIT, uint32(2))],
    ['two beginnings', Buffer.concat([encodePacket(FXP.INIT, uint32(3)), encodePacket(FXP.INIT, uint32(3))])],
    ['a packet without length', Buffer.from([0, 0, 0, 0, 1])],
    ['a packet that is too long', Buffer.from([0, 4, 0, 1])],
    ['text', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
  ])('%s ends the channel', (_, bytes) => {
    const twin = new SftpTwin().send(bytes);
    expect(twin.refusals).toHaveLength(1);
    expect(twin.refusals[0]).toMatch(/^08P01 /u);
    twin.send(encodePacket(FXP.INIT, uint32(3)));
    expect(twin.toClient.length).toBeLessThan(2);
  });

  test('the limits of a host are lowered to ours', () => {
    const twin = SftpTwin.begun().request(FXP.EXTENDED, 7, string('limits@openssh.com'));
    const body = twin.toClient[0]?.body ?? Buffer.alloc(0);
    const reader = new FieldReader(body, 0, body.length);
    expect([reader.uint64(), reader.uint64(), reader.uint64(), reader.uint64()]).toEqual([262_144, 261_120, 1000, 1024]);
  });

  test('a longer read is cut to what a packet holds', () => {
    const twin = SftpTwin.begun({ files: { '/a': 'x' } });
    const handle = twin.open('/a', FXF.READ);
    twin.read(handle, 0, 0xffffffff);
    expect(twin.toTarget.at(-1)?.body.readUInt32BE(4 + 2 + 8)).toBe(261_120);
  });
});

describe('files on their way', () => {
  const text = 'x'.repeat(100_000);

  test('one that is read whole is on record with its hash', () => {
    const twin = SftpTwin.begun({ files: { '/srv/a': text } });
    const handle = twin.open('/srv/a', FXF.READ);
    for (let at = 0; at < text.length; at += 32_768) twin.read(handle, at, 32_768);
    twin.close(handle);
    expect(twin.events).toEqual([
      {
        type: 'channel.file',
        channel: 3,
        statement: 101,
        by: 'sftp',
        action: 'read',
        path: '/srv/a',
        bytes: text.length,
        sha256: sha256(text),
        complete: true,
        detected: 0,
      },
    ]);
    expect(twin.completed).toEqual(['101 ok']);
  });

  test('one that is read until its end is whole, also where the host does not say its size', () => {
    const twin = SftpTwin.begun({ files: { '/a': 'abc' } });
    const handle = twin.open('/a', FXF.READ);
    twin.files.set('/a', Buffer.from('abcdef'));
    twin.read(handle, 0, 6).read(handle, 6, 6).close(handle);
    expect(twin.events).toMatchObject([{ bytes: 6, complete: true }]);
  });

  test('one that is written whole', () => {
    const twin = SftpTwin.begun();
    const handle = twin.open('/srv/b', 26);
    twin.write(handle, 0, 'abc').write(handle, 3, 'def').close(handle);
    expect(twin.files.get('/srv/b')).toEqual(Buffer.alloc(0));
    expect(twin.events).toMatchObject([{ action: 'write', path: '/srv/b', bytes: 6, sha256: sha256('abcdef'), complete: true }]);
    expect(twin.toTarget.filter(({ type }) => type === FXP.WRITE)).toHaveLength(2);
  });

  const partly: readonly [string, (twin: SftpTwin) => void, object][] = [
    [
      'an upload that stops half-way',
      (twin) => twin.write(twin.open('/b', 26), 0, 'abc').machine.targetEnded(),
      { bytes: 3, complete: false },
    ],
    [
      'a download that stops half-way',
      (twin) => {
        const handle = twin.open('/a', FXF.READ);
        twin.read(handle, 0, 2).close(handle);
      },
      { bytes: 2, sha256: sha256('ab'), complete: false },
    ],
    [
      'a write over an older file that may be longer',
      (twin) => {
        const handle = twin.open('/a', FXF.WRITE);
        twin.write(handle, 0, 'abc').close(handle);
      },
      { bytes: 3, complete: false },
    ],
    [
      'a file that is cut after it was written',
      (twin) => {
        const handle = twin.open('/b', 26);
        twin.write(handle, 0, 'abc').request(FXP.FSETSTAT, 1, string(handle), uint32(1), uint64(1)).close(handle);
      },
      { bytes: 3, complete: false },
    ],
    [
      'pieces out of order',
      (twin) => {
        const handle = twin.open('/b', 26);
        twin.write(handle, 3, 'def').write(handle, 0, 'abc').close(handle);
      },
      { bytes: 6, complete: false, sha256: sha256('defabc') },
    ],
  ];
  test.each(partly)('%s is not said to be complete', (_, act, expected) => {
    const twin = SftpTwin.begun({ files: { '/a': 'abcdef' } });
    act(twin);
    expect(twin.events[0]).toMatchObject({ type: 'channel.file', ...expected });
  });

  test('a file that is cut to what was written is whole', () => {
    const twin = SftpTwin.begun({ files: { '/a': 'abcdef' } });
    const handle = twin.open('/a', FXF.WRITE | FXF.CREAT);
    twin.write(handle, 0, 'abc').request(FXP.FSETSTAT, 1, string(handle), uint32(1), uint64(3)).close(handle);
    expect(twin.events).toMatchObject([{ bytes: 3, complete: true }]);
  });

  test('which parts passed is on record', () => {
    const twin = SftpTwin.begun({ files: { '/a': 'abcdefghij' } });
    const handle = twin.open('/a', FXF.READ);
    for (const at of [4, 6, 0]) twin.read(handle, at, 2);
    twin.close(handle);
    expect(twin.events[1]).toMatchObject({ type: 'channel.operation', detail: 'bytes 4-7, 0-1' });
  });

  test('a thousand scattered pieces are counted, not listed', () => {
    const twin = SftpTwin.begun({ files: { '/a': 'x'.repeat(5000) } });
    const handle = twin.open('/a', FXF.READ);
    for (let at = 0; at < 4000; at += 4) twin.read(handle, at, 2);
    twin.close(handle);
    const [, parts] = twin.events;
    expect(parts).toMatchObject({ type: 'channel.operation', detail: expect.stringMatching(/ and 984 more$/u) });
  });

  test('a write that the host refuses is no complete file, and completes with an error', () => {
    const twin = SftpTwin.begun();
    const handle = twin.open('/b', 26);
    twin.silent = true;
    twin.write(handle, 0, 'abc');
    twin.machine.fromTarget(encodeStatus(twin.toTarget.at(-1)?.id ?? 0, 4, 'disk full'), 'stdout');
    twin.silent = false;
    twin.close(handle);
    expect(twin.events).toMatchObject([{ complete: false }]);
    expect(twin.completed).toEqual(['101 error']);
  });

  test('two handles side by side keep apart', () => {
    const twin = SftpTwin.begun({ files: { '/a': 'aaaa', '/b': 'bbbb' } });
    const [a, b] = [twin.open('/a', FXF.READ), twin.open('/b', FXF.READ)];
    twin.read(a, 0, 2).read(b, 0, 2).read(a, 2, 2).read(b, 2, 2).close(b).close(a);
    expect(twin.events).toMatchObject([
      { path: '/b', sha256: sha256('bbbb'), complete: true },
      { path: '/a', sha256: sha256('aaaa'), complete: true },
    ]);
  });

  test('a file open for reading is not written by its handle, nor the other way round', () => {
    const twin = SftpTwin.begun({ files: { '/a': 'a' } });
    const [reading, writing] = [twin.open('/a', FXF.READ), twin.open('/b', 26)];
    twin.toTarget.length = 0;
    twin.write(reading, 0, 'x').read(writing, 0, 1);
    expect(twin.sent()).toEqual([]);
    expect(twin.replies().map((reply) => reply.slice(0, 4))).toEqual(['9 4 ', '9 4 ']);
  });

  test('attributes of a written file: ordinary ones go with it, an owner or a set-id bit is asked for', () => {
    const twin = SftpTwin.begun({ files: { '/a': 'a' } });
    const [reading, writing] = [twin.open('/a', FXF.READ), twin.open('/b', 26)];
    twin.asked.length = 0;
    twin.request(FXP.FSETSTAT, 1, string(writing), ...mode(0o755));
    twin.request(FXP.SETSTAT, 1, string('/b'), ...mode(0o600));
    expect(twin.operations()).toEqual([]);
    twin.request(FXP.FSETSTAT, 1, string(writing), ...mode(0o4755));
    twin.request(FXP.FSETSTAT, 1, string(reading), ...mode(0o755));
    twin.request(FXP.FSETSTAT, 1, string(reading), uint32(1), uint64(0));
    twin.request(FXP.SETSTAT, 1, string('/b'), ...mode(0o6755));
    expect(twin.operations()).toEqual([
      'setAttributes /b mode 4755',
      'setAttributes /a mode 0755',
      'write /a',
      'setAttributes /b mode 6755',
    ]);
  });

  test('attributes that people permit for a handle do not fall on the next file that has it', () => {
    const twin = SftpTwin.begun({ files: { '/a': 'a' }, judge: ({ action }) => (action === 'setAttributes' ? 'held' : 'run') });
    const handle = twin.open('/a', FXF.READ);
    twin.request(FXP.FSETSTAT, 5, string(handle), ...mode(0o4755)).close(handle);
    twin.toTarget.length = 0;
    twin.answer(twin.held[0] ?? 0, 'run');
    expect(twin.sent()).toEqual([]);
    expect(twin.last()).toBe('5 4 sallyport: the handle was closed meanwhile');
  });

  test("a folder that was made here is the maker's, until it is renamed", () => {
    const twin = SftpTwin.begun();
    twin.request(FXP.MKDIR, 1, string('/srv/d'), NONE).request(FXP.SETSTAT, 2, string('/srv/d'), ...mode(0o755));
    twin.request(FXP.RENAME, 3, string('/srv/d'), string('/srv/e')).request(FXP.SETSTAT, 4, string('/srv/d'), ...mode(0o755));
    expect(twin.operations()).toEqual(['makeFolder /srv/d', 'rename /srv/d /srv/e', 'setAttributes /srv/d mode 0755']);
  });

  test('a change is on record with what became of it', () => {
    const twin = SftpTwin.begun().request(FXP.REMOVE, 1, string('/srv/a'));
    expect(twin.events).toEqual([
      { type: 'channel.operation', channel: 3, statement: 101, text: 'sftp remove "/srv/a"', outcome: 'ok', detail: '' },
    ]);
    expect(twin.completed).toEqual(['101 ok']);
  });
});

describe('what is found in files', () => {
  const newScanner = (): TransferScanner => ({
    scan: (bytes) => (bytes.includes('SECRET') ? 1 : 0),
    ending: () => 0,
    finish: () => 0,
  });
  const files = { '/a': 'ok SECRET ok' };

  test('is counted where it may pass', () => {
    const twin = SftpTwin.begun({ files, transfers: { blockFindings: 'write', newScanner } });
    const handle = twin.open('/a', FXF.READ);
    twin.read(handle, 0, 99).close(handle);
    expect(twin.events).toMatchObject([{ detected: 1, complete: true }]);
  });

  test('a read with a finding never leaves, and nothing after it', () => {
    const twin = SftpTwin.begun({ files, transfers: { blockFindings: 'read', newScanner } });
    const handle = twin.open('/a', FXF.READ);
    twin.read(handle, 0, 3).read(handle, 3, 9).read(handle, 12, 9);
    expect(twin.replies().map((reply) => reply.slice(0, 8))).toEqual(['9 type 1', '9 3 sall', '9 3 sall']);
    expect(Buffer.concat(twin.chunks).includes('SECRET')).toBe(false);
    twin.close(handle);
    expect(twin.events).toMatchObject([{ bytes: 3, detected: 1, complete: false }]);
    expect(twin.completed).toEqual(['101 error']);
  });

  test('a finding of which the end is not certain, cut into pieces, does not get through', () => {
    const set = compileDetectors(['payment-card']);
    const rules = { blockFindings: 'both', newScanner: () => new StreamScanner(set) } as const;
    const twin = SftpTwin.begun({ files: { '/card': 'card 4111111111111111' }, transfers: rules });
    const [reading, writing] = [twin.open('/card', FXF.READ), twin.open('/b', 26)];
    twin.read(reading, 0, 12).read(reading, 12, 9).read(reading, 21, 9).close(reading);
    twin.write(writing, 0, 'card 41111111').write(writing, 13, '11111111').close(writing);
    const replies = twin.replies().map((reply) => reply.slice(0, 7));
    expect(replies.slice(0, 4)).toEqual(['9 type ', '9 3 sal', '9 3 sal', '9 0 don']);
    expect(replies.slice(4)).toEqual(['9 0 don', '9 3 sal', '9 0 don']);
    expect(twin.events).toMatchObject([
      { bytes: 12, detected: 1, complete: false },
      { bytes: 13, detected: 1, complete: false },
    ]);
  });

  test('a write with a finding never reaches the host', () => {
    const twin = SftpTwin.begun({ transfers: { blockFindings: 'both', newScanner } });
    const handle = twin.open('/b', 26);
    twin.write(handle, 0, 'abc').write(handle, 3, 'SECRET').write(handle, 9, 'more');
    expect(twin.toTarget.filter(({ type }) => type === FXP.WRITE)).toHaveLength(1);
    expect(twin.replies()[1]).toBe('9 3 sallyport: the file holds what may not pass here');
    expect(twin.told).toEqual(['101 ZG010 the file holds what may not pass here: /b']);
  });

  test('where findings stop a file it passes in order only', () => {
    const twin = SftpTwin.begun({ files, transfers: { blockFindings: 'both', newScanner } });
    const [reading, writing] = [twin.open('/a', FXF.READ), twin.open('/b', 26)];
    twin.read(reading, 6, 6).write(writing, 6, 'ET').read(reading, 0, 3).write(writing, 0, 'ok');
    expect(twin.replies().map((reply) => reply.slice(0, 7))).toEqual(['9 3 sal', '9 3 sal', '9 type ', '9 0 don']);
  });
});

describe('many requests', () => {
  test('names in a folder that was listed are not asked for one by one', () => {
    const twin = SftpTwin.begun().request(FXP.OPENDIR, 1, string('/srv'));
    for (let i = 0; i < 500; i++) twin.request(FXP.LSTAT, 2, string(`/srv/f${i}`));
    expect(twin.operations()).toEqual(['list /srv']);
    twin.request(FXP.STAT, 3, string('/srv/d/e'));
    expect(twin.operations()).toEqual(['list /srv', 'list /srv/d/e']);
    twin.machine.forgetListings();
    twin.request(FXP.LSTAT, 2, string('/srv/f1'));
    expect(twin.operations()).toHaveLength(3);
  });

  test('what is in a folder of a listed folder is asked for: the listing has shown its name only', () => {
    const twin = SftpTwin.begun({ judge: ({ paths }) => (paths[0] === '/srv/secret' ? 'refused' : 'run') });
    twin.request(FXP.OPENDIR, 1, string('/srv')).request(FXP.OPENDIR, 2, string('/srv/secret')).request(FXP.OPENDIR, 3, string('/srv'));
    expect(twin.operations()).toEqual(['list /srv', 'list /srv/secret']);
    expect(twin.replies().map((reply) => reply.slice(0, 6))).toEqual(['1 type', '2 3 sa', '3 type']);
  });

  test('what the host says late of a path that needs no question is acted on at once', () => {
    const twin = SftpTwin.begun().request(FXP.OPENDIR, 1, string('/srv'));
    twin.slow = true;
    twin.request(FXP.LSTAT, 2, string('/srv/a'));
    expect(twin.sent()).toEqual(['11 /srv', '16 /srv']);
    twin.answerPaths();
    expect(twin.replies()).toEqual(['1 type 102', '2 type 105']);
    twin.request(FXP.STAT, 3, string('/srv/b')).machine.targetEnded();
    twin.answerPaths();
    expect(twin.sent()).toHaveLength(3);
  });

  test('a refused listing permits nothing below it', () => {
    const twin = SftpTwin.begun({ judge: () => 'refused' })
      .request(FXP.OPENDIR, 1, string('/srv'))
      .request(FXP.LSTAT, 2, string('/srv/a'));
    expect(twin.operations()).toEqual(['list /srv', 'list /srv/a']);
  });

  test('a change waits for what came before it, and what comes after waits for the change', () => {
    const twin = SftpTwin.begun({ files: { '/srv/d/f': 'x' } });
    twin.silent = true;
    twin.request(FXP.STAT, 1, string('/x')).request(FXP.MKDIR, 2, string('/srv/d'), NONE);
    twin.request(FXP.OPEN, 3, string('/srv/d/f'), uint32(1), NONE);
    expect(twin.resolved).toEqual(['/x']);
    const reply = (type: number, ...fields: readonly Field[]): void =>
      twin.machine.fromTarget(encodePacket(type, uint32(twin.toTarget.at(-1)?.id ?? 0), ...fields), 'stdout');
    reply(FXP.ATTRS, NONE);
    expect(twin.resolved).toEqual(['/x', '/srv']);
    reply(FXP.STATUS, NONE, string(''), string(''));
    expect(twin.resolved).toEqual(['/x', '/srv', '/srv/d/f']);
  });

  test('files that are open go on while people are asked about another', () => {
    const twin = SftpTwin.begun({ files: { '/a': 'abc' }, judge: ({ action }) => (action === 'remove' ? 'held' : 'run') });
    const handle = twin.open('/a', FXF.READ);
    twin.request(FXP.REMOVE, 4, string('/b')).read(handle, 0, 3);
    expect(twin.replies()).toEqual(['9 type 103']);
    twin.answer(twin.held[0] ?? 0, 'run');
    expect(twin.replies()).toEqual(['9 type 103', '4 0 done']);
  });

  test('equal ids of a client are no trouble: those on the side of the host are ours', () => {
    const twin = SftpTwin.begun({ files: { '/a': 'aa' } });
    const handle = twin.open('/a', FXF.READ);
    twin.silent = true;
    twin.read(handle, 0, 1).read(handle, 1, 1);
    const ids = twin.toTarget.slice(-2).map(({ id }) => id);
    expect(new Set(ids).size).toBe(2);
    for (const id of ids) twin.machine.fromTarget(encodePacket(FXP.DATA, uint32(id), string('a')), 'stdout');
    expect(twin.replies()).toEqual(['9 type 103', '9 type 103']);
  });

  test('a flood makes the client wait, and is worked off in bounds', () => {
    const twin = SftpTwin.begun({ judge: () => 'held' });
    for (let i = 0; i < 2000; i++) twin.request(FXP.REMOVE, i, string('/a'));
    expect([twin.pauses, twin.resumes, twin.held.length]).toEqual([1, 0, 1]);
    for (let i = 0; i < 2000; i++) twin.answer(twin.held[i] ?? 0, 'refused');
    expect([twin.pauses, twin.resumes]).toEqual([1, 1]);
    expect(twin.toClient).toHaveLength(2000);
  });

  test('more files than a channel may have open', () => {
    const twin = SftpTwin.begun({ files: { '/a': '' } });
    for (let i = 0; i < 1024; i++) twin.open('/a', FXF.WRITE);
    expect(twin.request(FXP.OPEN, 7, string('/a'), uint32(1), NONE).last()).toBe('7 4 sallyport: 1024 files are open');
  });

  test('the host is told of the end once it has answered everything', () => {
    const twin = SftpTwin.begun({ files: { '/a': 'abc' } });
    const handle = twin.open('/a', FXF.READ);
    twin.silent = true;
    twin.read(handle, 0, 3);
    twin.machine.clientEnded();
    expect(twin.ended).toBe(false);
    twin.machine.fromTarget(encodePacket(FXP.DATA, uint32(twin.toTarget.at(-1)?.id ?? 0), string('abc')), 'stdout');
    expect(twin.ended).toBe(true);
  });
});

describe('a path that becomes a link after it was judged', () => {
  const opened = (flags: number, when: 'before' | 'after') => {
    const links: Record<string, string> = {};
    const twin = SftpTwin.begun({ files: { '/srv/a': 'abc' }, links, judge: () => 'held' });
    twin.request(FXP.OPEN, 7, string('/srv/a'), uint32(flags), NONE);
    if (when === 'before') links['/srv/a'] = '/etc/secret';
    twin.answer(twin.held[0] ?? 0, 'run');
    return twin;
  };

  test.each([
    ['to be read', FXF.READ],
    ['to be written', FXF.WRITE],
  ])('is closed again before a byte passes: %s', (_, flags) => {
    const twin = opened(flags, 'before');
    expect(twin.replies()).toEqual(['7 3 sallyport: ZG014 the path leads elsewhere than when it was judged']);
    expect(twin.sent()).toEqual(['3 /srv/a', '16 /srv/a', '4 h0']);
    expect(twin.told).toEqual(['101 ZG014 the path leads elsewhere than when it was judged: /srv/a']);
    expect(twin.completed).toEqual(['101 error']);
    expect(twin.read(Buffer.from('h0'), 0, 3).last()).toBe('9 4 sallyport: nothing is open for reading by this handle');
    expect(twin.refusals).toEqual([]);
  });

  test('is what it was where it becomes none', () => {
    expect(opened(FXF.READ, 'after').replies()).toEqual(['7 type 102']);
  });

  test('of a folder is not listed', () => {
    const links: Record<string, string> = {};
    const twin = SftpTwin.begun({ links, judge: () => 'held' }).request(FXP.OPENDIR, 7, string('/srv/d'));
    links['/srv'] = '/etc';
    twin.answer(twin.held[0] ?? 0, 'run');
    expect(twin.last()).toBe('7 3 sallyport: ZG014 the path leads elsewhere than when it was judged');
  });

  test('is decided in whichever order the host answers, and as closed where it cannot say', () => {
    for (const order of [
      [0, 1],
      [1, 0],
    ]) {
      for (const [name, reply] of [
        ['/srv/a', '7 type 102'],
        ['/srv/b', '7 3 sallyport: ZG014 the path leads elsewhere than when it was judged'],
        [undefined, '7 3 sallyport: ZG014 the path leads elsewhere than when it was judged'],
      ]) {
        const twin = SftpTwin.begun({ files: { '/srv/a': 'abc' } });
        twin.silent = true;
        twin.request(FXP.OPEN, 7, string('/srv/a'), uint32(FXF.READ), NONE);
        const [opening = 0, naming = 0] = twin.toTarget.map(({ id }) => id);
        const answers = [
          encodePacket(FXP.HANDLE, uint32(opening), string('h')),
          name === undefined
            ? encodeStatus(naming, 2, 'No such file')
            : encodePacket(FXP.NAME, uint32(naming), uint32(1), string(name), string(''), NONE),
        ];
        for (const index of order) twin.machine.fromTarget(answers[index] ?? Buffer.alloc(0), 'stdout');
        expect([name, order, twin.replies()]).toEqual([name, order, [reply]]);
      }
    }
  });
});

describe('a host that is not to be trusted', () => {
  const replies: readonly [string, (id: number) => Buffer][] = [
    ['an answer to nothing', (id) => encodeStatus(id + 1, 0, '')],
    ['another kind of answer', (id) => encodePacket(FXP.HANDLE, uint32(id), string('h'))],
    ['more than was asked for', (id) => encodePacket(FXP.DATA, uint32(id), string('x'.repeat(11)))],
    ['data cut short', (id) => encodePacket(FXP.DATA, uint32(id), uint32(10), uint32(0))],
    ['a second version', () => encodePacket(FXP.VERSION, uint32(3))],
    ['a request', (id) => encodePacket(FXP.OPEN, uint32(id), string('/'))],
  ];
  test.each(replies)('%s ends the channel', (_, reply) => {
    const twin = SftpTwin.begun({ files: { '/a': 'abc' } });
    const handle = twin.open('/a', FXF.READ);
    twin.silent = true;
    twin.read(handle, 0, 10);
    twin.machine.fromTarget(reply(twin.toTarget.at(-1)?.id ?? 0), 'stdout');
    expect(twin.refusals).toHaveLength(1);
    expect(twin.toClient).toEqual([]);
    expect(twin.events).toMatchObject([{ type: 'channel.file', complete: false }]);
  });

  test('one handle for two files ends the channel', () => {
    const twin = SftpTwin.begun({ files: { '/a': 'abc' } });
    const handle = twin.open('/a', FXF.READ);
    twin.silent = true;
    twin.request(FXP.OPEN, 2, string('/b'), uint32(1), NONE);
    const [opening, naming] = twin.toTarget.slice(-2).map(({ id }) => id);
    twin.machine.fromTarget(encodePacket(FXP.HANDLE, uint32(opening ?? 0), string(handle)), 'stdout');
    twin.machine.fromTarget(encodePacket(FXP.NAME, uint32(naming ?? 0), uint32(1), string('/b'), string(''), NONE), 'stdout');
    expect(twin.refusals).toEqual(['08P01 the host gives one handle to two files']);
  });

  test('another version', () => {
    const twin = new SftpTwin();
    twin.silent = true;
    twin.send(encodePacket(FXP.INIT, uint32(3)));
    twin.machine.fromTarget(encodePacket(FXP.VERSION, uint32(6)), 'stdout');
    expect(twin.refusals).toEqual(['08P01 the host speaks version 6 of sftp']);
  });
});

describe('any bytes', () => {
  const conversation = [
    encodePacket(FXP.INIT, uint32(3)),
    encodePacket(FXP.REALPATH, uint32(1), string('.')),
    encodePacket(FXP.OPEN, uint32(2), string('/srv/a'), uint32(1), NONE),
    ...[0, 3000, 6000, 9000].map((at) => encodePacket(FXP.READ, uint32(3), string('h0'), uint64(at), uint32(3000))),
    encodePacket(FXP.OPEN, uint32(4), string('b'), uint32(26), NONE),
    encodePacket(FXP.WRITE, uint32(5), string('h1'), uint64(0), string('y'.repeat(5000))),
    encodePacket(FXP.FSTAT, uint32(6), string('h1')),
    encodePacket(FXP.CLOSE, uint32(7), string('h0')),
    encodePacket(FXP.CLOSE, uint32(8), string('h1')),
    encodePacket(FXP.SYMLINK, uint32(9), string('/a'), string('/b')),
    encodePacket(FXP.RENAME, uint32(10), string('b'), string('/srv/c')),
  ];
  const outcome = (pieces: readonly Buffer[]): object => {
    const twin = new SftpTwin({ files: { '/srv/a': 'z'.repeat(7000) } });
    for (const piece of pieces) twin.send(Buffer.from(piece));
    return { asked: twin.operations(), sent: twin.toTarget, replies: twin.toClient, events: twin.events, completed: twin.completed };
  };
  const bytes = Buffer.concat(conversation);
  /** Of the shortest packet: no piece holds two, and what needs an answer comes after it. */
  const MAX_PIECE_BYTES = 9;

  test('any split gives the same', () => {
    const whole = outcome(conversation);
    expect(outcome(cut(bytes, [1]))).toEqual(whole);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: MAX_PIECE_BYTES }), { minLength: 1, maxLength: 20 }), (pieces) => {
        expect(outcome(cut(bytes, pieces))).toEqual(whole);
      }),
      { numRuns: 50 },
    );
  });

  test('random packets of a client are answered or end the channel, and nothing is sent that was not judged', () => {
    const packets = fc.array(
      fc.record({
        type: fc.oneof(fc.integer({ min: 0, max: 21 }), fc.constant(200), fc.integer({ min: 0, max: 255 })),
        body: fc.uint8Array({ maxLength: 60 }),
      }),
      { maxLength: 20 },
    );
    fc.assert(
      fc.property(packets, (list) => {
        const twin = SftpTwin.begun({ judge: () => 'refused' });
        for (const { type, body } of list)
          twin.send(encodePacket(type, { bytes: body.length, write: (buffer, at) => Buffer.from(body).copy(buffer, at) }));
        expect(twin.sent().filter((packet) => !/^(?:16 |200 (?:expand|limits|users))/u.test(packet))).toEqual([]);
        expect(twin.refusals.length).toBeLessThan(2);
      }),
      { numRuns: 500 },
    );
  });

  test('random bytes of a host end the channel or are its answers', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, framed) => {
        const twin = SftpTwin.begun({ files: { '/a': 'abc' } });
        const handle = twin.open('/a', FXF.READ);
        twin.silent = true;
        twin.read(handle, 0, 10);
        const header = Buffer.alloc(4);
        header.writeUInt32BE(Math.max(1, bytes.length));
        twin.machine.fromTarget(Buffer.concat([...(framed ? [header] : []), bytes]), 'stdout');
        expect(twin.toClient).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });
});
