/** The SQLSTATEs that the gateway makes itself (design §3). No driver retries class `ZG` blindly. */
export const GATEWAY_SQLSTATES = {
  '08P01': { severity: 'FATAL', meaning: 'the bytes are no message of the protocol' },
  '0A000': { severity: 'FATAL', meaning: 'a kind of connection that the gateway does not have' },
  '08001': { severity: 'FATAL', meaning: 'the target cannot be reached' },
  '22023': { severity: 'FATAL', meaning: 'a startup option that is not understood' },
  '26000': { severity: 'ERROR', meaning: 'no such prepared statement' },
  '28000': { severity: 'FATAL', meaning: 'not let in' },
  '34000': { severity: 'ERROR', meaning: 'no such portal' },
  '53300': { severity: 'FATAL', meaning: 'too many connections' },
  '57014': { severity: 'ERROR', meaning: 'canceled while held' },
  '57P01': { severity: 'FATAL', meaning: 'draining or expired: reconnect' },
  '57P03': { severity: 'FATAL', meaning: 'the target is starting up or shutting down' },
  ZG001: { severity: 'ERROR', meaning: 'approval required, or not answered within the hold' },
  ZG003: { severity: 'ERROR', meaning: 'approval rejected' },
  ZG004: { severity: 'ERROR', meaning: 'approval expired' },
  ZG005: { severity: 'ERROR', meaning: 'the approval named is for something else' },
  ZG006: { severity: 'ERROR', meaning: 'the approval was used and its answer was lost' },
  ZG010: { severity: 'ERROR', meaning: 'blocked by policy' },
  ZG011: { severity: 'ERROR', meaning: 'row or byte cap hit' },
  ZG012: { severity: 'ERROR', meaning: 'budget used up' },
  ZG013: { severity: 'ERROR', meaning: 'a masked value is used in a way that could reveal it' },
  ZG014: { severity: 'ERROR', meaning: 'could not be parsed or judged' },
  ZG020: { severity: 'FATAL', meaning: 'ended by an operator, or the principal was locked' },
  ZG030: { severity: 'FATAL', meaning: 'the recorder cannot write' },
} as const satisfies Record<string, { readonly severity: 'ERROR' | 'FATAL'; readonly meaning: string }>;

export type GatewaySqlstate = keyof typeof GATEWAY_SQLSTATES;

/** What the target answers to a Bind that names no prepared statement: swallowed when the gateway sent it (design §5). */
export const INVALID_STATEMENT_NAME = '26000';
