/** What the demo's host has: an application with a log and a secret, a folder for uploads, a service manager of its own, a repository. */
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, lstatSync, mkdirSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeHostKey } from '../../proxy-task/ssh/host-key.ts';
import { SallyportError } from '../../core/errors.ts';

/** Policies name paths, so it is the same everywhere. Only the account that runs the demo may enter it. */
export const HOST_ROOT = '/var/tmp/web1';
export const HOST_REPOSITORY = `${HOST_ROOT}/git/app.git`;

/** The folder of the demo's host cannot be made, or is somebody else's. */
export class DemoHostUnusable extends SallyportError {
  readonly code = 'demo-host-unusable';
}

const LOG = `2026-11-20T09:00:01Z INFO  bank-web started, version 4.2.0
2026-11-20T09:00:07Z INFO  login of ann.smith@example.com from 10.0.3.17
2026-11-20T09:01:12Z WARN  caller verified by SSN 123-45-6789, card 4111 1111 1111 1111
2026-11-20T09:02:30Z INFO  statement for account 1 rendered in 42 ms
2026-11-20T09:03:44Z ERROR payment gateway answered 503, will retry
2026-11-20T09:03:49Z INFO  payment gateway answers again
`;

const CONFIG = `name: bank-web
listen: 0.0.0.0:8443
workers: 4
database: bank
`;

/** Stands for the service manager: a demo must not restart anything of the machine that it runs on. */
const SYSTEMCTL = `#!/bin/sh
# The demo's stand-in for systemctl: it writes to the application's log, and touches nothing of this machine.
case "$1" in
  status) echo "\${2:-bank-web}.service - active (running)"; grep -E 'started|restarted' ${HOST_ROOT}/app/app.log | tail -n 1 ;;
  restart) echo "$(date -u +%Y-%m-%dT%H:%M:%SZ) INFO  \${2:-bank-web} restarted" >>${HOST_ROOT}/app/app.log; echo "\${2:-bank-web} restarted" ;;
  *) echo "this stand-in knows status and restart" >&2; exit 1 ;;
esac
`;

/**
 * Makes what is missing. `isPlain`: the folder's path has no links in it, as on Linux; a host that says where paths lead would name it
 * otherwise than policies do. Throws DemoHostUnusable.
 */
export function ensureHostFiles(): { readonly isPlain: boolean } {
  try {
    mkdirSync(HOST_ROOT, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new DemoHostUnusable(`${HOST_ROOT} cannot be made`, { cause });
  }
  const found = lstatSync(HOST_ROOT);
  // Anybody may make folders there: one that is not ours could be changed under our hands.
  if (!found.isDirectory() || found.uid !== process.getuid?.() || (found.mode & 0o022) !== 0) {
    throw new DemoHostUnusable(`${HOST_ROOT} is not a folder of this account: remove it, or run the demo as its owner`);
  }
  if (realpathSync(HOST_ROOT) !== HOST_ROOT)
    throw new DemoHostUnusable(`${HOST_ROOT} is behind a link here, so policies would not name it`);
  for (const folder of ['app/secrets', 'uploads', 'bin', 'git']) mkdirSync(join(HOST_ROOT, folder), { recursive: true });
  const files = { 'app/app.log': () => LOG, 'app/config.yaml': () => CONFIG, 'app/secrets/key.pem': () => makeHostKey().privateKey };
  for (const [name, content] of Object.entries(files))
    if (!existsSync(join(HOST_ROOT, name))) writeFileSync(join(HOST_ROOT, name), content());
  writeFileSync(join(HOST_ROOT, 'bin/systemctl'), SYSTEMCTL);
  chmodSync(join(HOST_ROOT, 'bin/systemctl'), 0o755);
  if (!existsSync(HOST_REPOSITORY)) makeRepository();
  return { isPlain: realpathSync(HOST_ROOT) === HOST_ROOT };
}

/** A bare repository with one commit on main; without git on this machine there is none. */
function makeRepository(): void {
  const who = { NAME: 'Olga', EMAIL: 'olga@bank.example', DATE: '2026-11-20T09:00:00Z' };
  const env: Record<string, string | undefined> = { PATH: process.env['PATH'], GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null' };
  for (const [key, value] of Object.entries(who)) for (const role of ['AUTHOR', 'COMMITTER']) env[`GIT_${role}_${key}`] = value;
  const git = (args: readonly string[], input = ''): string =>
    execFileSync('git', ['--git-dir', HOST_REPOSITORY, ...args], {
      input,
      encoding: 'utf8',
      env,
      stdio: ['pipe', 'pipe', 'ignore'],
    }).trim();
  try {
    git(['init', '--quiet', '--bare', '--initial-branch=main']);
    const blob = git(['hash-object', '-w', '--stdin'], '# bank-web\n');
    const tree = git(['mktree'], `100644 blob ${blob}\tREADME.md\n`);
    git(['update-ref', 'refs/heads/main', git(['commit-tree', '-m', 'Begin', tree])]);
  } catch {
    // The tour's part on git then fails with the client's own words; everything else is there.
  }
}
