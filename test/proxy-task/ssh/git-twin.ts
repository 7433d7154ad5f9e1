/** A git machine between a client and a host that are written out packet by packet; every action is kept. */
import type { ChannelEvent } from '../../../core/evidence/channel-event.ts';
import type { HostOperation } from '../../../core/statement/host/host-operation.ts';
import type { ChannelActions } from '../../../proxy-task/ssh/channel-protocol.ts';
import { GitProtocol } from '../../../proxy-task/ssh/git-protocol.ts';
import { readPktLine, writePktLine } from '../../../proxy-task/ssh/messages/pkt-line.ts';

export const NONE = '0'.repeat(40);
export const REPOSITORY = '/srv/git/app.git';
export const OFFERED =
  'report-status report-status-v2 delete-refs side-band-64k quiet atomic ofs-delta object-format=sha1 agent=git/2.39.5';
export const CHOSEN = 'report-status-v2 side-band-64k object-format=sha1 agent=git/2.39.5';

export class GitTwin {
  readonly asked: HostOperation[] = [];
  readonly events: ChannelEvent[] = [];
  readonly completed: string[] = [];
  readonly refusals: string[] = [];
  paused = false;
  targetEnded = false;
  readonly machine: GitProtocol;
  #toTarget: Buffer[] = [];
  #toClient: Buffer[] = [];

  constructor(service: 'upload-pack' | 'receive-pack') {
    const actions: ChannelActions = {
      toTarget: (bytes) => this.#toTarget.push(Buffer.from(bytes)),
      toClient: (bytes) => this.#toClient.push(Buffer.from(bytes)),
      endTarget: () => {
        this.targetEnded = true;
      },
      ask: (_, operation) => this.asked.push(operation),
      resolve: (path, resolved) => resolved(path),
      record: (event) => this.events.push(event),
      completed: (statement, outcome) => this.completed.push(`${statement} ${outcome}`),
      pauseClient: () => {
        this.paused = true;
      },
      resumeClient: () => {
        this.paused = false;
      },
      tell: () => undefined,
      refuse: (code, message) => this.refusals.push(`${code} ${message}`),
    };
    this.machine = new GitProtocol({ channel: 2, actions, account: 'deploy', repository: REPOSITORY, service, statement: 7 });
  }

  /** A push after the host has shown its refs, which are forgotten here. */
  static pushing(offered = OFFERED): GitTwin {
    const twin = new GitTwin('receive-pack');
    twin.host(advertisement(offered));
    twin.received();
    return twin;
  }

  client(bytes: Buffer): void {
    this.machine.fromClient(Buffer.from(bytes));
  }

  host(bytes: Buffer): void {
    this.machine.fromTarget(Buffer.from(bytes), 'stdout');
  }

  run(statement = 9): void {
    this.machine.answered(1, { kind: 'run', statement });
  }

  refuse(): void {
    this.machine.answered(1, { kind: 'refused', statement: 9, code: 'ZG010', message: 'blocked by policy: no\nforce' });
  }

  /** What the host got so far. */
  sent(): Buffer {
    return Buffer.concat(this.#toTarget);
  }

  /** What the client got since the last call. */
  received(): Buffer {
    const bytes = Buffer.concat(this.#toClient);
    this.#toClient = [];
    return bytes;
  }

  /** The updates that were asked for. */
  changes(): readonly string[] {
    return this.asked.flatMap((operation) =>
      operation.kind === 'gitPush' ? operation.updates.map(({ ref, change }) => `${change} ${ref}`) : [],
    );
  }
}

export const flush = Buffer.from('0000');

export function lines(...texts: readonly (string | Buffer)[]): Buffer {
  return Buffer.concat([...texts.map((text) => writePktLine(text)), flush]);
}

export function advertisement(offered = OFFERED, id = 'a'.repeat(40)): Buffer {
  return lines(`${id} refs/heads/main\0${offered}\n`, `${id} refs/tags/v1\n`, `${id} .have\n`);
}

/** A request with one command a line: `from to ref`. */
export function request(commands: readonly string[], chosen = CHOSEN): Buffer {
  return lines(...commands.map((command, index) => (index === 0 ? `${command}\0 ${chosen}` : command)));
}

/** The payloads of packets, with `|` for those without. */
export function payloads(bytes: Buffer): readonly string[] {
  const found: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const line = readPktLine(bytes, at);
    if (line === undefined) throw new Error('bytes end inside a packet');
    found.push(line.kind === 'data' ? line.payload.toString('latin1') : '|');
    at = line.end;
  }
  return found;
}
