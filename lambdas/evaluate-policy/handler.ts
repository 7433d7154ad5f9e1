/** The Lambda `evaluate-policy`: the connect decision of a session that a proxy would open, and dry runs of published bundles. */
import { isCatalogVersion } from '../../core/approval/staged-catalog.ts';
import { isBundleVersion } from '../../core/config/published-bundle.ts';
import type { Explanation } from '../../core/judging/explain-statement.ts';
import type { ConnectAnswer } from '../../core/policy/connect-answer.ts';
import { JoseTokenVerifier } from '../../proxy-task/adapters/jose-token-verifier.ts';
import { bundleReader } from '../adapters/s3-bundle-reader.ts';
import { s3CatalogDumps } from '../adapters/s3-catalog-dumps.ts';
import { EventRefused, fieldsOf, textField, wordField, type EventFields } from '../event-fields.ts';
import { errorFields, logOf } from '../log.ts';
import { required } from '../settings.ts';
import { dryRun, type DryRun } from './dry-run.ts';
import { evaluatePolicy, type SessionQuestion } from './evaluate-policy.ts';
import type { DecidingPorts, DryRunPorts } from './ports.ts';
import { verifierPerConfig } from './verifier-per-config.ts';

export type DryRunAnswer = { readonly kind: 'explained'; readonly statements: readonly (Explanation & { readonly id: string })[] };

const log = logOf('evaluate-policy');
let ports: (DecidingPorts & DryRunPorts) | undefined;

/** Takes `{"kind":"connect","token","target","version"}`, or a `DryRun` with `"kind":"dry-run"`. Throws where asking again may help. */
export async function handler(event: unknown): Promise<ConnectAnswer | DryRunAnswer> {
  const fields = fieldsOf(event);
  const kind = wordField(fields, 'kind', ['connect', 'dry-run']);
  try {
    ports ??= compose();
    if (kind === 'dry-run') return { kind: 'explained', statements: await dryRun(ports, readDryRun(fields)) };
    const question = readQuestion(fields);
    const answer = await evaluatePolicy(ports, question);
    log.info('session evaluated', { target: question.target, version: question.version, ...answerFields(answer) });
    return answer;
  } catch (error) {
    log.error('nothing could be decided', { kind, ...errorFields(error) });
    throw error;
  }
}

function answerFields(answer: ConnectAnswer): Readonly<Record<string, string | readonly string[]>> {
  if (answer.kind !== 'decided') return { ...answer };
  const { principal, decision, policies } = answer;
  return { kind: decision, principal: `${principal.issuer}/${principal.agent}`, policies };
}

function readQuestion(fields: EventFields): SessionQuestion {
  return { token: textField(fields, 'token'), target: textField(fields, 'target', 63), version: versionField(fields, 'version') };
}

/** A statement that is longer is not approved either. */
const MAX_SQL_CHARACTERS = 1024 * 1024;
const MAX_STATEMENTS = 1_000;

function readDryRun(fields: EventFields): DryRun {
  const { statements, groups } = fields;
  if (!Array.isArray(statements) || statements.length > MAX_STATEMENTS) throw new EventRefused('`statements` is no list of at most 1,000');
  const names: unknown[] | undefined = Array.isArray(groups) ? groups : undefined;
  const catalog = textField(fields, 'catalog', 128);
  const target = textField(fields, 'target', 63);
  // Both become part of an object's name.
  if (!isCatalogVersion(catalog) || !/^[a-z0-9_-]+$/.test(target)) throw new EventRefused('`catalog` or `target` is no name');
  return {
    version: versionField(fields, 'version'),
    target,
    catalog,
    principal: textField(fields, 'principal', 512),
    ...(names === undefined ? {} : { groups: names.filter((name) => typeof name === 'string') }),
    ...(fields['human'] === undefined ? {} : { human: textField(fields, 'human', 256) }),
    statements: statements.map((statement: unknown, at) => {
      const each = fieldsOf(statement, `\`statements[${at}]\``);
      return {
        id: textField(each, 'id', 256),
        sql: textField(each, 'sql', MAX_SQL_CHARACTERS),
        inTransaction: each['inTransaction'] === true,
      };
    }),
  };
}

function versionField(fields: EventFields, name: string): string {
  const version = textField(fields, name, 64);
  if (!isBundleVersion(version)) throw new EventRefused(`\`${name}\` is no version of a bundle`);
  return version;
}

function compose(): DecidingPorts & DryRunPorts {
  const bundles = bundleReader({
    controlTable: required('SALLYPORT_CONTROL_TABLE'),
    configBucket: required('SALLYPORT_CONFIG_BUCKET'),
    bundleKey: required('SALLYPORT_BUNDLE_KEY_ARN'),
  });
  return {
    inForce: () => bundles.current(),
    verify: verifierPerConfig(({ issuers, agents }) => new JoseTokenVerifier({ issuers, agents, now: Date.now })),
    now: Date.now,
    open: (version) => bundles.open(version),
    catalog: s3CatalogDumps(required('SALLYPORT_STAGING_BUCKET')),
  };
}
