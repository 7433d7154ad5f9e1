/**
 * The end of an approval's workflow: a request that nobody answered in time expires, and what became of any request goes into the
 * evidence. Each step can be done again; what people can still answer is left alone.
 */
import type { Approval } from '../../core/approval/approval.ts';
import { step } from '../../core/approval/lifecycle.ts';
import { shortWriterItem, spineCommit } from '../../core/evidence/short-writer.ts';
import { JOURNAL_START } from '../../core/evidence/journal-chain.ts';
import { nextSpineLine, SPINE_START } from '../../core/evidence/spine-lines.ts';
import type { SpineEvent } from '../../core/evidence/spine.ts';
import { principalName } from '../../core/principal.ts';
import type { ClosePorts } from './ports.ts';

export type Closed =
  | { readonly closed: true; readonly outcome: Outcome }
  /** People can still answer, or there is no such request. */
  | { readonly closed: false };

type Outcome = (SpineEvent & { readonly type: 'approval.closed' })['outcome'];

/**
 * Expiry is final and is kept later than it counts: a vote that came in time may still be on its way to the table, and clocks of
 * functions differ. Nobody can answer any more meanwhile.
 */
export const EXPIRY_MARGIN_MS = 5_000;

/** The writer under which an approval's outcome is recorded. */
export function outcomeWriter(id: string): string {
  return `approvals-${id}`;
}

/** Throws what the ports throw: then it is done again. */
export async function closeApproval(ports: ClosePorts, id: string): Promise<Closed> {
  const approval = await settled(ports, id);
  const outcome = approval === undefined ? undefined : outcomeOf(approval);
  if (approval === undefined || outcome === undefined) return { closed: false };
  await record(ports, approval, outcome);
  return { closed: true, outcome };
}

/** The approval as it stands once its expiry is stored, where its time is up. */
async function settled(ports: ClosePorts, id: string): Promise<Approval | undefined> {
  const approval = await ports.approval(id);
  const atMs = ports.clock.now();
  if (approval?.state !== 'pending' || atMs < approval.request.expiresAtMs + EXPIRY_MARGIN_MS) return approval;
  const next = step(approval, { type: 'expire', atMs });
  if (next.kind === 'refused') return approval;
  // Whoever was first meanwhile, a withdrawal for one, holds.
  return (await ports.expire(id, atMs)) ? next.approval : ports.approval(id);
}

function outcomeOf(approval: Approval): Outcome | undefined {
  switch (approval.state) {
    case 'pending':
      return undefined;
    case 'approved':
    case 'claimed':
      return 'approved';
    case 'rejected':
    case 'withdrawn':
      return approval.state;
    case 'expired':
      return 'expired';
  }
}

async function record(ports: ClosePorts, { request, votes }: Approval, outcome: Outcome): Promise<void> {
  const { clock, program, boot } = ports;
  const { principal } = request;
  const writer = outcomeWriter(request.id);
  const event: SpineEvent = {
    type: 'approval.closed',
    approval: request.id,
    digest: request.digest,
    principal: principalName(principal),
    ...(principal.human === undefined ? {} : { human: principal.human }),
    ...(principal.owner === undefined ? {} : { owner: principal.owner }),
    target: request.target,
    bundle: request.bundle,
    policies: request.policies,
    outcome,
    requestedAt: new Date(request.requestedAtMs).toISOString(),
    expiresAt: new Date(request.expiresAtMs).toISOString(),
    // As the votes were verified when they were counted; their tokens are checked again where a statement is sent.
    votes: votes.map(({ person, groups, answer, channel, reason, atMs }) => ({
      person,
      groups,
      answer,
      channel,
      reason,
      at: new Date(atMs).toISOString(),
    })),
  };
  const entries: SpineEvent[] = [{ type: 'writer.opened', writer, boot, program, previous: [] }, event, { type: 'writer.closed', writer }];
  const { line } = nextSpineLine(writer, SPINE_START, entries, { atMs: clock.now(), monoUs: clock.monoUs() });
  await ports.record.register(shortWriterItem(writer, clock.now()));
  await ports.record.append(spineCommit(writer, JOURNAL_START, [line]));
}
