import type { Principal } from '../../core/principal.ts';
import type { PostgresTarget } from '../../core/target.ts';

/** A target on RDS whose role is in another account. */
export function awsTarget(over: Partial<PostgresTarget> = {}): PostgresTarget {
  return {
    kind: 'postgres',
    name: 'bank',
    host: 'bank.abc123.eu-central-1.rds.amazonaws.com',
    port: 5432,
    database: 'bank',
    user: 'sallyport_agent',
    tls: { mode: 'verify-full' },
    credential: { kind: 'rdsIam' },
    assume: { role: 'arn:aws:iam::222222222222:role/sallyport-target-bank', externalId: 'x-17' },
    limits: { maxRows: 1, maxBytes: 1, budgets: [], maxSessionMs: 1, idleMs: 1, maxStatementBytes: 1 },
    readsUnrecorded: false,
    recordRows: 'rows',
    detectors: [],
    ...over,
  };
}

export function principal(over: Partial<Principal> = {}): Principal {
  return { issuer: 'corp', agent: 'agent-7', groups: ['corp/analysts'], expiresAtMs: 4_000_000_000_000, ...over };
}
