import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BUILT_IN_DETECTORS, compileDetectors, redactText } from '../../../core/masking/detectors.ts';

const ALL = compileDetectors(BUILT_IN_DETECTORS);

const JWT = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl';
const KEY = '-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----';

describe('what is found', () => {
  test.each([
    ['us-ssn', 'ssn 123-45-6789.', 'ssn [masked:us-ssn].'],
    ['us-ssn', '123 45 6789', '[masked:us-ssn]'],
    ['us-ssn', '100-000-123-45-6789', '100-000-[masked:us-ssn]'],
    ['us-ssn', 'a123-45-6789,001-01-0001', 'a[masked:us-ssn],[masked:us-ssn]'],
    ['payment-card', 'card 4111111111111111', 'card [masked:payment-card]'],
    ['payment-card', '4111-1111-1111-1111', '[masked:payment-card]'],
    ['payment-card', '3782 822463 10005', '[masked:payment-card]'],
    ['payment-card', 'order 1234 4111 1111 1111 1111', 'order 1234 [masked:payment-card]'],
    ['payment-card', '4111111111111112 5555555555554444', '4111111111111112 [masked:payment-card]'],
    ['payment-card', '5555555555554444 4111111111111111', '[masked:payment-card] [masked:payment-card]'],
    ['payment-card', '2223003122003222;6759649826438453', '[masked:payment-card];[masked:payment-card]'],
    ['email', 'write to ann.b+c@mail.example.org!', 'write to [masked:email]!'],
    ['email', '<é@exämple.com>', '<[masked:email]>'],
    ['email', 'a@b.co,c@d.org', '[masked:email],[masked:email]'],
    ['iban', 'to DE89370400440532013000.', 'to [masked:iban].'],
    ['iban', 'GB29 NWBK 6016 1331 9268 19', '[masked:iban]'],
    ['iban', 'IBAN DE89 3704 0044 0532 0130 00 PLEASE', 'IBAN [masked:iban] PLEASE'],
    ['us-phone', 'call 212-555-0143', 'call [masked:us-phone]'],
    ['us-phone', '(212) 555-0143', '[masked:us-phone]'],
    ['us-phone', '+1 212.555.0143', '[masked:us-phone]'],
    ['us-phone', 'tel +12125550143', 'tel [masked:us-phone]'],
    ['us-phone', '1-212-555-0143', '[masked:us-phone]'],
    ['aws-access-key', 'id=AKIAIOSFODNN7EXAMPLE', 'id=[masked:aws-access-key]'],
    ['aws-access-key', 'ASIAIOSFODNN7EXAMPLE', '[masked:aws-access-key]'],
    ['jwt', `Bearer ${JWT}`, 'Bearer [masked:jwt]'],
    ['jwt', `eyJ.eyJx ${JWT};`, 'eyJ.eyJx [masked:jwt];'],
    ['private-key', `x${KEY}y`, 'x[masked:private-key]y'],
    ['private-key', '-----BEGIN PRIVATE KEY-----\nMIIB', '[masked:private-key]'],
    ['private-key', '{"k":"-----BEGIN PRIVATE KEY-----\\nA\\n-----END PRIVATE KEY-----"}', '{"k":"[masked:private-key]"}'],
  ])('%s in %j', (name, value, expected) => {
    expect(redactText(value, compileDetectors([name]))).toBe(expected);
  });
});

describe('what is left alone', () => {
  test.each([
    ['us-ssn', '000-12-3456 666-12-3456 900-12-3456 123-00-4567 123-45-0000'],
    ['us-ssn', '1123-45-6789 123-45-67890 123-456-789 123456789'],
    ['us-ssn', '2026-11-20 08:59:13.123456+00'],
    ['payment-card', '4111111111111112'],
    ['payment-card', '41111111111111111111111'],
    ['payment-card', '1700000000000'],
    ['payment-card', '4111--1111-1111-1111'],
    ['email', '@example.com a@ a@b a@b.c @@ a@.com'],
    ['iban', 'DE88370400440532013000 XDE89370400440532013000'],
    ['us-phone', '112-555-0143 212-155-0143 12125550143 212 5550143'],
    ['aws-access-key', 'AKIAIOSFODNN7EXAMPL AKIAIOSFODNN7EXAMPLES xAKIAIOSFODNN7EXAMPLE'],
    ['jwt', 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0 eyJhbGciOiJIUzI1NiJ9.abc.def'],
    ['private-key', '-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----'],
  ])('%s in %j', (name, value) => {
    expect(redactText(value, compileDetectors([name]))).toBe(value);
  });
});

test('an own expression is found beside the built-in ones', () => {
  const set = compileDetectors(['email'], [{ name: 'member', pattern: 'M-\\d{4,8}' }]);
  expect(redactText('é M-12345 a@b.co M-1', set)).toBe('é [masked:member] [masked:email] M-1');
});

test('overlapping matches become one under the name of the first', () => {
  const set = compileDetectors(['us-ssn'], [{ name: 'line', pattern: 'id .*' }]);
  expect(redactText('id 123-45-6789', set)).toBe('[masked:line]');
});

test.each([
  [() => compileDetectors(['ssn'])],
  [() => compileDetectors(['toString'])],
  [() => compileDetectors([], [{ name: 'email', pattern: 'a' }])],
  [() => compileDetectors([], [{ name: 'x', pattern: '(?=a)' }])],
  [() => compileDetectors([], [{ name: 'X]', pattern: 'a' }])],
])('a detector that cannot be is refused (%#)', (compile) => {
  expect(compile).toThrow(expect.objectContaining({ code: 'bad-detector' }));
});

test('a text stays valid Unicode whatever is found in it', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('123-45-6789', 'a@b.co', '4111111111111111', JWT))),
      (parts) => {
        const text = parts.join(' ');
        const redacted = redactText(text, ALL);
        for (const secret of ['123-45-6789', '4111111111111111', JWT])
          if (parts.includes(secret)) expect(redacted).not.toContain(` ${secret} `);
        expect(Buffer.from(redacted).toString()).toBe(redacted);
        // What is no character any more becomes this one; a text may also have it of its own.
        expect(redacted.split('\uFFFD').length).toBeLessThanOrEqual(text.split('\uFFFD').length);
      },
    ),
  );
});

test.each([
  '1',
  '1-',
  '4111 ',
  'a@',
  '@',
  'a.',
  'a@a',
  'eyJ',
  'eyJa.',
  'eyJa.eyJb.',
  '-',
  '-----BEGIN ',
  '-----BEGIN PRIVATE KEY',
  'DE89',
  'DE89 ',
  'A ',
  'AKIA',
  '(212) ',
])('a megabyte of %j takes time in proportion to its length', (unit) => {
  const cost = (bytes: number) => {
    const value = unit.repeat(Math.ceil(bytes / unit.length));
    const before = process.cpuUsage();
    redactText(value, ALL);
    const used = process.cpuUsage(before);
    return used.user + used.system;
  };
  cost(16 * 1024);
  // Quadratic time would need minutes for this.
  expect(cost(1024 * 1024)).toBeLessThan(5_000_000);
});
