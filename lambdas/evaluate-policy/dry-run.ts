/** What would become of statements under a published bundle, in force or not: judged against a dump of the target's catalog. */
import { buildBundle } from '../../core/config/build-bundle.ts';
import { SallyportError } from '../../core/errors.ts';
import { createExplainer, type Explanation } from '../../core/judging/explain-statement.ts';
import { namedPrincipal } from '../../core/judging/run-cases.ts';
import { catalogOf, parseDump } from '../../core/statement/sql/catalog-dump.ts';
import { findDatabase } from '../../core/target.ts';
import type { DryRunPorts } from './ports.ts';

export type DryRun = {
  readonly version: string;
  readonly target: string;
  /** Version of the catalog's dump. */
  readonly catalog: string;
  /** `issuer/agent`. */
  readonly principal: string;
  readonly groups?: readonly string[];
  readonly human?: string;
  readonly statements: readonly { readonly id: string; readonly sql: string; readonly inTransaction: boolean }[];
};

/** The question cannot be answered; the message says what is missing. */
export class DryRunRefused extends SallyportError {
  readonly code = 'dry-run-refused';
}

/** Throws DryRunRefused, and what the ports and the catalog throw. */
export async function dryRun(ports: DryRunPorts, asked: DryRun): Promise<readonly (Explanation & { readonly id: string })[]> {
  const { config } = await ports.open(asked.version);
  if (findDatabase(config.targets, asked.target) === undefined)
    throw new DryRunRefused(`bundle ${asked.version} has no database "${asked.target}"`);
  const dump = await ports.catalog(asked.target, asked.catalog);
  if (dump === undefined) throw new DryRunRefused(`there is no dump ${asked.catalog} of the catalog of "${asked.target}"`);
  const explain = await createExplainer(buildBundle(config), asked.target, catalogOf(parseDump(dump)));
  const principal = namedPrincipal(config, asked);
  return asked.statements.map(({ id, sql, inTransaction }) => ({ id, ...explain(principal, sql, inTransaction) }));
}
