/** `sallyport policy`: what policy says of a statement, and whether it says what its tests expect. */
import { jsonLine } from './json-line.ts';
import { EXIT, readArguments, UsageError, type Verb, type VerbIo } from './verb.ts';
import { readFileSync } from 'node:fs';
import { buildBundle } from '../core/config/build-bundle.ts';
import type { Config } from '../core/config/config.ts';
import { findDatabase, findHost, type PostgresTarget, type Target } from '../core/target.ts';
import { catalogOf, parseDump, type CatalogAndState } from '../core/statement/sql/catalog-dump.ts';
import { configArgument, configOf, type ConfigArgument } from './config-argument.ts';
import { readLiveCatalog } from './live-catalog.ts';
import { explainLines } from './policy-explain.ts';
import { runCases } from './policy-test.ts';
import { principalFor } from './principal-argument.ts';
import { createHostExplainer } from '../core/judging/explain-operation.ts';
import { createExplainer } from '../core/judging/explain-statement.ts';
import type { CaseExplainers } from '../core/judging/run-cases.ts';
import { loadExecReader } from '../core/statement/host/read-exec.ts';

const USAGE = `Usage: sallyport policy test [--config DIR] [--catalog FILE|--live] [--json]
       sallyport policy explain --principal P --target T [--group G]… [--on-behalf-of WHO] [--in-transaction]
                                [--catalog FILE|--live] [--json]
       sallyport policy catalog --target T > FILE

test      runs the cases of tests/*.yaml
explain   reads statements from stdin, one JSON object a line ({"id","sql","params"}; for a host {"id","command","account",
          "home"}) or one statement a line, and says what would become of each; nothing is run
catalog   prints a target's catalog, for --catalog; it holds names and definitions, no data

  --config DIR         the configuration directory (SALLYPORT_CONFIG, else config, else the running demo's)
  --catalog FILE       judge against this catalog
  --live               judge against the target itself, whose credential must be at hand
  --principal P        issuer/agent; the issuer may be left out when there is one
  --target T           may be left out when there is one
  --group G            a group of the token; default: those the agent is configured with
  --on-behalf-of WHO   the person the agent acts for
  --in-transaction     as inside BEGIN … COMMIT
  --json               one JSON object a line

Exit status of test: 0 when every case passes, 1 when not. Of explain: 0 when every statement was explained, also a blocked one.
`;

export const verb: Verb = { usage: USAGE, run };

async function run(args: readonly string[], io: VerbIo): Promise<number> {
  const { values, positionals } = readArguments({
    args: [...args],
    allowPositionals: true,
    options: {
      config: { type: 'string' },
      catalog: { type: 'string' },
      live: { type: 'boolean', default: false },
      principal: { type: 'string' },
      target: { type: 'string' },
      group: { type: 'string', multiple: true },
      'on-behalf-of': { type: 'string' },
      'in-transaction': { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  const [action, ...more] = positionals;
  if (action === undefined) throw new UsageError('say what to do: test, explain or catalog');
  if (!['test', 'explain', 'catalog'].includes(action) || more.length > 0)
    throw new UsageError(`"${positionals.join(' ')}" is not understood`);
  if (values.live && values.catalog !== undefined) throw new UsageError('--live and --catalog are two ways to the same: use one');
  const argument = configArgument(values.config, io);
  const config = await configOf(argument, io);
  const bundle = buildBundle(config);
  const catalogs = { file: values.catalog, live: values.live };

  if (action === 'test') {
    const explainers: CaseExplainers = {
      database: async (name) => {
        const target = findDatabase(config.targets, name);
        const known = target === undefined ? undefined : await readCatalog(target, catalogs, argument);
        return known === undefined ? undefined : createExplainer(bundle, name, known);
      },
      host: async (name) => {
        const target = findHost(config.targets, name);
        return target === undefined ? undefined : createHostExplainer(bundle, target, await loadExecReader());
      },
    };
    return runCases(config, bundle, explainers, values.json, io);
  }
  const isOfDatabase = action === 'catalog' || values.live || values.catalog !== undefined;
  const target = findTarget(config, values.target, isOfDatabase);
  if (action === 'catalog') {
    if (target.kind === 'ssh') throw new UsageError(`${target.name} is a host, which has no catalog`);
    io.stdout.write(jsonLine(await readLiveCatalog(target, argument.env)));
    return EXIT.fine;
  }
  const principal = principalFor(config, values.principal, values.group, values['on-behalf-of']);
  const connect = bundle.policies.mayConnect(principal, target.name);
  const noteConnect = (): void => {
    if (connect.kind !== 'permit') io.stderr.write(`note: this principal may not connect to ${target.name} at all: ${connect.reason}\n`);
  };
  if (target.kind === 'ssh') {
    if (values.live || values.catalog !== undefined)
      throw new UsageError(`${target.name} is a host: --live and --catalog are for databases`);
    noteConnect();
    io.stderr.write('note: paths are taken as they are written; links on the host may lead elsewhere\n');
    const explain = createHostExplainer(bundle, target, await loadExecReader());
    return explainLines('command', (command, more) => explain(principal, { command, ...more }), values.json, io);
  }
  const known = await readCatalog(target, catalogs, argument);
  if (known === undefined) throw new UsageError('names mean nothing without a catalog: use --live or --catalog FILE');
  noteConnect();
  const explain = await createExplainer(bundle, target.name, known);
  return explainLines('sql', (sql) => explain(principal, sql, values['in-transaction']), values.json, io);
}

/** Without a name, the only one that can be meant. */
function findTarget(config: Config, name: string | undefined, isDatabase: boolean): Target {
  const [only, ...others] = config.targets.filter(({ kind }) => !isDatabase || kind === 'postgres');
  if (name === undefined && only !== undefined && others.length === 0) return only;
  const names = config.targets.map((target) => target.name).join(', ');
  if (name === undefined) throw new UsageError(`--target is missing: one of ${names}`);
  const found = config.targets.find((target) => target.name === name);
  if (found === undefined) throw new UsageError(`there is no target ${name}: use one of ${names}`);
  return found;
}

async function readCatalog(
  target: PostgresTarget,
  from: { readonly file: string | undefined; readonly live: boolean },
  argument: ConfigArgument,
): Promise<CatalogAndState | undefined> {
  if (from.live) return catalogOf(await readLiveCatalog(target, argument.env));
  if (from.file === undefined) return undefined;
  let text: string;
  try {
    text = readFileSync(from.file, 'utf8');
  } catch (cause) {
    throw new UsageError(`--catalog ${from.file} cannot be read`, { cause });
  }
  return catalogOf(parseDump(text));
}
