/** What policy says of one statement. Absence of a rule is a block with a reason. */
export type Decision = Permit | Approve | Block;

export type Permit = { readonly kind: 'permit'; readonly policies: readonly string[]; readonly reason: string };

export type Approve = {
  readonly kind: 'approve';
  readonly policies: readonly string[];
  /** One sentence for the agent and the approver. */
  readonly reason: string;
  readonly demand: ApprovalDemand;
};

export type Block = { readonly kind: 'block'; readonly policies: readonly string[]; readonly reason: string };

/**
 * What an approval needs before the statement may run. Several policies may demand at once: every group's quorum is
 * kept, and the shortest times win (design §6).
 */
export type ApprovalDemand = {
  /** Each group must reach its quorum of distinct persons. */
  readonly quorums: readonly { readonly group: string; readonly quorum: number }[];
  /** How long the statement is held on the wire. */
  readonly holdMs: number;
  /** How long people may take to answer, from the request. */
  readonly expiresMs: number;
  /** How long an approval can be used, from the decision. */
  readonly grantMs: number;
  /** More affected rows than this are rolled back; absent: no cap. */
  readonly maxRows?: number;
  /** Channels that count besides the signed page: `slack`. */
  readonly channels: readonly string[];
};
