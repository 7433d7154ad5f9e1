/**
 * What would become of statements under a published bundle, in force or not: SQL is judged against a dump of the target's catalog,
 * commands of a host by what they say.
 */
import { buildBundle } from '../../core/config/build-bundle.ts';
import { SallyportError } from '../../core/errors.ts';
import { createHostExplainer, type CommandLine } from '../../core/judging/explain-operation.ts';
import { createExplainer, type Explanation } from '../../core/judging/explain-statement.ts';
import { namedPrincipal } from '../../core/judging/run-cases.ts';
import { catalogOf, parseDump } from '../../core/statement/sql/catalog-dump.ts';
import { findDatabase, findHost } from '../../core/target.ts';
import type { DryRunPorts } from './ports.ts';

export type DryRun = {
  readonly version: string;
  readonly target: string;
  /** `issuer/agent`. */
  readonly principal: string;
  readonly groups?: readonly string[];
  readonly human?: string;
  readonly asked:
    | {
        readonly kind: 'statements';
        /** Version of the catalog's dump. */
        readonly catalog: string;
        readonly statements: readonly { readonly id: string; readonly sql: string; readonly inTransaction: boolean }[];
      }
    | { readonly kind: 'commands'; readonly commands: readonly (CommandLine & { readonly id: string })[] };
};

export type DryRunAnswer = readonly (Explanation & { readonly id: string })[];

/** The question cannot be answered; the message says what is missing. */
export class DryRunRefused extends SallyportError {
  readonly code = 'dry-run-refused';
}

/** Throws DryRunRefused, and what the ports and the catalog throw. */
export async function dryRun(ports: DryRunPorts, run: DryRun): Promise<DryRunAnswer> {
  const { config } = await ports.open(run.version);
  const bundle = buildBundle(config);
  const principal = namedPrincipal(config, run);
  const { asked } = run;
  if (asked.kind === 'commands') {
    const host = findHost(config.targets, run.target);
    if (host === undefined) throw new DryRunRefused(`bundle ${run.version} has no host "${run.target}"`);
    const explain = createHostExplainer(bundle, host, await ports.commands());
    return asked.commands.map(({ id, ...line }) => ({ id, ...explain(principal, line) }));
  }
  if (findDatabase(config.targets, run.target) === undefined)
    throw new DryRunRefused(`bundle ${run.version} has no database "${run.target}"`);
  const dump = await ports.catalog(run.target, asked.catalog);
  if (dump === undefined) throw new DryRunRefused(`there is no dump ${asked.catalog} of the catalog of "${run.target}"`);
  const explain = await createExplainer(bundle, run.target, catalogOf(parseDump(dump)));
  return asked.statements.map(({ id, sql, inTransaction }) => ({ id, ...explain(principal, sql, inTransaction) }));
}
