import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BUILT_IN_DETECTORS, compileDetectors, NO_DETECTORS, redactText } from '../../../core/masking/detectors.ts';
import { MOST_HELD_BYTES, StreamRedactor } from '../../../core/masking/stream-redactor.ts';
import { StreamScanner } from '../../../core/masking/stream-scanner.ts';

const ALL = compileDetectors(BUILT_IN_DETECTORS);
const OWN = compileDetectors(BUILT_IN_DETECTORS, [{ name: 'case-number', pattern: 'case [0-9]{4}' }]);

const KEY_BODY = Array.from(
  { length: 25 },
  (_, line) => `MIIEpAIBAAKCAQEA${String(line).padStart(4, '0')}u5yT0F9xkq1Zb3v8nRwQeLsPdMhCjXgYtVo7aKiW`,
);
const KEY = ['-----BEGIN RSA PRIVATE KEY-----', ...KEY_BODY, '-----END RSA PRIVATE KEY-----'].join('\n');
const JWT = `eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhZ2VudC03In0.${'c2lnbmF0dXJl'.repeat(6)}`;
const VALUES = {
  'us-ssn': '123-45-6789',
  'payment-card': '4111 1111 1111 1111',
  email: 'ann.smith@bank.example',
  iban: 'GB82 WEST 1234 5698 7654 32',
  'us-phone': '(212) 555-1234',
  'aws-access-key': 'AKIAIOSFODNN7EXAMPLE',
  jwt: JWT,
  'private-key': KEY,
} as const;

/** Of what is let go, all. */
function joined({ pieces }: { readonly pieces: readonly Buffer[] }): Buffer {
  return Buffer.concat(pieces);
}

function pushAll(redactor: StreamRedactor, pieces: readonly Buffer[]): { text: string; detected: number } {
  const out: Buffer[] = [];
  let detected = 0;
  for (const each of [...pieces.map((piece) => redactor.push(piece)), redactor.flush()]) {
    // What is let go may be a part of what was pushed.
    out.push(Buffer.concat(each.pieces));
    detected += each.detected;
  }
  return { text: Buffer.concat(out).toString('latin1'), detected };
}

function redacted(text: string | Buffer, set = ALL): string {
  return Buffer.from(pushAll(new StreamRedactor(set), [Buffer.from(text)]).text, 'latin1').toString();
}

function splitAt(bytes: Buffer, places: readonly number[]): Buffer[] {
  const sorted = [...places].map((place) => place % (bytes.length + 1)).toSorted((a, b) => a - b);
  return [0, ...sorted].map((from, at) => bytes.subarray(from, sorted[at] ?? bytes.length));
}

const SEQUENCES = [
  '\x1b[31m',
  '\x1b[0m',
  '\x1b[K',
  '\x1b(B',
  '\x1b7',
  '\x1b[2;5H',
  '\x1b]0;title\x07',
  '\x1bP1$r0m\x1b\\',
  '\x1b[',
  '\x1b',
];
const WORDS = [
  ' ',
  ' ',
  '\n',
  '\r\n',
  ', ',
  ': ',
  '-',
  '.',
  '@',
  '+1',
  '(',
  '12',
  '123-45',
  'THE END',
  'word',
  'ünï',
  '-----BEGIN ',
  '\0',
  'eyJ',
  '=',
  '"',
];
const part = fc.oneof(
  fc.constantFrom(...Object.values(VALUES)),
  fc.constantFrom(...WORDS),
  fc.constantFrom(...SEQUENCES),
  fc.stringMatching(/^[ -~]{0,12}$/),
);
const stream = fc.array(part, { maxLength: 30 }).map((parts) => Buffer.from(parts.join('')));

describe('a redacted stream', () => {
  test.each(Object.entries(VALUES))('hides %s wherever it is cut, and once', (name, value) => {
    const text = Buffer.from(`before ${value} after\n`);
    for (let at = 0; at <= text.length; at++) {
      const { text: out, detected } = pushAll(new StreamRedactor(ALL), [text.subarray(0, at), text.subarray(at)]);
      expect([at, out, detected]).toEqual([at, `before [masked:${name}] after\n`, 1]);
    }
    const bytes = pushAll(
      new StreamRedactor(ALL),
      Array.from(text, (byte) => Buffer.of(byte)),
    );
    expect(bytes).toEqual({ text: `before [masked:${name}] after\n`, detected: 1 });
  });

  test('is the same however its bytes come in pieces', () => {
    fc.assert(
      fc.property(stream, fc.array(fc.nat(), { maxLength: 12 }), fc.boolean(), (bytes, places, own) => {
        const set = own ? OWN : ALL;
        const whole = pushAll(new StreamRedactor(set), [bytes]);
        expect(pushAll(new StreamRedactor(set), splitAt(bytes, places))).toEqual(whole);
        expect(
          pushAll(
            new StreamRedactor(set),
            Array.from(bytes, (byte) => Buffer.of(byte)),
          ),
        ).toEqual(whole);
      }),
      { numRuns: 400 },
    );
  });

  test('says what the detectors say of each line, where there are no keys and no sequences', () => {
    const withoutKeys = compileDetectors(BUILT_IN_DETECTORS.filter((name) => name !== 'private-key'));
    const line = fc.array(fc.oneof(fc.constantFrom(...Object.values(VALUES).filter((value) => value !== KEY)), fc.constantFrom(...WORDS)), {
      maxLength: 12,
    });
    fc.assert(
      fc.property(fc.array(line, { maxLength: 6 }), (lines) => {
        const text = lines.map((words) => words.join('').replaceAll(/[\r\n]/g, '')).join('\n');
        const expected = text
          .split('\n')
          .map((each) => redactText(each, withoutKeys))
          .join('\n');
        expect(redacted(text, withoutKeys)).toBe(expected);
      }),
      { numRuns: 300 },
    );
  });

  test('holds no value after a value was put in at any place', () => {
    const value = fc.constantFrom(...Object.values(VALUES).filter((each) => each !== KEY));
    fc.assert(
      fc.property(fc.lorem({ maxCount: 30 }), value, fc.nat(), fc.array(fc.nat(), { maxLength: 6 }), (text, secret, place, places) => {
        const at = place % (text.length + 1);
        const bytes = Buffer.from(`${text.slice(0, at)}\n${secret}\n${text.slice(at)}`);
        expect(pushAll(new StreamRedactor(ALL), splitAt(bytes, places)).text).not.toContain(secret);
      }),
    );
  });

  test('without a match is what it was', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 4000 }), fc.array(fc.nat(), { maxLength: 6 }), (array, places) => {
        const bytes = Buffer.from(array);
        const { text, detected } = pushAll(new StreamRedactor(ALL), splitAt(bytes, places));
        if (detected === 0) expect(text).toBe(bytes.toString('latin1'));
      }),
    );
  });

  test('that no detector reads is passed as it is', () => {
    const bytes = Buffer.from('123-45-6789');
    expect(new StreamRedactor(NO_DETECTORS).push(bytes).pieces).toEqual([bytes]);
  });
});

describe('control sequences', () => {
  test('of colours in the middle of a value do not hide it, and stay', () => {
    expect(redacted('id 123-\x1b[01;31m\x1b[K45\x1b[m\x1b[K-6789 x\n')).toBe('id [masked:us-ssn]\x1b[01;31m\x1b[K\x1b[m\x1b[K x\n');
  });

  test('are passed whole, also those that hold digits and points', () => {
    const text = '\x1b[38;2;123;45;67m\x1b[12;34Hx\x1b]8;;http://a.example/\x1b\\link\x1b]8;;\x1b\\\x1bP1;2|17/ab\x1b\\\x1b[0m\n';
    expect(redacted(text)).toBe(text);
  });

  test('of titles are searched: programs read them', () => {
    expect(redacted('\x1b]0;ann@bank.example: ~\x07$ ')).toBe('\x1b]0;[masked:email]: ~\x07$ ');
  });

  test('that never end are text', () => {
    const text = `\x1b[${'1;'.repeat(100)} 123-45-6789\n`;
    expect(redacted(text)).toBe(text.replace('123-45-6789', '[masked:us-ssn]'));
  });
});

describe('what waits', () => {
  test('is the word that is not over, and no more', () => {
    const redactor = new StreamRedactor(ALL);
    expect(joined(redactor.push(Buffer.from('one two: three'))).toString()).toBe('one two: ');
    expect(redactor.heldBytes).toBe(5);
  });

  test('is let go when idle; what goes on is then masked from there on', () => {
    const redactor = new StreamRedactor(ALL);
    const said = (text: string): string => joined(redactor.push(Buffer.from(text))).toString();
    expect(said('Password: ssn 123-')).toBe('Password: ssn ');
    expect(joined(redactor.idle()).toString()).toBe('123-');
    expect(redactor.heldBytes).toBe(0);
    expect(joined(redactor.idle()).toString()).toBe('');
    expect(said('45-67')).toBe('');
    expect(said('89\n')).toBe('[masked:us-ssn]\n');
  });

  test('a prompt with colours is let go whole when idle, and not twice', () => {
    const prompt = '\x1b[01;32mdeploy\x1b[00m:\x1b[01;34m~\x1b[00m$ ls\x1b[';
    const redactor = new StreamRedactor(ALL);
    let out = '';
    for (const byte of Buffer.from(prompt)) {
      out += joined(redactor.push(Buffer.of(byte))).toString('latin1');
      out += joined(redactor.idle()).toString('latin1');
    }
    expect(out).toBe(prompt.slice(0, -2));
    expect(out + joined(redactor.push(Buffer.from('K\n'))).toString('latin1')).toBe(`${prompt}K\n`);
  });

  test('a value that is whole when idle is masked, and counted once', () => {
    const redactor = new StreamRedactor(ALL);
    expect(redactor.push(Buffer.from('123-45-6789'))).toMatchObject({ detected: 0 });
    const idle = redactor.idle();
    expect([joined(idle).toString(), idle.detected]).toEqual(['[masked:us-ssn]', 1]);
    const rest = redactor.push(Buffer.from('\n'));
    expect([joined(rest).toString(), rest.detected]).toEqual(['\n', 0]);
  });

  test('behind the header of a private key nothing is let go when idle', () => {
    const redactor = new StreamRedactor(ALL);
    redactor.push(Buffer.from(KEY.slice(0, 150)));
    expect(joined(redactor.idle()).toString()).toBe('');
  });

  test('a prompt behind half of a private key is let go when idle, half a line of the key is not', () => {
    const half = KEY.split('\n').slice(0, 5).join('\n');
    const redactor = new StreamRedactor(ALL);
    redactor.push(Buffer.from(`${half}\nMIIEpAIB`));
    expect(joined(redactor.idle()).toString()).toBe('');
    redactor.push(Buffer.from('\ndeploy@web1:~$ '));
    expect(joined(redactor.idle()).toString()).toBe('deploy@web1:~$ ');
    expect(joined(redactor.push(Buffer.from('ls\r\n'))).toString()).toBe('ls\r\n');
  });

  test('is bounded, for words and for numbers and for lines', () => {
    for (const text of ['a', '7 ', 'A ', 'eyJ', '-', '@', '\x1b', 'x\x1b[', '-----BEGIN ', '-----BEGIN PRIVATE KEY']) {
      for (const set of [ALL, OWN]) {
        const redactor = new StreamRedactor(set);
        let most = 0;
        for (let pushed = 0; pushed < 10 * MOST_HELD_BYTES; pushed += 700 * text.length) {
          redactor.push(Buffer.from(text.repeat(700)));
          most = Math.max(most, redactor.heldBytes);
        }
        expect([text, most <= (text.length > 1 && text.includes('\x1b') ? 65_600 : MOST_HELD_BYTES)]).toEqual([text, true]);
      }
    }
  });
});

describe('long words', () => {
  const filler = 'Zm9vYmFy+/'.repeat(6000);

  test('are cut at places that no packet chooses, and keep their bytes', () => {
    const bytes = Buffer.from(filler);
    for (const size of [1000, 4096, 16_384, 50_000]) {
      const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) => bytes.subarray(at * size, (at + 1) * size));
      expect(pushAll(new StreamRedactor(ALL), pieces)).toEqual({ text: filler, detected: 0 });
    }
  });

  test('hide an address across the cut, and a token that has no end', () => {
    for (let before = MOST_HELD_BYTES - 1060; before < MOST_HELD_BYTES - 980; before += 7) {
      const word = `${'/'.repeat(before)}"${'='.repeat(MOST_HELD_BYTES - 1030)}ann.smith@bank.example/`;
      expect(redacted(word)).not.toContain('bank.example');
    }
    const long = `eyJhbGciOiJFUzI1NiJ9.eyJ${'c'.repeat(40_000)}.c2ln end`;
    expect(redacted(long)).toBe('[masked:jwt] end');
    expect(redacted(`eyJhbGciOiJFUzI1NiJ9.eyJ${'c'.repeat(10_000)}.${'c'.repeat(30_000)} end`)).toBe('[masked:jwt] end');
  });
});

describe('private keys', () => {
  test('of a terminal, in JSON, behind file names, and encrypted ones are hidden', () => {
    const named = KEY.split('\n')
      .map((line) => `id_rsa:${line}`)
      .join('\n');
    for (const text of [
      KEY.replaceAll('\n', '\r\n'),
      JSON.stringify({ key: KEY }),
      named,
      KEY.replace('-----\n', '-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n'),
    ]) {
      const out = redacted(`${text}\nnext line\n`);
      expect(out).toContain('[masked:private-key]');
      expect(out).toContain('next line');
      for (const line of KEY_BODY) expect(out).not.toContain(line);
    }
  });

  test('a header alone hides its own line, not what follows', () => {
    expect(redacted('a.pem: -----BEGIN PRIVATE KEY-----\nb.txt: other text\n')).toBe('a.pem: [masked:private-key]b.txt: other text\n');
  });

  test('a header without a footer hides no more than a key may have', () => {
    const body = `${'A'.repeat(63)}\n`.repeat(2000);
    const out = redacted(`-----BEGIN PRIVATE KEY-----\n${body}123-45-6789\n`);
    expect(out.length).toBeGreaterThan(body.length - 40 * 1024);
    expect(out).toContain('[masked:us-ssn]');
  });
});

describe('bytes that are no text', () => {
  test('are not changed where they look like an address by chance', () => {
    const noise = Buffer.concat([
      Buffer.from(Array.from({ length: 96 }, (_, at) => (at * 151 + 7) % 256)),
      Buffer.from('q@x.Zq'),
      Buffer.of(1, 200),
    ]);
    expect(pushAll(new StreamRedactor(ALL), [noise]).text).toBe(noise.toString('latin1'));
  });

  test('hide values in text that follows them, and padding is not noise', () => {
    const noise = Buffer.from(Array.from({ length: 96 }, (_, at) => (at * 151 + 7) % 256));
    const out = pushAll(new StreamRedactor(ALL), [
      Buffer.concat([noise, Buffer.from(`${'text '.repeat(14)}ann@bank.example 123-45-6789\n`)]),
    ]).text;
    expect(out).toContain('[masked:email] [masked:us-ssn]');
    expect(redacted(`${'\0'.repeat(512)}ann@bank.example${'\0'.repeat(512)}`)).toContain('[masked:email]');
  });
});

test('own expressions are found in a line wherever it is cut', () => {
  const bytes = Buffer.from('the case 1234 and\ncase 12');
  for (let at = 0; at <= bytes.length; at++) {
    const { text } = pushAll(new StreamRedactor(OWN), [bytes.subarray(0, at), bytes.subarray(at)]);
    expect(text).toBe('the [masked:case-number] and\ncase 12');
  }
});

test('a scanner counts what packets cut, once', () => {
  const scanner = new StreamScanner(ALL);
  expect([scanner.scan(Buffer.from('ssn 123-4')), scanner.scan(Buffer.from('5-6789')), scanner.finish(), scanner.found]).toEqual([
    0, 0, 1, 1,
  ]);
});
