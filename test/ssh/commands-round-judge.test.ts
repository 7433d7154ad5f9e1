/**
 * Commands that would take a file away, change one or show one that the rules keep: each is shown to do so on the host itself, and to
 * do nothing through the gateway. Whoever sends them may run any program that is understood, on other files.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import ssh2, { type Client } from 'ssh2';
import { run, type Ran } from '../support/host-gateway.ts';
import { startSshLab, type SshLab } from '../support/ssh-lab.ts';
import { layOut, opsPolicies, SECRET } from './support/guarded-host.ts';

let lab: SshLab;
let direct: Client;
let agent: Client;
let before: Readonly<Record<string, string>>;
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
beforeEach(() => {
  layOut(lab.host);
  before = lab.host.state();
});

/** Words that stand for places of the host. */
function placed(text: string): string {
  const { host } = lab;
  return text.replaceAll('$K', host.path('srv/guarded/keep')).replaceAll('$S', host.path('srv'));
}

/** Whether something was changed that may not be, or shown. */
function damage({ stdout, stderr }: Ran): { changed: string[]; shown: boolean } {
  const after = lab.host.state();
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  const changed = names.filter((name) => before[name] !== after[name] && !/^srv\/(?:work|pub)\//.test(name));
  return { changed, shown: `${stdout.toString('latin1')}${stderr}`.includes(SECRET) };
}
const NOTHING = { changed: [], shown: false };

type Way = readonly [name: string, command: string, input?: string];

const DELETE: readonly Way[] = [
  ['its name', 'rm $K'],
  ['its name in quotes', `'rm' "$K"`],
  ['its name in pieces', `r''m $K`],
  ['its name with a backslash', 'r\\m $K'],
  ['its path', '/bin/rm $K'],
  ['its path by a roundabout', '/usr/../bin/./rm $K'],
  ['its name made by a command', '$(echo rm) $K'],
  ['its name made in backticks', '`echo rm` $K'],
  ['its name in variables', 'a=r; b=m; $a$b $K'],
  ['its name in octal', `$'\\162\\155' $K`],
  ['its name and argument in braces', '{rm,$K}'],
  ['a variable instead of a blank', 'rm${IFS}$K'],
  ['positional parameters', 'set -- rm $K; "$@"'],
  ['a command inside an argument', 'echo "$(rm $K)"'],
  ['a command inside backticks', 'echo `rm $K`'],
  ['a second command', 'ls $S/pub; rm $K'],
  ['a command after success', 'ls $S/pub && rm $K'],
  ['a command after failure', 'false || rm $K'],
  ['a command in the background', 'rm $K & wait'],
  ['a second line', 'ls $S/pub\nrm $K'],
  ['a line after a comment', 'ls $S/pub #\nrm $K'],
  ['a line that goes on', 'r\\\nm $K'],
  ['a subshell', '(rm $K)'],
  ['a group', '{ rm $K; }'],
  ['a condition', 'if true; then rm $K; fi'],
  ['the test of a condition', 'if rm $K; then :; fi'],
  ['a loop over names', 'for f in $K; do rm $f; done'],
  ['a loop that reads', 'while rm $K; do break; done'],
  ['a case', 'case x in x) rm $K;; esac'],
  ['a function', 'f() { rm $K; }; f'],
  ['a function of a harmless name', 'ls() { command rm $K; }; ls $S/pub'],
  ['an alias', "shopt -s expand_aliases\nalias ls='rm $K;:'\nls $S/pub"],
  ['a trap', "trap 'rm $K' EXIT; echo done"],
  ['an arithmetic expansion', 'echo $((a[$(rm $K)0]))'],
  ['an arithmetic command', '((a[$(rm $K)0]=1))'],
  ['let', "let 'a[$(rm $K)0]=1'"],
  ['the test of a variable', "test -v 'a[$(rm $K)0]'"],
  ['the bracket test of a variable', "[ -v 'a[$(rm $K)0]' ]"],
  ['a comparison in brackets', "[[ 'a[$(rm $K)0]' -eq 0 ]]"],
  ['printf into a variable', "printf -v 'a[$(rm $K)0]' x"],
  ['read into a variable', "read 'a[$(rm $K)0]' < $S/pub/a"],
  ['unset', "a=(1); unset 'a[$(rm $K)0]'"],
  ['a substring', 'x=abc; echo ${x:$(rm $K)0}'],
  ['a default', 'echo ${x:-$(rm $K)}'],
  ['a prompt of a variable', "x='$(rm $K)'; echo ${x@P}"],
  ['a process whose output is read', 'cat <(rm $K)'],
  ['a process whose input is written', 'echo x > >(rm $K)'],
  ['a here-document', 'cat <<E\n$(rm $K)\nE'],
  ['a here-string', 'cat <<< "$(rm $K)"'],
  ['a coprocess', 'coproc rm $K; wait'],
  ['time', 'time rm $K'],
  ['a negation', '! rm $K'],
  ['a variable before it', 'A=1 rm $K'],
  ['an assignment', 'a=$(rm $K)'],
  ['command', 'command rm $K'],
  ['exec', 'exec rm $K'],
  ['eval', "eval 'r''m $K'"],
  ['env', 'env rm $K'],
  ['env with a split text', "env -S 'rm $K'"],
  ['env with a variable', 'env -u B A=1 rm $K'],
  ['nohup', 'nohup rm $K'],
  ['timeout', 'timeout -k 1 5 rm $K'],
  ['nice', 'nice -n 5 rm $K'],
  ['setsid', 'setsid -w rm $K'],
  ['stdbuf', 'stdbuf -o0 rm $K'],
  ['wrappers in wrappers', 'nohup nice env timeout 5 rm $K'],
  ['xargs', 'echo $K | xargs rm'],
  ['xargs with its own command line', "xargs -I{} sh -c 'rm {}' <<< $K"],
  ['xargs of words on standard input', 'xargs -a $S/pub/a -n1 rm $K'],
  ['a shell', "sh -c 'rm $K'"],
  ['a shell with options', "bash -e -o pipefail -c 'rm $K'"],
  ['a shell in a shell', `sh -c "sh -c 'rm $K'"`],
  ['a shell with parameters', `sh -c '"$@"' x rm $K`],
  ['a shell that reads', 'sh', 'rm $K\n'],
  ['a shell that reads, by its option', 'bash -s', 'rm $K\n'],
  ['a shell that reads a document', 'sh <<E\nrm $K\nE'],
  ['a shell that reads from a pipe', 'echo "rm $K" | sh'],
  ['a shell that reads what was encoded', "printf 'cm0gJDE=' | base64 -d | sh -s x; echo 'rm $K' | rev | rev | sh"],
  ['a script that was uploaded', 'sh $S/work/script'],
  ['a script that is read in', '. $S/work/script'],
  ['a script by its path', '$S/work/ls'],
  ['a harmless name from another folder', 'PATH=$S/work:$PATH ls'],
  ['a harmless name from another folder, by env', 'env PATH=$S/work:$PATH ls'],
  ['a harmless name in the folder', 'cd $S/work && ./ls'],
  ['python', `python3 -c 'import os; os.remove("$K")'`],
  ['python that reads', 'python3 -', 'import os; os.remove("$K")\n'],
  ['perl', `perl -e 'unlink("$K")'`],
  ['awk', `awk 'BEGIN { system("rm $K") }'`],
  ['awk into a file', `awk 'BEGIN { print "x" > "$K" }'`],
  ['awk into a pipe', `awk 'BEGIN { print "rm $K" | "sh" }'`],
  ['sed that executes', "sed '1e rm $K' $S/pub/a"],
  ['sed that executes what it made', "sed 's|one|rm $K|e' $S/pub/a"],
  ['find that deletes', 'find $S/guarded -name keep -delete'],
  ['find that executes', 'find $S/guarded -name keep -exec rm {} +'],
  ['find that executes something else', 'find $S/pub -name a -execdir rm $K ";"'],
  ['tar at a checkpoint', "tar -cf /dev/null --checkpoint=1 --checkpoint-action='exec=rm $K' $S/pub"],
  ['tar for each file', "cd $S/work; tar -cf t.tar list; tar -xf t.tar --to-command='rm $K'"],
  ['tar that takes away', 'tar -cf /dev/null --remove-files $S/guarded/keep'],
  ['git with an alias', "git -c alias.x='!rm $K' x"],
  ['git with what reads its differences', "cd $S/work; GIT_EXTERNAL_DIFF='rm $K;:' git diff --ext-diff --no-index list script"],
  ['split with a filter', "split --filter='rm $K' $S/pub/a"],
  ['sort with a compressor', 'cd $S/work; yes | head -c 3000000 | sort -S 1M --compress-program=$S/work/ls -T $S/work -o $S/work/x'],
  ['a link to a folder', 'rm $S/work/folder/keep'],
  ['two dots', 'rm $S/work/../guarded/keep'],
  ['another folder first', 'cd $S/guarded && rm keep'],
  ['another folder by a link', 'cd $S/work/folder && rm keep'],
  ['several folders', 'cd $S/work; cd ..; rm guarded/keep'],
  ['pushd', 'pushd $S/guarded > /dev/null; rm keep'],
  ['the home folder', 'rm ~/../srv/guarded/keep'],
  ['the home folder, by its variable', 'rm "$HOME/../srv/guarded/keep"'],
  ['a pattern', 'rm $S/guarded/k*'],
  ['a pattern through a link', 'rm $S/work/*/keep'],
  ['a pattern through a link that it names', 'rm $S/work/f*/keep'],
  ['a pattern for a folder', 'rm $S/gu?rded/keep'],
  ['the whole folder', 'rm -rf $S/guarded'],
  ['the folder above', 'rm -rf $S/*'],
  ['the whole of a folder that may be emptied, and more', 'rm -rf $S/work $K'],
  ['unlink', 'unlink $K'],
  ['mv', 'mv $K $S/work/'],
  ['mv over it', 'mv $S/pub/a $K'],
];

const WRITE: readonly Way[] = [
  ['a redirection', 'echo x > $K'],
  ['a redirection that appends', 'echo x >> $K'],
  ['a redirection that forces', 'echo x >| $K'],
  ['a redirection of both', 'echo x &> $K'],
  ['a redirection of another descriptor', 'cat $S/pub/a 3> $K'],
  ['a redirection of nothing', '> $K'],
  ['a redirection of a group', '{ cat; } > $K < $S/pub/a'],
  ['a redirection for reading and writing', 'echo x 1<> $K'],
  ['a redirection for the rest', 'exec > $K; echo x'],
  ['a redirection in a variable', 'f=$K; echo x > "$f"'],
  ['tee', 'echo x | tee $K'],
  ['cp', 'cp $S/pub/a $K'],
  ['cp into the folder', 'cp -t $S/guarded $S/pub/a'],
  ['cp through a link', 'cp $S/pub/a $S/work/folder/keep'],
  ['install', 'install -m 600 $S/pub/a $K'],
  ['dd', 'dd if=$S/pub/a of=$K'],
  ['truncate', 'truncate -s 0 $K'],
  ['ln', 'ln -sf $S/pub/a $K'],
  ['touch', 'touch $S/guarded/new'],
  ['mkdir', 'mkdir $S/guarded/new'],
  ['chmod', 'chmod 777 $K'],
  ['sed in place', 'sed -i s/kept/lost/ $K'],
  ['sed that writes', `sed 'w $K' $S/pub/a`],
  ['sort', 'sort -o $K $S/pub/a'],
  ['uniq with a second name', 'uniq $S/pub/a $K'],
  ['find that prints into it', 'find $S/pub -fprintf $K x'],
  ['split', 'split $S/pub/a $S/guarded/x'],
  ['csplit', 'csplit -f $S/guarded/x $S/pub/a 1'],
  ['shuf', 'shuf -o $K $S/pub/a'],
  ['tar that unpacks', 'cd $S/work; tar -cf t.tar list; tar -C $S/guarded -xf t.tar'],
  ['tar that packs', 'tar -cf $K $S/pub/a'],
  ['git that clones', 'git clone -q --bare $S/none $S/guarded/x; git init -q $S/guarded/y'],
  ['rsync on the host', 'rsync $S/pub/a $K'],
  ['keys for the next login', 'echo key >> ~/.ssh/authorized_keys'],
  ['keys by a copy', 'cp $S/pub/a .ssh/authorized_keys'],
  ['a profile', 'echo touch x >> .profile'],
  ['a profile that was not there', 'cp $S/pub/a "$HOME/.bash_profile"'],
];

const READ: readonly Way[] = [
  ['cat', 'cat $S/secret'],
  ['cat through a link', 'cat $S/work/leak'],
  ['two dots', 'cat $S/pub/../secret'],
  ['a redirection', 'cat < $S/secret'],
  ['a redirection read by the shell', 'echo "$(< $S/secret)"'],
  ['a loop that reads', 'while read l; do echo $l; done < $S/secret'],
  ['mapfile', 'mapfile -t l < $S/secret; echo "${l[@]}"'],
  ['a process', 'cat <(cat $S/secret)'],
  ['a second file', 'cat $S/pub/a $S/secret'],
  ['a pattern', 'cat $S/s*t'],
  ['a pattern that matches a link', 'cat $S/work/l*k'],
  ['a pattern of everything', 'cd $S/work && grep . *'],
  ['all below, links included', 'grep -R sesame $S/work'],
  ['all below, packed with what links lead to', 'tar -chf - $S/work'],
  ['a copy of what links lead to', 'cp -rL $S/work $S/work.new; cat $S/work.new/leak'],
  ['grep over everything', 'grep -r . $S'],
  ['grep with its patterns', 'printf sesame | grep -f - $S/secret'],
  ['a difference', 'diff $S/pub/a $S/secret'],
  ['paste', 'paste $S/pub/a $S/secret'],
  ['join', 'join -a2 $S/pub/a $S/secret'],
  ['a message about dates', 'date -f $S/secret'],
  ['a list of files in a file', 'wc --files0-from=$S/secret'],
  ['a script of sed', 'sed -n "1r $S/secret" $S/pub/a; sed -n "1{r $S/secret\n}" $S/pub/a; sed "1r $S/secret" $S/pub/a'],
  ['tail', 'tail -n 1 -- $S/secret'],
  ['tac', 'tac $S/secret'],
  ['tar to standard output', 'tar -cf - $S/secret'],
  ['dd', 'dd if=$S/secret'],
  ['a copy into a folder that may be read', 'cp $S/secret $S/work/copy; cat $S/work/copy'],
  ['a link into a folder that may be read', 'ln $S/secret $S/work/copy; cat $S/work/copy'],
  ['a shell that stumbles over it', 'bash $S/secret'],
  ['xargs', 'xargs cat < $S/work/list'],
  ['xargs of its own', 'xargs -a $S/secret echo'],
  ['a difference by git', 'git diff --no-index $S/pub/a $S/secret'],
];

describe.each([
  ['takes a file away', DELETE],
  ['writes', WRITE],
  ['shows what is secret', READ],
])('on the host itself %s, and not through the gateway:', (_, ways) => {
  test.each(ways)('%s', async (_name, text = '', input = '') => {
    const command = placed(text);
    const options = { input: placed(input) };
    expect(damage(await run(direct, command, options)), 'it does nothing on the host either').not.toEqual(NOTHING);
    layOut(lab.host);
    before = lab.host.state();
    const ran = await run(agent, command, options);
    expect(damage(ran)).toEqual(NOTHING);
    expect({ status: ran.status, stdout: ran.stdout.toString() }).toEqual({ status: 77, stdout: '' });
    expect(ran.stderr).toMatch(/^sallyport: /);
  });
});

describe('what may be done is done:', () => {
  test.each([
    ['cat $S/pub/a', 'one\ntwo\n'],
    ['cd $S/pub && cat a | head -n 1', 'one\n'],
    ['echo three > $S/work/new; cat $S/work/new', 'three\n'],
    ["sh -c 'cat $S/pub/a | wc -l'", '2\n'],
    ['find $S/pub -name "*" -type f | wc -l; ls $S/pub', '1\na\n'],
    ['cp $S/pub/a $S/work/b && rm $S/work/b && echo gone', 'gone\n'],
    ['timeout 5 env LC_ALL=C sort -r $S/pub/a', 'two\none\n'],
  ])('%s', async (text, printed) => {
    const ran = await run(agent, placed(text));
    expect({ status: ran.status, stdout: ran.stdout.toString(), stderr: ran.stderr }).toEqual({ status: 0, stdout: printed, stderr: '' });
  });
});

test('every one of them is on record as blocked, none as sent, and all of it verifies', async () => {
  agent.end();
  const events = await lab.settled();
  const judged = events.filter((event) => event['type'] === 'statement.judged');
  const blocked = new Set(judged.filter((event) => event['decision'] === 'block').map((event) => event['statement']));
  const sent = events.filter((event) => event['type'] === 'statement.sent').map((event) => event['statement']);
  expect(blocked.size).toBe(DELETE.length + WRITE.length + READ.length);
  expect(sent.filter((statement) => blocked.has(statement))).toEqual([]);
  const { intact, complete, findings } = await lab.verify();
  expect({ intact, complete, findings }).toEqual({ intact: true, complete: true, findings: [] });
});
