/** The gateway's door for SSH on a free port: real sockets, tokens by name, logins in memory, sessions that only say who came. */
import { randomBytes } from 'node:crypto';
import { Client, type ConnectConfig } from 'ssh2';
import type { AgentConfig, SshUserCa } from '../../core/config/config.ts';
import { TokenRefused } from '../../core/identity/token-refused.ts';
import type { Principal } from '../../core/principal.ts';
import { loginId, SALT_BYTES, sealLogin, type StoredLogin } from '../../core/ssh/login.ts';
import { makeHostKey, type HostKey } from '../../proxy-task/ssh/host-key.ts';
import { SSH_LIMITS } from '../../proxy-task/ssh/limits.ts';
import type { Listener } from '../../proxy-task/listener.ts';
import { listenForSsh, type SshCandidate, type SshListenerOptions } from '../../proxy-task/ssh/listener.ts';
import type { SshLogins } from '../../proxy-task/ports.ts';
import { systemClock } from '../../proxy-task/system-clock.ts';

export type Refused = Parameters<NonNullable<SshListenerOptions['onRefused']>>[0];

/** What a test may set otherwise. */
export type DoorOptions = Partial<Pick<SshListenerOptions, 'onClient' | 'readPreamble' | 'clock'>> & {
  readonly limits?: Partial<SshListenerOptions['limits']>;
  readonly authorities?: readonly SshUserCa[];
  readonly agents?: readonly AgentConfig[];
  readonly logins?: SshLogins;
  readonly nowMs?: () => number;
};

export class SshDoor {
  readonly hostKey: HostKey;
  readonly candidates: SshCandidate[] = [];
  readonly refused: Refused[] = [];
  readonly errors: unknown[] = [];
  /** Principals by token. */
  readonly tokens = new Map<string, Principal>();
  readonly stored = new Map<string, StoredLogin>();
  /** Ids that the store was asked for. */
  readonly asked: string[] = [];
  listener!: Listener;

  private constructor(hostKey: HostKey) {
    this.hostKey = hostKey;
  }

  static async open(options: DoorOptions = {}): Promise<SshDoor> {
    const door = new SshDoor(makeHostKey());
    const { nowMs = () => Date.now() } = options;
    const logins: SshLogins = options.logins ?? {
      readKey: async (id) => {
        door.asked.push(id);
        return door.stored.get(id);
      },
      takeCode: async (id) => {
        door.asked.push(id);
        const found = door.stored.get(id);
        door.stored.delete(id);
        return found;
      },
    };
    door.listener = await listenForSsh({
      host: '127.0.0.1',
      port: 0,
      hostKeys: [door.hostKey.privateKey],
      limits: { ...SSH_LIMITS, ...options.limits },
      proofs: {
        tokens: {
          verify: async (token) => {
            const principal = door.tokens.get(token);
            if (principal === undefined) throw new TokenRefused('signature');
            return principal;
          },
        },
        logins,
        authorities: () => options.authorities ?? [],
        agents: () => options.agents ?? [],
        defaultAccount: (target) => (target === 'web1' ? 'deploy' : undefined),
        clock: { now: nowMs },
        onError: (error) => door.errors.push(error),
      },
      clock: options.clock ?? systemClock,
      readPreamble: options.readPreamble,
      onClient: (candidate) => {
        door.candidates.push(candidate);
        (options.onClient ?? answerExec)(candidate);
      },
      onRefused: (refused) => door.refused.push(refused),
      onError: (error) => door.errors.push(error),
    });
    return door;
  }

  /** A principal whose token this is. */
  knows(token: string, agent = 'agent-7'): Principal {
    const principal: Principal = { issuer: 'corp', agent, groups: [], expiresAtMs: Date.now() + 300_000 };
    this.tokens.set(token, principal);
    return principal;
  }

  /** Stores what the API would, for a token that is known. */
  register(kind: 'key' | 'code', shown: string | Buffer, token: string, change: Partial<StoredLogin> = {}): void {
    const principal = this.tokens.get(token);
    const login = { principal: `corp/${principal?.agent ?? ''}`, expiresAtMs: Date.now() + 60_000, ...change, token };
    this.stored.set(loginId(kind, shown), sealLogin(kind, shown, login, randomBytes(SALT_BYTES)));
  }

  /** Connects and authenticates; rejects with what the client was told. */
  async connect(config: ConnectConfig): Promise<Client> {
    const client = new Client();
    await new Promise<void>((resolve, reject) => {
      client.once('ready', resolve);
      client.once('close', () => reject(new Error('closed')));
      client.on('error', reject);
      client.connect({ host: '127.0.0.1', port: this.listener.port, username: 'web1', readyTimeout: 20_000, ...config });
    });
    return client;
  }

  async close(): Promise<void> {
    const stopped = this.listener.stop();
    this.listener.cut();
    await stopped;
  }
}

/** What a command prints at this door: who runs what. */
export function answerExec({ connection, principal }: SshCandidate): void {
  connection.on('session', (accept) => {
    accept().on('exec', (acceptExec, _, { command }) => {
      const channel = acceptExec();
      channel.write(`${principal.agent} ${command}\n`);
      channel.exit(0);
      channel.end();
    });
  });
}

/** Standard output of one command. */
export function output(client: Client, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    client.exec(command, (error, channel) => {
      if (error !== undefined) {
        reject(error);
        return;
      }
      let text = '';
      channel.on('data', (chunk: Buffer) => {
        text += chunk.toString('utf8');
      });
      channel.on('close', () => resolve(text));
    });
  });
}
