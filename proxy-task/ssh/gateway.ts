/** From a client that has proved who it is to a session on a host, whose channels are answered from then on. */
import type { ExecReader } from '../../core/statement/host/host-reading.ts';
import type { SshTarget } from '../../core/target.ts';
import { Gateway, type Admitted, type GatewayOptions, type Login, type SessionPorts } from '../pipeline/gateway.ts';
import type { HostCredentialIssuer, TargetDirectory } from '../ports.ts';
import { ChannelDoor } from './channel-door.ts';
import { socketOf } from './channel-internals.ts';
import type { SshCandidate } from './listener.ts';
import { refuseSmallPackets } from './peer-packets.ts';
import { notLetIn, SESSION_WORDS, targetUnavailable, type HostRefusal } from './refusal.ts';
import { SshSession } from './session.ts';
import { HostUnavailable, upstreamRefusal } from './upstream-error.ts';
import { openUpstream } from './upstream.ts';

export type SshGatewayOptions = GatewayOptions & {
  readonly ports: SessionPorts & {
    readonly targets: Pick<TargetDirectory, 'findHost'>;
    readonly credentials: HostCredentialIssuer;
  };
  /** Keys the digests of operations and approvals. */
  readonly digestKey: Uint8Array;
  readonly commands: ExecReader;
};

export class SshGateway extends Gateway<SshTarget, HostRefusal, SshSession> {
  readonly #options: SshGatewayOptions;

  constructor(options: SshGatewayOptions) {
    super(options, (name) => options.ports.targets.findHost(name), { ...SESSION_WORDS, unavailable });
    this.#options = options;
  }

  /** A client that has proved who it is; its channels are listened for when this returns. */
  onClient(candidate: SshCandidate): void {
    const { connection, identity, targetName, label, remoteAddress, encryption } = candidate;
    refuseSmallPackets(connection);
    const door = new ChannelDoor(connection, candidate.guard);
    void this.letIn({
      identity,
      targetName,
      label,
      source: remoteAddress,
      tls: encryption,
      onGone: (gone) => {
        if (socketOf(connection)?.destroyed !== false) gone();
        connection.once('close', gone);
        return { stop: () => void connection.off('close', gone) };
      },
      refuse: (refusal) => door.refuse(refusal, this.#options.ports.clock),
      logIn: (admitted, session, gone) => this.#logIn(candidate, door, admitted, session, gone),
    });
  }

  async #logIn(
    candidate: SshCandidate,
    door: ChannelDoor,
    { principal, target }: Admitted<SshTarget>,
    session: string,
    gone: AbortSignal,
  ): Promise<Login<SshTarget, HostRefusal, SshSession>> {
    const { ports, digestKey, commands, connectTimeoutMs } = this.#options;
    const account = candidate.account ?? target.accounts[0];
    if (!target.accounts.includes(account))
      return { kind: 'refused', refusal: notLetIn(), reason: `"${account}" is none of the accounts of ${target.name}` };
    const credential = await ports.credentials.issueForHost({ target, account, principal, session, shown: candidate.identity });
    const { clock } = ports;
    const upstream = await openUpstream({ target, account, credential, timeoutMs: connectTimeoutMs, clock, signal: gone });
    return {
      kind: 'open',
      opened: { database: account, applicationName: candidate.clientVersion, serverVersion: upstream.software },
      credential: { id: credential.id, role: account },
      makeSession: (options) =>
        new SshSession({
          ...options,
          account,
          restrictions: candidate.restrictions,
          digestKey,
          commands,
          client: candidate.connection,
          guard: candidate.guard,
          door,
          upstream,
        }),
      abandon: () => upstream.client.end(),
    };
  }
}

function unavailable(error: unknown, target: string): HostRefusal {
  if (error instanceof HostUnavailable) return upstreamRefusal(target, error);
  return targetUnavailable(target, 'misconfigured');
}
