// Patterns of names that the host has told, and lines in which one command changes what another was read with.
import { describe, expect, test } from 'vitest';
import { readCommand, reader, readingText, HOME } from '../../../../support/read-command.ts';

const LOGS = ['/var/log/a.log', '/var/log/b.log'];
const MATCHES = {
  '/var/log/*.log': LOGS,
  [`${HOME}/*.csv`]: [`${HOME}/x.csv`, `${HOME}/y.csv`],
  [`${HOME}/*`]: [`${HOME}/one`, `${HOME}/two`],
  [`${HOME}/src/*.py`]: [`${HOME}/src/m.py`],
  [`${HOME}/s*/`]: [`${HOME}/src/`],
  '/srv/*.none': [],
  '/srv/d/*': ['/srv/d/-rf', '/srv/d/x'],
  '/srv/work/*.log': ['/srv/work/leak.log', '/srv/work/x.log'],
};
const LINKS = new Map([
  ['/srv/work/leak.log', '/etc/shadow'],
  ['/srv/work/link', '/srv/guarded'],
  ['/srv/work/leak', '/etc/shadow'],
]);
const read = (command: string): string => readingText(readCommand(command, LINKS, MATCHES));

describe('a pattern whose names are known', () => {
  test.each([
    ['cat /var/log/*.log', 'listFiles /var/log, readFile /var/log/a.log, readFile /var/log/b.log, run cat'],
    ['wc -l *.csv', 'listFiles ~, readFile ~/x.csv, readFile ~/y.csv, run wc'],
    ['ls *', 'listFiles ~, listFiles ~/one, listFiles ~/two, run ls'],
    ['ls -d s*/', 'listFiles ~, listFiles ~/src, run ls'],
    ['grep -n x src/*.py', 'listFiles ~/src, readFile ~/src/m.py, run grep'],
    ['echo /var/log/*.log', 'listFiles /var/log, run echo'],
    ['cd src && grep -n x *.py', 'run cd, listFiles ~/src, readFile ~/src/m.py, run grep'],
    ['cat /srv/*.none', 'listFiles /srv, readFile /srv/*.none, run cat'],
    ['cat /srv/work/*.log', 'listFiles /srv/work, readFile /etc/shadow, readFile /srv/work/x.log, run cat'],
    ['rm /srv/work/*.log', 'listFiles /srv/work, removeFile /srv/work/leak.log, removeFile /srv/work/x.log, run rm'],
    [
      'cp /var/log/*.log /srv/b',
      'listFiles /var/log, readFile /var/log/a.log, readFile /var/log/b.log, writeFile /srv/b/a.log, writeFile /srv/b/b.log, run cp',
    ],
    ['sudo cat /var/log/*.log', 'listFiles /var/log, elevate as root, readFile /var/log/a.log, readFile /var/log/b.log, run cat, run sudo'],
    [
      'cat /var/log/*.log > /var/log/all.log',
      'writeFile /var/log/all.log, listFiles /var/log, readFile /var/log/a.log, readFile /var/log/b.log, run cat',
    ],
    [
      'tar cf /srv/x.tar /var/log/*.log',
      'listFiles /var/log, writeFile /srv/x.tar, readFile /var/log/a.log …, readFile /var/log/b.log …, run tar',
    ],
  ])('%s', (command, expected) => {
    expect(read(command)).toBe(expected);
  });

  test.each([
    ['a name that is an option', 'cd /srv/d && cat *'],
    ['a program that takes a name as an option that runs something', 'sort *'],
    ['a program whose operands are no list', 'uniq *'],
    ['a copy to whatever comes last', 'cp *'],
    ['a shell of another account', "sudo sh -c 'cat /var/log/*.log'"],
    ['a redirection', 'echo x > *.csv'],
    ['the program itself', '*'],
    ['a folder to change to', 'cd * && ls'],
    ['a name that another command makes', 'mv /srv/work/leak /var/log/c.log; cat /var/log/*.log'],
    ['a name that is made at the same time', 'cat /var/log/*.log | tee /var/log/c.log'],
    ['a script', 'sed *'],
    ['an archive', 'tar cf *'],
    ['a pattern whose names nobody knows', 'cat /opt/*.log'],
  ])('is opaque as %s', (_, command) => {
    expect(read(command)).toMatch(/^opaque/u);
  });

  test('stays read by its folder where its names cannot be told', () => {
    expect(read('rm -f /opt/x/*.tmp')).toBe('removeFile /opt/x …, run rm');
  });

  test('is asked for once, and no more than sixteen of them', () => {
    expect(reader.patternsOf('cat *.a *.a ./*.a', HOME).map(({ text }) => text)).toEqual([`${HOME}/*.a`]);
    const many = Array.from({ length: 20 }, (_, index) => `*.${index}`).join(' ');
    expect(reader.patternsOf(`cat ${many}`, HOME)).toHaveLength(16);
  });
});

describe('a line of which one command changes what another one uses', () => {
  test.each([
    ['a link that is moved onto a file, then read', 'mv /srv/work/leak /srv/work/x; cat /srv/work/x'],
    ['the same in the background', 'cat /srv/work/x & mv /srv/work/leak /srv/work/x'],
    ['the same by its folder', 'mv -t /srv/work /srv/other/leak2; cat /srv/work/leak2/x'],
    ['a link that takes the place of a folder', 'rmdir /srv/work/f; mv /srv/work/link /srv/work/f; rm /srv/work/f/keep'],
    ['a folder that comes with its links', 'mv /srv/one /srv/work/two; cat /srv/work/two/x'],
    ['a folder that is copied with its links', 'cp -a --remove-destination /srv/work/. /srv/two; cat /srv/two/leak'],
    ['a link that becomes a file', 'rm /srv/work/leak; echo x > /srv/work/leak'],
    ['inside of another shell', "mv /srv/work/leak /srv/work/x && sh -c 'cat /srv/work/x'"],
    ['with a change of folder', 'rmdir /srv/work/f; mv /srv/work/link /srv/work/f; cd /srv/work/f && rm keep'],
  ])('is opaque: %s', (_, command) => {
    expect(readCommand(command, LINKS, MATCHES)).toMatchObject({ opaque: true, reason: 'one command in it moves what another one uses' });
  });

  test.each([
    'mv /srv/a.tmp /srv/a && cat /srv/a',
    'cp /srv/a /srv/a.bak && sed -i s/x/y/ /srv/a',
    'rm -f /srv/out; echo x > /srv/out',
    'mkdir /srv/new && cp /srv/a /srv/new/',
    'mv /srv/a /srv/b && mv /srv/c /srv/a && cat /srv/a /srv/b',
    'rm -rf /srv/build && mkdir /srv/build && touch /srv/build/x',
  ])('stays read where no link can come of it: %s', (command) => {
    expect(readCommand(command, LINKS, MATCHES).opaque).toBe(false);
  });
});
