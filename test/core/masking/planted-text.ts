/** Texts with values planted in them, for tests of what finds them: whole ones, near misses, and what is hard to tell apart. */
import fc from 'fast-check';

export const PLANTED = {
  'us-ssn': ['123-45-6789', '123 45 6789', '001-01 0001'],
  'payment-card': [
    '4111111111111111',
    '4111 1111 1111 1111',
    '3782 822463 10005',
    '4-2-2-2-2-2-2-2-2-2-2-2-2',
    '5 5 5 5 5 5 5 5 5 5 5 5 4 4 4 4',
    '6759649826438453',
    '4222222222222',
    '6304000000000000000',
  ],
  email: ['ann.smith@bank.example', 'é@exämple.com', 'a@b.co', '{a|b}@-.x.y-z.org'],
  iban: ['GB82 WEST 1234 5698 7654 32', 'DE89370400440532013000', 'NO93 8601 1117 947'],
  'us-phone': ['(212) 555-1234', '(212)555-1234', '212.555.1234', '1-212-555-0143', '+1 212.555.0143', '+12125551234', '1 (212) 555 0143'],
  'aws-access-key': ['AKIAIOSFODNN7EXAMPLE', 'ASIAIOSFODNN7EXAMPLE'],
  jwt: ['eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhZ2VudC03In0.c2lnbmF0dXJl', 'eyJhbGciOiJub25lIn0.eyJh.'],
} as const;

const BETWEEN = [
  ' ',
  ' ',
  ', ',
  ': ',
  '"',
  '-',
  '.',
  '@',
  '+',
  '+1',
  '(',
  ')',
  '1',
  '4',
  '12',
  '123-45',
  '1234 ',
  'THE END',
  'word',
  'ünï',
  '日本',
  '😀',
  '\0',
  '\t',
  'eyJ',
  'eyJa.eyJb.',
  'AKIA',
  'DE89 ',
  'a@b',
  '.com',
  '=',
  '/',
  '2026-11-20 13:00:11.123456+00',
  '192.168.100.100',
  '1763600000000',
] as const;

const value = fc.constantFrom(...Object.values(PLANTED).flat());
/** A value with one byte gone wrong. */
const nearValue = fc.tuple(value, fc.nat(), fc.constantFrom('0', '9', ' ', '-', 'x', 'Z', '@', '')).map(([text, place, other]) => {
  const at = place % text.length;
  return text.slice(0, at) + other + text.slice(at + 1);
});
const digits = fc
  .array(fc.constantFrom('1', '2', '4', '9', '0', '55', '123', ' ', '-', '.'), { maxLength: 30 })
  .map((parts) => parts.join(''));

/** One line. */
export const plantedLine = fc
  .array(
    fc.oneof(
      { weight: 5, arbitrary: value },
      { weight: 8, arbitrary: fc.constantFrom(...BETWEEN) },
      { weight: 3, arbitrary: nearValue },
      { weight: 2, arbitrary: digits },
      { weight: 2, arbitrary: fc.stringMatching(/^[ -~]{0,16}$/) },
      { weight: 1, arbitrary: fc.tuple(fc.constantFrom(...BETWEEN), fc.nat(40)).map(([text, times]) => text.repeat(times)) },
    ),
    { maxLength: 16 },
  )
  .map((parts) => parts.join(''));
