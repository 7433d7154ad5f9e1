/** The gateway before a real OpenSSH server, and stock programs that log in to it, or to the server itself, by one configuration of theirs. */
import { writeFileSync } from 'node:fs';
import { verb } from '../../cli/ssh-key.ts';
import { verifyEvidence, type Verification } from '../../core/evidence/verify.ts';
import { directorySource } from '../../standalone/evidence/directory-source.ts';
import { startHostGateway, type HostGateway, type HostGatewayConfig } from './host-gateway.ts';
import { SshHost, type SshHostOptions } from './ssh-host.ts';
import { SshHome, type Finished } from './ssh-program.ts';
import { keptIo } from './verb-io.ts';

/** Names in the configuration of ssh: the groups of whoever logs in, each as another agent where that matters. */
const LOGINS = { all: 'agent-7', ops: 'agent-7', analysts: 'agent-8' } as const;
export type Login = keyof typeof LOGINS;

export type SshLab = {
  readonly host: SshHost;
  readonly gateway: HostGateway;
  readonly home: SshHome;
  /** A program with `-F` and the lab's configuration first; hosts are `all`, `ops`, `analysts` (through the gateway) and `direct`. */
  run(program: 'ssh' | 'scp' | 'sftp', args: readonly string[], options?: RunOptions): Promise<Finished>;
  rsync(...args: readonly string[]): Promise<Finished>;
  git(...args: readonly string[]): Promise<Finished>;
  /** The recorded events, once all sessions are over: the programs that ran have left. */
  settled(): Promise<readonly Record<string, unknown>[]>;
  verify(): Promise<Verification>;
  stop(): Promise<void>;
};

type RunOptions = NonNullable<Parameters<SshHome['run']>[2]>;

export type LabConfig = Omit<HostGatewayConfig, 'policies'> & {
  readonly policies?: (root: string) => string;
  readonly sshd?: SshHostOptions;
  /** Lines of ssh_config for all hosts. */
  readonly client?: string;
};

/** Starts all of it; `prepare` makes the files of the host. */
export async function startSshLab({ policies, sshd, client = '', ...config }: LabConfig = {}): Promise<SshLab> {
  const host = await SshHost.start(sshd);
  const home = new SshHome();
  const gateway = await startHostGateway(host, {
    ...config,
    accounts: [host.account],
    ...(policies === undefined ? {} : { policies: policies(host.root) }),
  });
  const options = `
UserKnownHostsFile ${home.path('known_hosts')}
GlobalKnownHostsFile /dev/null
StrictHostKeyChecking yes
IdentitiesOnly yes
IdentityAgent none
BatchMode yes
LogLevel ERROR
HostName 127.0.0.1
${client}
`;
  let text = `Host direct\nPort ${host.port}\nUser ${host.account}\nIdentityFile ${host.path('keys/client')}\n`;
  for (const [group, principal] of Object.entries(LOGINS)) {
    const key = await home.key(group, '-t', 'ed25519');
    const token = await gateway.issuer.mintToken({ principal, groups: [group], ttlSeconds: 900 });
    const io = keptIo({ env: { SALLYPORT_DATA: gateway.dataDir, SALLYPORT_TOKEN: token } });
    await verb.run([key, '--json', '--target', 'web1'], io);
    text += `Host ${group}\nPort ${gateway.machine.ssh?.port ?? 0}\nUser web1\nIdentityFile ${key}\n`;
  }
  writeFileSync(home.path('ssh_config'), `${text}Host *\n${options}`);
  writeFileSync(
    home.path('known_hosts'),
    `[127.0.0.1]:${host.port} ${host.hostKey}\n[127.0.0.1]:${gateway.machine.ssh?.port ?? 0} ${gateway.machine.ssh?.hostKey ?? ''}\n`,
  );
  const withConfig = ['-F', home.path('ssh_config')];
  return {
    host,
    gateway,
    home,
    run: (program, args, more) => home.run(program, [...withConfig, ...args], more),
    rsync: (...args) => home.run('rsync', ['-e', `ssh ${withConfig.join(' ')}`, ...args]),
    git: (...args) =>
      home.run('git', ['-c', 'init.defaultBranch=main', '-c', 'user.name=t', '-c', 'user.email=t@example.org', ...args], {
        env: { GIT_SSH_COMMAND: `ssh ${withConfig.join(' ')}`, GIT_CONFIG_NOSYSTEM: '1', GIT_TERMINAL_PROMPT: '0' },
      }),
    settled: async () => {
      for (;;) {
        const found = await gateway.events();
        const count = (type: string): number => found.filter((event) => event['type'] === type).length;
        if (count('session.opened') === count('session.closed')) return found;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    verify: () => verifyEvidence(directorySource(gateway.machine.evidenceDir)),
    stop: async () => {
      await gateway.stop();
      await host.stop();
      home.remove();
    },
  };
}
