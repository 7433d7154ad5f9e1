/** What a transfer protocol does with its channel: its operations judged one by one, its bytes passed on as the relay allows. */
import type { ChannelEvent } from '../../core/evidence/channel-event.ts';
import type { HostOperation } from '../../core/statement/host/host-operation.ts';
import type { ChannelActions, ChannelProtocol } from './channel-protocol.ts';
import type { ChannelJudging } from './channel-judging.ts';
import type { ChannelRelay } from './channel-relay.ts';
import type { LiveHostSession } from './live-session.ts';
import { hostRefusal, isHostRefusalCode, reconnect, type HostRefusal } from './refusal.ts';
import { childPath, parentPath } from './sftp-place.ts';

export type ActionParts = { readonly session: LiveHostSession; readonly relay: ChannelRelay; readonly judging: ChannelJudging };

export class RelayedActions implements ChannelActions {
  readonly #parts: ActionParts;
  readonly #protocol: () => ChannelProtocol;

  /** `protocol`: who gets the answers. */
  constructor(parts: ActionParts, protocol: () => ChannelProtocol) {
    this.#parts = parts;
    this.#protocol = protocol;
  }

  toTarget(bytes: Buffer): void {
    this.#parts.relay.toTarget(bytes);
  }

  toClient(bytes: Buffer, { scan }: { readonly scan: boolean }): void {
    this.#parts.relay.toClient(bytes, scan);
  }

  endTarget(): void {
    this.#parts.relay.endTarget();
  }

  ask(ask: number, operation: HostOperation): void {
    const { judging, relay, session } = this.#parts;
    let isHeld = false;
    void judging
      .ask(async () => {
        // Asked again: people have been asked, and what the path leads to may have changed since.
        const now = isHeld ? await placedAnew(operation, session.paths) : operation;
        isHeld = true;
        return now;
      })
      .then((judgement) => {
        if (relay.isEnded) return;
        this.#guard(() => {
          if (judgement.kind === 'run') {
            this.#protocol().answered(ask, { kind: 'run', statement: judgement.statement });
            return;
          }
          const { refusal, statement } = judgement;
          // Clients of files show words of their own for a refusal; the gateway's are on standard error.
          relay.tell(refusal);
          this.#protocol().answered(ask, { kind: 'refused', statement, code: refusal.code, message: refusal.message });
        });
      });
  }

  resolve(path: string, resolved: (real: string | undefined) => void): void {
    const { session, relay } = this.#parts;
    void session.paths.resolve(path).then((real) => {
      if (!relay.isEnded) this.#guard(() => resolved(real));
    });
  }

  record(event: ChannelEvent): void {
    this.#parts.relay.record(event);
  }

  completed(statement: number, outcome: 'ok' | 'error' | 'unknown'): void {
    this.#parts.judging.completed(statement, outcome);
  }

  tell(code: string, message: string, statement: number | undefined): void {
    const { relay, judging } = this.#parts;
    if (relay.isEnded) return;
    const refusal = refusalOf(code, message);
    judging.record.refused(refusal, statement);
    relay.tell(refusal);
  }

  pauseClient(): void {
    this.#parts.relay.pauseClient(true);
  }

  resumeClient(): void {
    this.#parts.relay.pauseClient(false);
  }

  refuse(code: string, message: string): void {
    this.#parts.relay.refuse(refusalOf(code, message));
  }

  /** What a machine throws ends its channel, never more. */
  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#parts.session.failed(error);
      this.#parts.relay.refuse(reconnect('the gateway could not follow the channel', 'unknown'));
    }
  }
}

function refusalOf(code: string, message: string): HostRefusal {
  return hostRefusal(isHostRefusalCode(code) ? code : '08P01', message, {}, undefined, 'unknown');
}

/**
 * The same operation on what its paths are by now: what is sent names the paths of before, which the host follows to wherever they
 * lead then. A path whose last part is a link now stands for itself and for what it leads to.
 */
async function placedAnew(operation: HostOperation, host: Pick<LiveHostSession['paths'], 'resolve'>): Promise<HostOperation> {
  if (operation.kind !== 'file') return operation;
  const isOfName = operation.action === 'rename' || operation.action === 'remove' || operation.action === 'removeFolder';
  const places = await Promise.all(
    operation.paths.map(async (path) => {
      const folder = path === '/' ? '/' : await host.resolve(parentPath(path));
      // What cannot be placed is blocked by policy.
      const entry = path === '/' ? path : folder === undefined ? '' : childPath(folder, path.slice(path.lastIndexOf('/') + 1));
      return isOfName ? [entry] : [entry, (await host.resolve(path)) ?? ''];
    }),
  );
  const paths = places.flat();
  return { ...operation, paths: isOfName ? paths : [...new Set(paths)] };
}
