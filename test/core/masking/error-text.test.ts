import { describe, expect, test } from 'vitest';
import { compileDetectors } from '../../../core/masking/detectors.ts';
import { maskMessage } from '../../../core/masking/error-text.ts';

const SECRET = '123-45-6789';

function fields(code: string, more: Record<string, string> = {}): ReadonlyMap<string, string> {
  return new Map(Object.entries({ S: 'ERROR', V: 'ERROR', C: code, M: `quotes ${SECRET}`, F: 'file.c', L: '7', R: 'routine', ...more }));
}

describe('on a target with masks', () => {
  test.each([
    '22P02',
    '22001',
    '23505',
    '23514',
    '23502',
    'P0001',
    'XX000',
    '0A000',
    '21000',
    '01000',
    '00000',
    '38000',
    'ZZ999',
    '',
    '4250',
  ])('a message of %j holds nothing of its text', (code) => {
    const rebuilt = maskMessage(fields(code, { D: `Key (ssn)=(${SECRET})`, H: SECRET, W: SECRET, q: SECRET, p: '3' }), true);
    expect(JSON.stringify([...rebuilt])).not.toContain(SECRET);
    expect([...rebuilt.keys()].toSorted()).toEqual(['C', 'F', 'L', 'M', 'R', 'S', 'V']);
  });

  test('a constraint violation says which constraint, and of what', () => {
    const rebuilt = maskMessage(fields('23505', { D: SECRET, s: 'public', t: 'customers', n: 'customers_ssn_key', P: '12' }), true);
    expect(rebuilt.get('M')).toBe(
      'unique violation (schema "public", table "customers", constraint "customers_ssn_key"); the text is withheld, since this target has masked columns',
    );
    expect(rebuilt.get('t')).toBe('customers');
    expect(rebuilt.get('P')).toBe('12');
    expect(rebuilt.has('D')).toBe(false);
  });

  test.each(['42601', '42703', '42P01', '42501', '28000', '25P02', '40001', '57014', '53300', '26000', '34000', '55P03'])(
    'a message of %s keeps its text, without detail',
    (code) => {
      const rebuilt = maskMessage(fields(code, { M: 'plain', D: SECRET, H: SECRET, P: '12' }), true);
      expect(Object.fromEntries(rebuilt)).toEqual({
        S: 'ERROR',
        V: 'ERROR',
        C: code,
        M: 'plain',
        P: '12',
        F: 'file.c',
        L: '7',
        R: 'routine',
      });
    },
  );

  test.each([
    ['raised within a function', { W: 'PL/pgSQL function f() line 1 at EXECUTE' }],
    ['from an internal query', { q: `select ${SECRET}`, p: '8' }],
  ])('a syntax error %s is rebuilt, and its object names are not believed', (_, more) => {
    const rebuilt = maskMessage(fields('42601', { ...more, t: SECRET, n: SECRET }), true);
    expect(JSON.stringify([...rebuilt])).not.toContain(SECRET);
  });

  test.each(['42601', '42P01', '42883', '42704'])('a message of %s without a position may quote a value, and is rebuilt', (code) => {
    expect(maskMessage(fields(code), true).get('M')).not.toContain(SECRET);
  });

  test('detectors run on the text that is kept', () => {
    expect(maskMessage(fields('42601', { P: '3' }), true, compileDetectors(['us-ssn'])).get('M')).toBe('quotes [masked:us-ssn]');
  });

  test('a field of unknown meaning is dropped', () => {
    expect(maskMessage(fields('42601', { z: SECRET, M: 'plain' }), true).has('z')).toBe(false);
  });
});

test('without masks every text passes the detectors, and the rest stays', () => {
  const all = fields('23505', { D: SECRET, H: SECRET, W: SECRET, q: SECRET, n: 'key' });
  expect(maskMessage(all, false)).toEqual(all);
  const cleaned = maskMessage(all, false, compileDetectors(['us-ssn']));
  expect(JSON.stringify([...cleaned])).not.toContain(SECRET);
  expect(cleaned.get('n')).toBe('key');
});

test('a SQLSTATE that code chose has no room for a value, one that clients act on stays', () => {
  const told = (code: string, more: Readonly<Record<string, string>>) => maskMessage(fields(code, more), true).get('C');
  expect(told('77123', { W: 'PL/pgSQL function f()' })).toBe('P0001');
  expect(told('22A1B', { W: 'PL/pgSQL function f()' })).toBe('22000');
  expect(told('40001', { W: 'SQL statement' })).toBe('40001');
  expect(told('23505', { W: 'SQL statement' })).toBe('23505');
});
