/**
 * Patterns of names and lines of several commands on a real host: what can be told of them runs, what a link, an option or another
 * command would make of them does not. Each way round is shown to work on the host itself first.
 */
import { chmodSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import ssh2, { type Client } from 'ssh2';
import { collect, exec, run, type Ran } from '../support/host-gateway.ts';
import { startSshLab, type SshLab } from '../support/ssh-lab.ts';
import { layOut, opsPolicies, SECRET } from './support/guarded-host.ts';

let lab: SshLab;
let direct: Client;
let agent: Client;
beforeAll(async () => {
  lab = await startSshLab({ policies: opsPolicies });
  direct = new ssh2.Client();
  await new Promise<void>((resolve, reject) => {
    direct.once('ready', resolve).once('error', reject);
    direct.connect({ host: '127.0.0.1', port: lab.host.port, username: lab.host.account, privateKey: lab.host.clientKey });
  });
  agent = await lab.gateway.connect({ groups: ['ops'] });
});
afterAll(async () => {
  direct.end();
  await lab.stop();
});

const srv = (name: string): string => lab.host.path('srv', name);
const placed = (text: string): string => text.replaceAll('$S', lab.host.path('srv'));

beforeEach(() => {
  layOut(lab.host);
  for (const name of ['one.log', 'two.log']) writeFileSync(srv(`pub/${name}`), `${name}\n`);
  writeFileSync(srv('pub/.hidden.log'), 'hidden\n');
  mkdirSync(srv('pub/sub'));
  writeFileSync(srv('pub/sub/three.log'), 'three.log\n');
  mkdirSync(srv('work/made'));
  // Names that are options: of `wc` a list of files to count, of `grep` the links below.
  mkdirSync(srv('work/dashed'));
  writeFileSync(srv('work/dashed/-r'), '');
  writeFileSync(srv('work/dashed/x'), 'x\n');
  symlinkSync(srv('secret'), srv('work/z.log'));
});

/** More that an agent who may write to `work` could have left there. */
function leave(): void {
  mkdirSync(srv('work/leaks'));
  symlinkSync(srv('secret'), srv('work/leaks/a'));
  writeFileSync(srv('work/show'), `#!/bin/sh\n/bin/cat ${srv('secret')}\n`);
  chmodSync(srv('work/show'), 0o755);
  writeFileSync(srv('secret.gz'), gzipSync(`${SECRET}\n`));
  symlinkSync(srv('secret.gz'), srv('work/packed.gz'));
}

function isShown({ stdout, stderr }: Ran): boolean {
  return `${stdout.toString('latin1')}${stderr}`.includes(SECRET);
}

describe('patterns that agents write', () => {
  test.each([
    ['cat $S/pub/*.log', 'one.log\ntwo.log\n'],
    ['cd $S/pub && cat *.log', 'one.log\ntwo.log\n'],
    ['cd $S/pub && ls *.log', 'one.log\ntwo.log\n'],
    ['wc -l $S/pub/t*.log | cut -d/ -f1', '1 \n'],
    ['grep -h o $S/pub/*.log', 'one.log\ntwo.log\n'],
    ['cat $S/pub/*/*.log', 'three.log\n'],
    ['cat $S/pub/[to]*.log', 'one.log\ntwo.log\n'],
    ['cd $S/pub && ls -d */', 'sub/\n'],
    ['cat $S/work/z*; cat $S/pub/o*', undefined],
    ['cp $S/pub/*.log $S/work/made/ && ls $S/work/made', 'one.log\ntwo.log\n'],
    ['rm $S/work/dash*/x && ls $S/work/dashed', '-r\n'],
    ['diff $S/pub/one.log $S/pub/two.log', '1c1\n< one.log\n---\n> two.log\n'],
  ])('%s', async (command, expected) => {
    const own = await run(direct, placed(command));
    layOutAgain();
    const ran = await run(agent, placed(command));
    if (expected === undefined) {
      expect([isShown(own), isShown(ran), ran.status]).toEqual([true, false, 77]);
      return;
    }
    expect([ran.stdout.toString(), ran.status]).toEqual([expected, own.status]);
    expect(own.stdout.toString()).toBe(expected);
  });

  test('what matches is what was judged: one guarded name among many stops the command', async () => {
    writeFileSync(srv('work/list'), '');
    const ran = await run(agent, placed('cat $S/work/*'));
    expect([ran.status, isShown(ran)]).toEqual([77, false]);
  });
});

function layOutAgain(): void {
  rmSync(srv('work/made'), { recursive: true, force: true });
  mkdirSync(srv('work/made'));
  writeFileSync(srv('work/dashed/x'), 'x\n');
}

describe('ways round by what changes in between', () => {
  test.each([
    ['a link that is moved onto a file', 'mv $S/work/leak $S/work/list; cat $S/work/list'],
    [
      'a link that takes the place of a folder',
      'mkdir -p $S/work/f; rmdir $S/work/f; mv -T $S/work/folder $S/work/f; cat $S/work/f/../secret',
    ],
    ['a folder whose links are copied along', 'cp -a --remove-destination $S/work/. $S/work/made; cat $S/work/made/leak'],
    ['an archive with links', 'cd $S/work && tar cf made/t.tar leak && rm leak && tar xf made/t.tar && cat leak'],
    ['a name that the line makes for its own pattern', 'mv $S/work/leak $S/pub/zz.log; cat $S/pub/*.log'],
    ['a format that makes a variable of its length', 'cd $S/work && mkdir -p 0 && cp -T show 0/ls && printf %n PATH; ls'],
    ['a word behind one dash', 'xxd -ps -c 100 $S/secret | xxd -r -p'],
    ['folders of which a program compares what they hold', 'diff -N $S/work $S/pub'],
    ['a folder and a file', 'diff $S/pub/a $S/work/leaks'],
    ['no home folder', `mkdir -p ~/$S && cp $S/pub/a ~/$S/secret && env -i sh -c 'cat $HOME/$S/secret'`],
    ['a packed file of another name', 'zcat $S/work/packed'],
    ['a list of files that a program reads by the name of one', 'cd $S/work && printf "%s\\n" $S/secret > x && strings @x'],
  ])('%s: shows what is kept on the host itself, and nothing through the gateway', async (_, command) => {
    leave();
    const own = await run(direct, placed(command));
    expect(isShown(own)).toBe(true);
    layOut(lab.host);
    mkdirSync(srv('work/made'));
    leave();
    const ran = await run(agent, placed(command));
    expect([isShown(ran), ran.status]).toEqual([false, 77]);
  });

  test('an archive does not write through a link that it finds', async () => {
    const command = placed(
      'cd $S/work && mkdir -p made/folder && cp list made/folder/keep && tar -cf t.tar -C made folder/keep && tar -xf t.tar',
    );
    const kept = (): string => readFileSync(srv('guarded/keep'), 'utf8');
    await run(direct, command);
    expect(kept()).not.toBe('kept\n');
    layOut(lab.host);
    expect((await run(agent, command)).status).toBe(77);
    expect(kept()).toBe('kept\n');
  });

  test('a file that is followed by its name is not followed into a link', async () => {
    // A name that is followed is opened again whenever it leads elsewhere, for as long as the agent likes.
    for (const options of ['-F', '--follow=name', '-f --retry', '--follow=nam']) {
      const ran = await run(agent, placed(`timeout 2 tail ${options} $S/work/list`));
      expect([options, ran.status]).toEqual([options, 77]);
    }
    const ran = await run(agent, placed('timeout 1 tail -f $S/pub/a'));
    expect(ran.stdout.toString()).toBe('one\ntwo\n');
  });
});

test('what a pattern stands for is bound by the approval: a name that comes meanwhile is asked for anew', async () => {
  const analyst = await lab.gateway.connect({ principal: 'agent-8', groups: ['analysts'] });
  const channel = await exec(analyst, placed('cat $S/pub/*.log'));
  const ran = collect(channel);
  channel.end();
  const first = await lab.gateway.pending();
  writeFileSync(srv('pub/late.log'), 'late\n');
  await lab.gateway.answer(first.id, 'approve');
  await lab.gateway.answer(await waitForOther(first.id), 'approve');
  const { stdout, stderr } = await ran;
  expect(stdout.toString()).toBe('late\none.log\ntwo.log\n');
  expect(stderr.match(/waits for approval/gu)).toHaveLength(2);
});

async function waitForOther(id: string): Promise<string> {
  for (;;) {
    const other = await lab.gateway.pending();
    if (other.id !== id) return other.id;
  }
}
