import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isRefName } from '../../../proxy-task/ssh/git-ref.ts';
import { writePktLine } from '../../../proxy-task/ssh/messages/pkt-line.ts';
import { commit, history, object, packOf } from './git-packs.ts';
import { advertisement, CHOSEN, flush, GitTwin, lines, NONE, OFFERED, payloads, REPOSITORY, request } from './git-twin.ts';

const FROM = 'f'.repeat(40);
const line = history(FROM, 3);
const TO = line[0]?.id ?? '';
const pack = packOf([...line, object('tree', ''), object('blob', 'x')]);
/** Bytes that cannot be compressed. */
function noise(bytes: number): Buffer {
  const made = Buffer.alloc(bytes);
  let seed = bytes;
  for (let at = 0; at < bytes; at += 1) {
    seed = (seed * 48_271) % 0x7fffffff;
    made[at] = seed >> 8;
  }
  return made;
}

const update = (ref = 'refs/heads/main', from = FROM, to = TO): string => `${from} ${to} ${ref}`;

describe('the refs that a host shows', () => {
  test('reach the client as they are, without what the gateway does not pass', () => {
    const twin = new GitTwin('receive-pack');
    twin.host(advertisement(`${OFFERED} push-cert=nonce push-options unknown side-band`));
    const [first = '', ...others] = payloads(twin.received());
    expect(first).toBe(`${'a'.repeat(40)} refs/heads/main\0${OFFERED} push-options\n`);
    expect(others).toEqual([`${'a'.repeat(40)} refs/tags/v1\n`, `${'a'.repeat(40)} .have\n`, '|']);
  });

  test('are the same for any way in which their bytes come', () => {
    const bytes = Buffer.concat([writePktLine('version 1\n'), advertisement()]);
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(bytes.length), { maxLength: 20 }), (cuts) => {
        const twin = new GitTwin('receive-pack');
        let at = 0;
        for (const cut of [...cuts.sort((a, b) => a - b), bytes.length]) {
          twin.host(bytes.subarray(at, cut));
          at = cut;
        }
        expect(twin.received()).toEqual(bytes);
        expect(twin.refusals).toEqual([]);
      }),
    );
  });

  test('may be an error, which the client shows', () => {
    const twin = new GitTwin('receive-pack');
    twin.host(writePktLine('ERR access denied'));
    expect(payloads(twin.received())).toEqual(['ERR access denied']);
  });

  test.each<[string, Buffer]>([
    ['a greeting of the shell', Buffer.from('Welcome to web1\n')],
    ['text in a packet', lines('hello\n')],
    ['an id that is none', lines(`${'z'.repeat(40)} refs/heads/main\0${OFFERED}`)],
    ['an object format that is not known', lines(`${'a'.repeat(40)} refs/heads/main\0object-format=blake3`)],
    ['capabilities twice', lines(`${FROM} refs/heads/a\0${OFFERED}`, `${FROM} refs/heads/b\0push-options`)],
  ])('end the channel where they are %s', (_, bytes) => {
    const twin = new GitTwin('receive-pack');
    twin.host(bytes);
    expect(twin.refusals).toHaveLength(1);
    twin.client(request([update()]));
    expect(twin.sent()).toHaveLength(0);
  });
});

describe('a push', () => {
  test('is held back, asked for once with all its refs, and passed on byte by byte', () => {
    const twin = GitTwin.pushing();
    const asks = request([update(), update('refs/heads/new', NONE), update('refs/heads/old', FROM, NONE), update('refs/tags/v1')]);
    twin.client(asks);
    twin.client(pack.subarray(0, pack.length - 10));
    expect(twin.sent()).toHaveLength(0);
    expect(twin.paused).toBe(true);
    expect(twin.asked).toEqual([
      {
        kind: 'gitPush',
        repository: REPOSITORY,
        account: 'deploy',
        updates: [
          { ref: 'refs/heads/main', from: FROM, to: TO, change: 'update' },
          { ref: 'refs/heads/new', from: NONE, to: TO, change: 'create' },
          { ref: 'refs/heads/old', from: FROM, to: NONE, change: 'delete' },
          { ref: 'refs/tags/v1', from: FROM, to: TO, change: 'force' },
        ],
      },
    ]);
    twin.run();
    expect(twin.paused).toBe(false);
    twin.client(pack.subarray(pack.length - 10));
    twin.machine.clientEnded();
    expect(twin.sent()).toEqual(Buffer.concat([asks, pack]));
    expect(twin.targetEnded).toBe(true);
  });

  test('is asked for and passed on the same for any way in which its bytes come', () => {
    const bytes = Buffer.concat([request([update(), update('refs/heads/other', NONE, line[1]?.id)]), pack]);
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(bytes.length), { maxLength: 30 }), fc.nat(30), (cuts, answerAfter) => {
        const twin = GitTwin.pushing();
        let at = 0;
        const ends = [...cuts.sort((a, b) => a - b), bytes.length];
        ends.forEach((end, index) => {
          twin.client(bytes.subarray(at, end));
          at = end;
          if (index >= answerAfter && twin.paused) twin.run();
        });
        twin.machine.clientEnded();
        if (twin.paused) twin.run();
        expect(twin.changes()).toEqual(['update refs/heads/main', 'create refs/heads/other']);
        expect(twin.sent()).toEqual(bytes);
        expect(twin.targetEnded).toBe(true);
      }),
    );
  });

  test('is force where its pack does not prove more', () => {
    const twin = GitTwin.pushing();
    twin.client(Buffer.concat([request([update('refs/heads/main', '9'.repeat(40))]), pack]));
    expect(twin.changes()).toEqual(['force refs/heads/main']);
  });

  test('of commits that the host has is force, for its pack is empty', () => {
    const twin = GitTwin.pushing();
    twin.client(Buffer.concat([request([update()]), packOf([])]));
    expect(twin.changes()).toEqual(['force refs/heads/main']);
  });

  test('with more than is read for a proof is asked for as force, and kept in bounds', () => {
    const twin = GitTwin.pushing();
    twin.client(request([update()]));
    const many = packOf(Array.from({ length: 9 }, (_, index) => object('commit', noise(1_000_000 + index))));
    for (let at = 0; at < many.length && !twin.paused; at += 32_768) twin.client(many.subarray(at, at + 32_768));
    expect(twin.changes()).toEqual(['force refs/heads/main']);
    for (let sent = 0; sent < 16; sent += 1) twin.client(Buffer.alloc(1024 * 1024));
    expect(twin.refusals).toHaveLength(1);
    twin.run();
    expect(twin.sent()).toHaveLength(0);
  });

  test('that only creates or deletes is asked for before its pack has come', () => {
    const twin = GitTwin.pushing();
    twin.client(request([update('refs/heads/new', NONE)]));
    expect(twin.changes()).toEqual(['create refs/heads/new']);
  });

  test('of nothing passes without a question, and nothing behind it', () => {
    const twin = GitTwin.pushing();
    twin.client(flush);
    expect(twin.asked).toEqual([]);
    expect(twin.sent()).toEqual(flush);
    twin.client(request([update()]));
    expect(twin.sent()).toEqual(flush);
    expect(twin.refusals).toHaveLength(1);
  });

  test('of nothing, with a request right behind it, is not passed on', () => {
    const twin = GitTwin.pushing();
    twin.client(Buffer.concat([flush, request([update()])]));
    expect(twin.sent()).toHaveLength(0);
    expect(twin.refusals).toHaveLength(1);
  });

  test('that begins before the refs have come waits for them', () => {
    const twin = new GitTwin('receive-pack');
    twin.client(Buffer.concat([request([update()]), pack]));
    expect(twin.asked).toEqual([]);
    twin.host(advertisement());
    expect(twin.changes()).toEqual(['update refs/heads/main']);
  });

  test('from a shallow clone is proven by the commits that it sends', () => {
    const twin = GitTwin.pushing();
    const asks = lines(`shallow ${FROM}`, `${update()}\0${CHOSEN}`);
    twin.client(Buffer.concat([asks, pack]));
    twin.run();
    expect(twin.changes()).toEqual(['update refs/heads/main']);
    expect(twin.sent()).toEqual(Buffer.concat([asks, pack]));
  });

  test('shows its options to whoever is asked', () => {
    const twin = GitTwin.pushing(`${OFFERED} push-options`);
    const asks = Buffer.concat([request([update()], `${CHOSEN} push-options`), lines('ci.skip', 'reviewer=\u202ebob')]);
    twin.client(Buffer.concat([asks, pack]));
    expect(twin.asked).toMatchObject([{ kind: 'gitPush', options: ['ci.skip', 'reviewer=\u202ebob'] }]);
    twin.run();
    expect(twin.sent()).toEqual(Buffer.concat([asks, pack]));
  });

  test('that ends before it is whole never reaches the host', () => {
    for (const bytes of [request([update()]).subarray(0, 50), Buffer.concat([request([update()]), pack.subarray(0, 30)])]) {
      const twin = GitTwin.pushing();
      twin.client(bytes);
      twin.machine.clientEnded();
      expect(twin.asked).toEqual([]);
      expect(twin.sent()).toHaveLength(0);
    }
  });

  test('that is approved after the host has gone is said not to have run', () => {
    const twin = GitTwin.pushing();
    twin.client(request([update('refs/heads/new', NONE)]));
    twin.machine.targetEnded();
    twin.run();
    expect(twin.sent()).toHaveLength(0);
    expect(twin.completed).toEqual(['9 error']);
  });
});

describe('a push that is refused', () => {
  test('is answered for each of its refs, and its pack goes nowhere', () => {
    const twin = GitTwin.pushing();
    twin.client(Buffer.concat([request([update(), update('refs/heads/new', NONE)]), pack.subarray(0, 400)]));
    twin.refuse();
    const [banded = '', end] = payloads(twin.received());
    expect(end).toBe('|');
    expect(banded[0]).toBe('\u0001');
    expect(payloads(Buffer.from(banded.slice(1), 'latin1'))).toEqual([
      'unpack ok\n',
      'ng refs/heads/main sallyport: ZG010 blocked by policy: no force\n',
      'ng refs/heads/new sallyport: ZG010 blocked by policy: no force\n',
      '|',
    ]);
    expect(twin.paused).toBe(false);
    for (let sent = 0; sent < 100; sent += 1) twin.client(Buffer.alloc(1024 * 1024));
    expect(twin.refusals).toEqual([]);
    twin.machine.targetEnded();
    twin.machine.clientEnded();
    expect(twin.refusals).toEqual(['ZG010 blocked by policy: no\nforce']);
    expect(twin.sent()).toHaveLength(0);
  });

  test('ends at once where the client has said everything', () => {
    const whole = packOf(line);
    for (const bytes of [Buffer.concat([request([update()]), whole]), request([update('refs/heads/old', FROM, NONE)])]) {
      const twin = GitTwin.pushing();
      twin.client(bytes);
      twin.refuse();
      expect(twin.refusals).toHaveLength(1);
      expect(twin.sent()).toHaveLength(0);
    }
  });

  test('ends at once where the client ended while people were asked', () => {
    const twin = GitTwin.pushing();
    twin.client(request([update('refs/heads/new', NONE)]));
    twin.machine.clientEnded();
    expect(twin.targetEnded).toBe(false);
    twin.refuse();
    expect(twin.refusals).toHaveLength(1);
  });

  test('gets no report where the client wants none', () => {
    const twin = GitTwin.pushing();
    twin.client(request([update('refs/heads/old', FROM, NONE)], 'quiet'));
    twin.refuse();
    expect(twin.received()).toHaveLength(0);
    expect(twin.refusals).toHaveLength(1);
  });

  test('gets its report without bands where the client wants none', () => {
    const twin = GitTwin.pushing();
    twin.client(request([update('refs/heads/old', FROM, NONE)], 'report-status'));
    twin.refuse();
    expect(payloads(twin.received())[0]).toBe('unpack ok\n');
  });
});

describe('a request that git would not write', () => {
  const other = update('refs/heads/other', NONE);
  test.each<[string, Buffer]>([
    ['with capabilities in a later line', lines(`${update()}\0${CHOSEN}`, `${other}\0push-options`)],
    ['with a capability that was not offered', request([update()], 'report-status push-options')],
    ['with a capability that is not known', request([update()], 'report-status upside-down')],
    ['with a switch that has a value', request([update()], 'report-status=yes')],
    ['with a tab between capabilities', request([update()], 'agent=git/2\treport-status')],
    ['with NUL between capabilities', request([update()], 'agent=git/2\0 report-status')],
    ['with another object format', request([update()], 'object-format=sha256')],
    ['with two object formats', request([update()], 'object-format=sha1 object-format=sha256')],
    ['with a certificate', lines(`push-cert\0${CHOSEN}`, 'certificate version 0.1\n', 'push-cert-end\n')],
    ['with an empty line', lines(`${update()}\0${CHOSEN}`, '')],
    ['with one space too many', request([`${FROM}  ${TO} refs/heads/main`])],
    ['with ids in capitals', request([update('refs/heads/main', 'F'.repeat(40))])],
    ['with an id too short', request([`${FROM.slice(1)} ${TO} refs/heads/main`])],
    ['with a name too many', request([update('HEAD')])],
    ['with a ref twice', request([update(), update()])],
    ['with a name that is no UTF-8', lines(Buffer.concat([Buffer.from(update('refs/heads/')), Buffer.of(0xff)]))],
    ['with a line feed in a name', lines(`${update('refs/heads/a\nb')}\0${CHOSEN}`)],
    ['with a line feed before the capabilities', lines(`${update()}\n\0${CHOSEN}`)],
    ['with a delimiter instead of its end', Buffer.concat([writePktLine(`${update()}\0${CHOSEN}`), Buffer.from('0001')])],
    ['with an error packet', lines(`${update()}\0${CHOSEN}`, 'ERR stop')],
    ['with a shallow commit behind an update', lines(`${update()}\0${CHOSEN}`, `shallow ${FROM}`)],
    ['with a shallow commit without id', lines('shallow x', `${update()}\0${CHOSEN}`)],
    ['with 1,001 refs', request(Array.from({ length: 1_001 }, (_, index) => update(`refs/heads/b${index}`, NONE)))],
    ['with a packet of no length', Buffer.from('zzzz')],
  ])('%s is refused, and nothing of it reaches the host', (_, bytes) => {
    const twin = GitTwin.pushing();
    twin.client(bytes);
    twin.client(pack);
    twin.machine.clientEnded();
    expect(twin.refusals).toHaveLength(1);
    expect(twin.asked).toEqual([]);
    expect(twin.sent()).toHaveLength(0);
  });

  test('with any bytes is refused, or asked for as what it says', () => {
    const good = request([update(), other]);
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }), (changes) => {
        const twin = GitTwin.pushing();
        const bytes = Buffer.from(good);
        for (const [at, byte] of changes) bytes[at] = byte;
        twin.client(Buffer.concat([bytes, pack]));
        expect(twin.sent()).toHaveLength(0);
        for (const operation of twin.asked) {
          if (operation.kind !== 'gitPush') throw new Error(operation.kind);
          for (const { ref, from, to } of operation.updates) {
            expect(isRefName(ref)).toBe(true);
            expect(bytes.includes(`${from} ${to} ${ref}`)).toBe(true);
          }
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('what the host answers', () => {
  const report = (...texts: string[]): Buffer => lines(Buffer.concat([Buffer.of(1), lines(...texts)]));

  test.each<[string, Buffer, string, string]>([
    ['updated', report('unpack ok\n', 'ok refs/heads/main\n'), 'ok', 'unpack ok; 1 updated'],
    [
      'declined',
      report('unpack ok\n', 'ng refs/heads/main hook declined\n'),
      'error',
      'unpack ok; 0 updated; not refs/heads/main hook declined',
    ],
    [
      'unpack',
      report('unpack index-pack abnormal exit\n', 'ng refs/heads/main unpacker error\n'),
      'error',
      'unpack index-pack abnormal exit',
    ],
    ['broken', Buffer.from('nonsense'), 'unknown', 'the host did not say what it updated'],
    ['nothing', Buffer.alloc(0), 'unknown', 'the host did not say what it updated'],
    ['half', report('unpack ok\n', 'ok refs/heads/main\n').subarray(0, 40), 'unknown', 'the host did not say'],
  ])('passes and is on record with the pack: %s', (_, answer, outcome, said) => {
    const twin = GitTwin.pushing();
    twin.client(Buffer.concat([request([update()]), pack]));
    twin.run(12);
    const progress = writePktLine('\u0002remote: counting\n');
    for (const byte of Buffer.concat([progress, answer])) twin.host(Buffer.of(byte));
    twin.machine.targetEnded();
    expect(twin.received()).toEqual(Buffer.concat([progress, answer]));
    expect(twin.completed).toEqual([`12 ${outcome}`]);
    const sha256 = createHash('sha256').update(pack).digest('hex');
    const [event] = twin.events;
    expect(event).toMatchObject({ type: 'channel.operation', channel: 2, statement: 12, outcome: outcome === 'ok' ? 'ok' : 'error' });
    expect(event?.type === 'channel.operation' && event.detail).toContain(`pack of ${pack.length} bytes, sha256 ${sha256}; ${said}`);
    expect(event?.type === 'channel.operation' && event.text).toContain(`update "refs/heads/main" ${FROM} → ${TO}`);
  });

  test('is unknown where the client wanted no report', () => {
    const twin = GitTwin.pushing();
    twin.client(request([update('refs/heads/old', FROM, NONE)], 'quiet'));
    twin.run(12);
    twin.machine.targetEnded();
    expect(twin.completed).toEqual(['12 unknown']);
  });
});

describe('the name of a ref', () => {
  test.each([
    'refs/heads/main',
    'refs/tags/v1.0',
    'refs/heads/a/b',
    'refs/heads/ünï',
    'refs/heads/@',
    'refs/heads/a@b',
    'refs/stash',
    'refs/heads/-x',
  ])('%s is one', (name) => expect(isRefName(name)).toBe(true));

  test.each([
    '',
    'HEAD',
    'refs',
    'refs/',
    'heads/main',
    'refs//main',
    'refs/heads/',
    '/refs/heads/main',
    'refs/heads/main/',
    'Refs/heads/main',
    'refs/../x',
    'refs/heads/a..b',
    'refs/heads/.a',
    'refs/heads/a.',
    'refs/heads/a.lock',
    'refs/heads/a.lock/b',
    'refs/./x',
    'refs/heads/a b',
    'refs/heads/a~1',
    'refs/heads/a^',
    'refs/heads/a:b',
    'refs/heads/a?',
    'refs/heads/*',
    'refs/heads/[a',
    'refs/heads/a\\b',
    'refs/heads/a\tb',
    'refs/heads/a\nb',
    'refs/heads/a\0b',
    'refs/heads/a\u007f',
    'refs/heads/a\u001b[1m',
    'refs/heads/a@{1}',
    `refs/heads/${'a'.repeat(1_100)}`,
  ])('%j is none', (name) => expect(isRefName(name)).toBe(false));
});

test('a root commit that replaces a branch is force', () => {
  const root = commit([], 'anew');
  const twin = GitTwin.pushing();
  twin.client(Buffer.concat([request([update('refs/heads/main', FROM, root.id)]), packOf([root])]));
  expect(twin.changes()).toEqual(['force refs/heads/main']);
});
