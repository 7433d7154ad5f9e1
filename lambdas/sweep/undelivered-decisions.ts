/**
 * The sweeper's part for approvals: what a workflow should have done and did not. People are told again, a decision reaches the
 * workflow that waits for it, and every request is closed in the end, with or without its workflow.
 */
import type { Approval } from '../../core/approval/approval.ts';
import { dueItem, dueItems, type DueList } from '../../core/approval/due.ts';
import { asOf } from '../../core/approval/lifecycle.ts';
import type { Notice } from '../../core/approval/notice.ts';
import { closeApproval } from '../close-approval/close-approval.ts';
import type { ClosePorts } from '../close-approval/ports.ts';

export type UndeliveredPorts = {
  readonly due: DueList;
  /** Approvals that have a request, by id, as stored. */
  readonly approvals: (ids: readonly string[]) => Promise<ReadonlyMap<string, Approval>>;
  readonly notices: (ids: readonly string[]) => Promise<ReadonlyMap<string, Notice>>;
  readonly start: (id: string) => Promise<'started' | 'exists'>;
  /** Asks the function that tells people to do it, without a workflow. */
  readonly notify: (id: string) => Promise<void>;
  /** Completes the step of a workflow that waits; that it waits no more is fine. */
  readonly complete: (taskToken: string, id: string) => Promise<void>;
  readonly close: ClosePorts;
  readonly now: () => number;
  /** False when the time of this run is used up. */
  readonly goOn: () => boolean;
  readonly failed: (id: string, error: unknown) => void;
};

export type SweptApprovals = { readonly open: number; readonly closed: number; readonly repeated: number };

/** The workflow does its own work within this time: before it, nothing is repeated. */
const PATIENCE_MS = 2 * 60_000;
/** Read at once; a BatchGetItem takes 100 keys, three of each. */
const AT_ONCE = 30;

/** One run. Throws where the list itself cannot be read. */
export async function deliverDecisions(ports: UndeliveredPorts): Promise<SweptApprovals> {
  const swept = { open: 0, closed: 0, repeated: 0 };
  const lists = await ports.due.read(dueItems(ports.now()));
  for (const [item, ids] of lists) {
    for (let at = 0; at < ids.length && ports.goOn(); at += AT_ONCE) {
      const done: string[] = [];
      const some = ids.slice(at, at + AT_ONCE);
      const together = await read(ports, some).catch(() => undefined);
      for (const id of some) {
        try {
          // One item that cannot be read, written by hand, must not keep the others.
          const { approvals, notices } = together ?? (await read(ports, [id]));
          const became = await sweepOne(ports, item, id, approvals.get(id), notices.get(id) ?? {});
          swept[became] += 1;
          if (became === 'closed') done.push(id);
        } catch (error) {
          // It stays on the list: the next run tries again.
          ports.failed(id, error);
        }
      }
      if (done.length > 0) await ports.due.remove(item, done);
    }
  }
  return swept;
}

async function read(
  ports: UndeliveredPorts,
  ids: readonly string[],
): Promise<{ readonly approvals: ReadonlyMap<string, Approval>; readonly notices: ReadonlyMap<string, Notice> }> {
  return { approvals: await ports.approvals(ids), notices: await ports.notices(ids) };
}

async function sweepOne(
  ports: UndeliveredPorts,
  item: string,
  id: string,
  approval: Approval | undefined,
  notice: Notice,
): Promise<keyof SweptApprovals> {
  const nowMs = ports.now();
  // Listed before it was stored: after an hour at most it never will be.
  if (approval === undefined) return item === dueItem(nowMs) || item === dueItem(nowMs - PATIENCE_MS) ? 'open' : 'closed';
  const current = asOf(approval, nowMs);
  if (nowMs - lastChangeMs(current) < PATIENCE_MS) return 'open';
  if (current.state === 'pending') {
    if (notice.toldAtMs !== undefined) return 'open';
    // A workflow that has just begun tells them; one that has failed never will.
    if ((await ports.start(id)) === 'exists') await ports.notify(id);
    return 'repeated';
  }
  if (notice.taskToken !== undefined) await ports.complete(notice.taskToken, id);
  return (await closeApproval(ports.close, id)).closed ? 'closed' : 'open';
}

function lastChangeMs({ request, state, decidedAtMs, withdrawal }: Approval): number {
  if (state === 'pending') return request.requestedAtMs;
  return withdrawal?.atMs ?? decidedAtMs ?? request.expiresAtMs;
}
