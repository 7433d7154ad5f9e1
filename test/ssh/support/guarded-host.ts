/** A host with files that nobody of group `ops` may change or read, and rules by which they may run any program on others. */
import { chmodSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import type { SshHost } from '../../support/ssh-host.ts';

/** What stands in the file that must not be read, as a line of a script too. */
export const SECRET = 'sesame-4711';

/**
 * Below `srv`: `pub` may be read, `work` written and emptied, `guarded` and `secret` neither; programs and branches of `app.git` are
 * free. What is not understood is not.
 */
export function opsPolicies(root: string): string {
  return `
@id("connect") permit (principal, action == Action::"connect", resource);
@id("all") permit (principal in Group::"demo/all", action in [Action::"all", Action::"openShell", Action::"forward", Action::"unknown"], resource);
@id("programs") permit (principal in Group::"demo/ops", action == Action::"runProgram", resource in Target::"web1");
@id("pub") permit (principal in Group::"demo/ops", action in Action::"read", resource in File::"web1:${root}/srv/pub");
@id("work") permit (principal in Group::"demo/ops", action in [Action::"read", Action::"write", Action::"remove", Action::"setAttributes"], resource in File::"web1:${root}/srv/work");
@id("fetch") permit (principal in Group::"demo/ops", action in [Action::"gitFetch", Action::"gitCreate", Action::"gitUpdate"], resource in Repository::"web1:${root}/srv/app.git")
unless { resource == Ref::"web1:${root}/srv/app.git#refs/heads/main" };
@id("main") @approvers("dba") @quorum("1") @hold("60s") @expires("1h") @grant("5m") @reason("What goes to main is deployed")
permit (principal in Group::"demo/ops", action in [Action::"gitCreate", Action::"gitUpdate"], resource == Ref::"web1:${root}/srv/app.git#refs/heads/main")
when { context has approval };
@id("ask") @approvers("dba") @quorum("1") @hold("60s") @expires("1h") @grant("5m") @reason("A second person decides")
permit (principal in Group::"demo/analysts", action in [Action::"all", Action::"openShell", Action::"forward", Action::"unknown"], resource)
when { context has approval };
`;
}

/** Makes home and srv as they are at first. */
export function layOut(host: SshHost): void {
  for (const name of ['home', 'srv']) {
    rmSync(host.path(name), { recursive: true, force: true });
    mkdirSync(host.path(name), { recursive: true });
  }
  for (const name of ['pub', 'work', 'guarded']) mkdirSync(host.path('srv', name));
  mkdirSync(host.path('home/.ssh'));
  writeFileSync(host.path('home/.ssh/authorized_keys'), 'ssh-ed25519 AAAA somebody\n');
  writeFileSync(host.path('home/.profile'), '# at login\n');
  writeFileSync(host.path('srv/pub/a'), 'one\ntwo\n');
  writeFileSync(host.path('srv/guarded/keep'), 'kept\n');
  writeFileSync(host.path('srv/secret'), `${SECRET}\n`);
  symlinkSync(host.path('srv/guarded'), host.path('srv/work/folder'));
  symlinkSync(host.path('srv/secret'), host.path('srv/work/leak'));
  // What an agent that may write there could have left.
  writeFileSync(host.path('srv/work/list'), `${host.path('srv/secret')}\n`);
  writeFileSync(host.path('srv/work/script'), `rm ${host.path('srv/guarded/keep')}\n`);
  writeFileSync(host.path('srv/work/ls'), `#!/bin/sh\nrm ${host.path('srv/guarded/keep')}\n`);
  chmodSync(host.path('srv/work/ls'), 0o755);
}
