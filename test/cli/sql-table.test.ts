import { expect, test } from 'vitest';
import { resultTable } from '../../cli/sql-table.ts';

const TEXT = 25;
const INT = 23;

test('a result is laid out as psql does', () => {
  const columns = [
    { name: 'id', typeOid: INT },
    { name: 'full_name', typeOid: TEXT },
  ];
  const rows = [
    ['1', 'Maria Alvarez'],
    ['12', null],
    ['3', 'two\nlines'],
  ];
  expect(resultTable(columns, rows)).toBe(
    [
      ' id |   full_name',
      '----+---------------',
      '  1 | Maria Alvarez',
      ' 12 |',
      '  3 | two          +',
      '    | lines',
      '(3 rows)',
      '',
    ].join('\n'),
  );
});

test('no rows and no columns are a table too', () => {
  expect(resultTable([{ name: 'n', typeOid: INT }], [])).toBe(' n\n---\n(0 rows)\n');
  expect(resultTable([], [[]])).toBe('\n\n\n(1 row)\n');
});

test('nothing in a cell or a name reaches the terminal as a control', () => {
  const shown = resultTable([{ name: 'a\u001b[2Jb', typeOid: TEXT }], [['\u001b]0;title\u0007'], ['\u202edesrever'], ['x\ry']]);
  expect(shown.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  expect(shown).toContain(String.raw`\u{1b}]0;title\u{7}`);
  expect(shown).toContain(String.raw`x\ry`);
});
