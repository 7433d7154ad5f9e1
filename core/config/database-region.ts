import type { AssumeRole } from '../target.ts';

/** The region whose RDS signs in with IAM: as configured, else as the host's name says it (`NAME.ID.REGION.rds.amazonaws.com`). */
export function databaseRegion(host: string, assume: Pick<AssumeRole, 'region'>): string | undefined {
  return assume.region ?? /\.([a-z]{2}(?:-[a-z]+)+-\d)\.rds\.amazonaws\.com(?:\.cn)?$/.exec(host)?.[1];
}
