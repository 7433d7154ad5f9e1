/** Several policies may demand approval of one statement at once: the demands add up, and the strictest part of each wins. */
import type { ApprovalDemand } from '../decision.ts';

/**
 * Every group's quorum is kept (the higher one where a group is named twice), the shortest times and the smallest row cap
 * win, and a channel counts only where every demand accepts it. Undefined for no demand: nothing was asked of anyone.
 */
export function combineDemands(demands: readonly ApprovalDemand[]): ApprovalDemand | undefined {
  const [first, ...rest] = demands;
  if (first === undefined) return undefined;
  return rest.reduce(combine, combine(first, first));
}

function combine(one: ApprovalDemand, other: ApprovalDemand): ApprovalDemand {
  const quorums = new Map<string, number>();
  for (const { group, quorum } of [...one.quorums, ...other.quorums]) quorums.set(group, Math.max(quorum, quorums.get(group) ?? 0));
  const maxRows = Math.min(one.maxRows ?? Infinity, other.maxRows ?? Infinity);
  return {
    quorums: [...quorums].map(([group, quorum]) => ({ group, quorum })).sort((a, b) => (a.group < b.group ? -1 : 1)),
    holdMs: Math.min(one.holdMs, other.holdMs),
    expiresMs: Math.min(one.expiresMs, other.expiresMs),
    grantMs: Math.min(one.grantMs, other.grantMs),
    ...(maxRows === Infinity ? {} : { maxRows }),
    channels: one.channels.filter((channel) => other.channels.includes(channel)),
  };
}
