import { expect, test } from 'vitest';
import { parseStartupOptions } from '../../../proxy-task/postgres/startup-options.ts';

test.each([
  ['', []],
  ['   ', []],
  ['-c a=b', [['a', 'b']]],
  ['-ca=b', [['a', 'b']]],
  ['--a=b', [['a', 'b']]],
  [
    '  -c   a=b\t--c-d=e\n',
    [
      ['a', 'b'],
      ['c_d', 'e'],
    ],
  ],
  ['-c search_path=a,\\ b', [['search_path', 'a, b']]],
  ['-c a=b\\\\c', [['a', 'b\\c']]],
  ['-c a=b\\', [['a', 'b']]],
  ['-c a=', [['a', '']]],
  ['-c a=b=c', [['a', 'b=c']]],
  ['-c sallyport.auth=oauthbearer', [['sallyport.auth', 'oauthbearer']]],
  ['-c a="b c="', undefined],
  ['\\-c a=b', [['a', 'b']]],
  [
    '-c a=1 -c a=2',
    [
      ['a', '1'],
      ['a', '2'],
    ],
  ],
] as const)('%j', (text, expected) => {
  if (expected === undefined) expect(() => parseStartupOptions(text)).toThrow(expect.objectContaining({ code: 'options-refused' }));
  else expect(parseStartupOptions(text)).toEqual(expected);
});

test.each([
  '-c',
  '-c a',
  '--a',
  '--',
  '-d 5',
  '-O',
  '-fs',
  'a=b',
  '-',
  '-c =b',
  '-c a;b=c',
  '- c a=b',
  '-i -c a=b',
  '-c \\ ',
  '-C a=b',
  '-c a=b -S 5',
])('refused: %j', (text) => {
  expect(() => parseStartupOptions(text)).toThrow(expect.objectContaining({ code: 'options-refused' }));
});
