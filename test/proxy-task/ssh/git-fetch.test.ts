import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { flush, GitTwin, lines } from './git-twin.ts';

const ONE = '1'.repeat(40);
const TWO = '2'.repeat(64);
const ANSWER = Buffer.from('0032pretend this is a pack');

function fetched(...requests: readonly Buffer[]): GitTwin {
  const twin = new GitTwin('upload-pack');
  twin.host(Buffer.from('0000'));
  for (const bytes of requests) twin.client(bytes);
  twin.host(ANSWER);
  twin.machine.clientEnded();
  twin.machine.targetEnded();
  return twin;
}

describe('a fetch', () => {
  test.each<[string, Buffer, string]>([
    [
      'in version 0',
      Buffer.concat([lines(`want ${ONE} multi_ack_detailed side-band-64k\n`, `want ${TWO}\n`), lines(`have ${ONE}\n`), flush]),
      `wants ${ONE} ${TWO}`,
    ],
    [
      'in version 2',
      Buffer.concat([
        lines('command=fetch', 'agent=git/2').subarray(0, -4),
        Buffer.from('0001'),
        lines(`want ${ONE}\n`, 'want-ref refs/heads/main\n', 'done\n'),
      ]),
      `wants ${ONE} refs/heads/main`,
    ],
    ['of refs alone', flush, 'nothing wanted'],
  ])('%s passes as it is and names what was wanted', (_, bytes, said) => {
    const twin = fetched(bytes);
    expect(twin.sent()).toEqual(bytes);
    expect(twin.received()).toEqual(Buffer.concat([flush, ANSWER]));
    expect(twin.asked).toEqual([]);
    const sha256 = createHash('sha256').update(flush).update(ANSWER).digest('hex');
    expect(twin.events).toEqual([
      {
        type: 'channel.operation',
        channel: 2,
        statement: 7,
        text: 'git fetch "/srv/git/app.git"',
        outcome: 'ok',
        detail: `${said}; sent ${4 + ANSWER.length} bytes, sha256 ${sha256}`,
      },
    ]);
    expect(twin.targetEnded).toBe(true);
  });

  test('is read the same for any way in which its bytes come', () => {
    const bytes = lines(`want ${ONE} ofs-delta\n`, `want ${TWO}\n`, 'done\n');
    const whole = fetched(bytes).events;
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(bytes.length), { maxLength: 20 }), (cuts) => {
        const ends = [...cuts.sort((a, b) => a - b), bytes.length];
        const twin = fetched(...ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end)));
        expect(twin.events).toEqual(whole);
        expect(twin.sent()).toEqual(bytes);
      }),
    );
  });

  test('of thousands of objects names some and counts all', () => {
    const wants = Array.from({ length: 5_000 }, (_, index) => `want ${index.toString(16).padStart(40, '0')}\n`);
    const [event] = fetched(lines(...wants)).events;
    const detail = event?.type === 'channel.operation' ? event.detail : '';
    expect(detail).toContain('; 5000 wants in all; ');
    expect(detail.length).toBeLessThan(2_000);
  });

  test('that does not speak git is refused, and what is no packet is not passed on', () => {
    const twin = new GitTwin('upload-pack');
    twin.client(Buffer.from('GET / HTTP/1.1\r\n'));
    expect(twin.refusals).toHaveLength(1);
    twin.client(flush);
    twin.machine.targetEnded();
    expect(twin.sent()).toHaveLength(0);
    expect(twin.events).toMatchObject([{ outcome: 'error' }]);
  });

  test('of any bytes throws nothing', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 50 })), (chunks) => {
        const twin = new GitTwin('upload-pack');
        for (const chunk of chunks) twin.client(Buffer.from(chunk));
        expect(twin.refusals.length).toBeLessThanOrEqual(1);
      }),
    );
  });
});
