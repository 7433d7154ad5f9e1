/** The Lambda `evaluate-policy`: the connect decision of a session that a proxy would open, and dry runs of published bundles. */
import { isCatalogVersion } from '../../core/approval/staged-catalog.ts';
import { isBundleVersion } from '../../core/config/published-bundle.ts';
import type { ConnectAnswer } from '../../core/policy/connect-answer.ts';
import type { ExecReader } from '../../core/statement/host/host-reading.ts';
import { loadExecReader } from '../../core/statement/host/read-exec.ts';
import { JoseTokenVerifier } from '../../proxy-task/adapters/jose-token-verifier.ts';
import { bundleReader } from '../adapters/s3-bundle-reader.ts';
import { s3CatalogDumps } from '../adapters/s3-catalog-dumps.ts';
import { EventRefused, fieldsOf, shownField, textField, wordField, type EventFields } from '../event-fields.ts';
import { errorFields, logOf } from '../log.ts';
import { required } from '../settings.ts';
import { dryRun, type DryRun, type DryRunAnswer } from './dry-run.ts';

import { evaluatePolicy, type SessionQuestion } from './evaluate-policy.ts';
import type { DecidingPorts, DryRunPorts } from './ports.ts';
import { verifierPerConfig } from './verifier-per-config.ts';

type Explained = { readonly kind: 'explained'; readonly statements: DryRunAnswer };

const log = logOf('evaluate-policy');
let ports: (DecidingPorts & DryRunPorts) | undefined;
/** The grammar of shells is loaded at the first dry run of commands. */
let reader: Promise<ExecReader> | undefined;

/**
 * Takes `{"kind":"connect","target","version"}` with `token` or `certificate`, or `{"kind":"dry-run","target","version","principal"}`
 * with `catalog` and `statements`, or with `commands`. Throws where asking again may help.
 */
export async function handler(event: unknown): Promise<ConnectAnswer | Explained> {
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
  return { shown: shownField(fields), target: textField(fields, 'target', 63), version: versionField(fields, 'version') };
}

/** A statement that is longer is not approved either. */
const MAX_SQL_CHARACTERS = 1024 * 1024;
/** As hosts take them. */
const MAX_COMMAND_CHARACTERS = 65_536;
const MAX_STATEMENTS = 1_000;

function readDryRun(fields: EventFields): DryRun {
  const { groups } = fields;
  const names: unknown[] | undefined = Array.isArray(groups) ? groups : undefined;
  const target = textField(fields, 'target', 63);
  // It becomes part of an object's name.
  if (!/^[a-z0-9_-]+$/.test(target)) throw new EventRefused('`target` is no name');
  return {
    version: versionField(fields, 'version'),
    target,
    principal: textField(fields, 'principal', 512),
    ...(names === undefined ? {} : { groups: names.filter((name) => typeof name === 'string') }),
    ...(fields['human'] === undefined ? {} : { human: textField(fields, 'human', 256) }),
    asked: fields['commands'] === undefined ? readStatements(fields) : readCommands(fields),
  };
}

function readStatements(fields: EventFields): DryRun['asked'] {
  const catalog = textField(fields, 'catalog', 128);
  // As the target.
  if (!isCatalogVersion(catalog)) throw new EventRefused('`catalog` is no name');
  const statements = eachOf(fields, 'statements', (each) => ({
    id: textField(each, 'id', 256),
    sql: textField(each, 'sql', MAX_SQL_CHARACTERS),
    inTransaction: each['inTransaction'] === true,
  }));
  return { kind: 'statements', catalog, statements };
}

function readCommands(fields: EventFields): DryRun['asked'] {
  if (fields['statements'] !== undefined || fields['catalog'] !== undefined)
    throw new EventRefused('`commands` are of a host, which has no `catalog` and no `statements`');
  const commands = eachOf(fields, 'commands', (each) => {
    const home = each['home'] === undefined ? undefined : textField(each, 'home', 4_096);
    if (home?.startsWith('/') === false) throw new EventRefused('`home` is no whole path');
    return {
      id: textField(each, 'id', 256),
      command: textField(each, 'command', MAX_COMMAND_CHARACTERS),
      ...(each['account'] === undefined ? {} : { account: textField(each, 'account', 32) }),
      ...(home === undefined ? {} : { home }),
    };
  });
  return { kind: 'commands', commands };
}

function eachOf<E>(fields: EventFields, name: string, read: (each: EventFields) => E): readonly E[] {
  const list = fields[name];
  if (!Array.isArray(list) || list.length > MAX_STATEMENTS) throw new EventRefused(`\`${name}\` is no list of at most 1,000`);
  return list.map((each: unknown, at) => read(fieldsOf(each, `\`${name}[${at}]\``)));
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
    commands: () => (reader ??= loadExecReader()),
  };
}
