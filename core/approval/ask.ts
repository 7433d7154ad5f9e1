/** A request for people's answer on its way from the process that holds the statement to the one that stores requests. */
import type { ApprovalDemand } from '../decision.ts';
import type { PinnedMask } from '../masking/bind.ts';
import type { Principal } from '../principal.ts';
import type { ColumnKey } from '../statement/sql/catalog.ts';
import type { SessionState } from '../statement/sql/session-state.ts';
import type { ApprovalRequest } from './approval.ts';
import { FieldMalformed, Fields } from './fields.ts';
import type { RawStatement } from './raw-statement.ts';

const FORMAT = 'sallyport-ask/1';

/** What the holder says of the statement: compared with what it is found to be, never believed. */
type Said = Pick<ApprovalRequest, 'id' | 'digest' | 'demand' | 'policies' | 'bundle'>;

export type ApprovalAsk = Said & { readonly raw: Omit<RawStatement, 'catalog'>; readonly catalogVersion: string };

/** As JSON, for `parseAsk`. */
export function encodeAsk({ id, digest, demand, policies, bundle }: ApprovalRequest, statement: RawStatement): string {
  const { catalog, parameters, ...raw } = statement;
  const bound = parameters.map(({ type, format, value }) => ({
    type,
    format,
    value: value === null ? null : Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64'),
  }));
  // What else the connection has prepared is no part of the statement.
  const state = { ...raw.state, prepared: [] };
  return JSON.stringify({
    format: FORMAT,
    id,
    digest,
    demand,
    policies,
    bundle,
    catalogVersion: catalog.version,
    raw: { ...raw, state, parameters: bound },
  });
}

/** Throws FieldMalformed, naming the place. */
export function parseAsk(value: unknown): ApprovalAsk {
  const fields = new Fields(value, 'the ask');
  if (fields.text('format') !== FORMAT) throw new FieldMalformed('the ask is of another format');
  const id = fields.text('id');
  if (!isApprovalId(id)) throw new FieldMalformed('the ask.id is no id of an approval');
  return {
    id,
    digest: fields.text('digest'),
    demand: readDemand(fields.object('demand')),
    policies: fields.texts('policies'),
    bundle: fields.text('bundle'),
    catalogVersion: fields.text('catalogVersion'),
    raw: readRaw(fields.object('raw')),
  };
}

/** Ids become names of executions, parts of links and of keys. */
export function isApprovalId(id: string): boolean {
  return /^ap_[0-9A-Za-z]{1,64}$/.test(id);
}

/** Throws FieldMalformed. */
export function readDemand(fields: Fields): ApprovalDemand {
  return {
    quorums: fields.list('quorums', (item, at) => {
      const quorum = new Fields(item, at);
      return { group: quorum.text('group'), quorum: quorum.number('quorum') };
    }),
    holdMs: fields.number('holdMs'),
    expiresMs: fields.number('expiresMs'),
    grantMs: fields.number('grantMs'),
    ...(fields.has('maxRows') ? { maxRows: fields.number('maxRows') } : {}),
    channels: fields.texts('channels'),
  };
}

function readRaw(fields: Fields): ApprovalAsk['raw'] {
  return {
    sql: fields.text('sql'),
    fromSql: fields.flag('fromSql'),
    prepared: fields.list('prepared', (item, at) => {
      const body = new Fields(item, at);
      return { name: body.text('name'), text: body.text('text'), fromSql: body.flag('fromSql') };
    }),
    parameters: fields.list('parameters', (item, at) => {
      const parameter = new Fields(item, at);
      const value = parameter.has('value') && !isNull(item) ? Buffer.from(parameter.text('value'), 'base64') : null;
      return { type: parameter.number('type'), format: parameter.number('format'), value };
    }),
    inTransaction: fields.flag('inTransaction'),
    unsettled: fields.flag('unsettled'),
    principal: readPrincipal(fields.object('principal')),
    session: fields.text('session'),
    target: fields.text('target'),
    reasonGiven: fields.text('reasonGiven'),
    state: readState(fields.object('state')),
    pinned: fields.list('pinned', readPin),
  };
}

function isNull(item: unknown): boolean {
  return typeof item === 'object' && item !== null && 'value' in item && item.value === null;
}

function readPrincipal(fields: Fields): Principal {
  return {
    issuer: fields.text('issuer'),
    agent: fields.text('agent'),
    ...(fields.has('human') ? { human: fields.text('human') } : {}),
    ...(fields.has('owner') ? { owner: fields.text('owner') } : {}),
    groups: fields.texts('groups'),
    expiresAtMs: fields.number('expiresAtMs'),
    ...(fields.has('tokenId') ? { tokenId: fields.text('tokenId') } : {}),
  };
}

function readState(fields: Fields): SessionState {
  return {
    searchPath: fields.texts('searchPath'),
    sessionUser: fields.text('sessionUser'),
    currentUser: fields.text('currentUser'),
    ...(fields.has('tempSchema') ? { tempSchema: fields.text('tempSchema') } : {}),
    tempRelations: fields.list('tempRelations', (item, at) => {
      const relation = new Fields(item, at);
      relation.number('oid');
      relation.list('columns', (column, where) => new Fields(column, where).number('attnum'));
      // The sender built it from the rows of the target, with the same types; nobody else may call.
      return item as SessionState['tempRelations'][number];
    }),
    tempCode: fields.flag('tempCode'),
    settings: fields.list('settings', (item, at) => {
      if (!Array.isArray(item) || typeof item[0] !== 'string' || typeof item[1] !== 'string')
        throw new FieldMalformed(`${at} is no setting`);
      return [item[0], item[1]] as const;
    }),
    prepared: [],
    version: fields.text('version'),
  };
}

function readPin(item: unknown, at: string): PinnedMask {
  const pin = new Fields(item, at);
  const column = pin.text('column');
  if (!/^\d+\.-?\d+$/.test(column)) throw new FieldMalformed(`${at}.column is no column`);
  const rule = pin.object('rule');
  for (const name of ['target', 'schema', 'table', 'column', 'source']) rule.text(name);
  rule.object('method').oneOf('kind', ['redact', 'null', 'partial', 'hash', 'tokenize']);
  // Its form was just checked; the rule is one of the bundle's, as its bundle's reader made it.
  return { column: column as ColumnKey, rule: pin.record('rule') as PinnedMask['rule'] };
}
