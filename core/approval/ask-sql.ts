/** An SQL statement with all that a verdict on it rests on, as JSON and back. */
import type { PinnedMask } from '../masking/bind.ts';
import type { ColumnKey } from '../statement/sql/catalog.ts';
import type { SessionState } from '../statement/sql/session-state.ts';
import { readPrincipal } from './asked-principal.ts';
import { FieldMalformed, Fields } from './fields.ts';
import type { RawSql } from './raw-statement.ts';

/** For `readRawSql`; of the catalog only its version goes along, beside it. */
export function rawSqlJson(statement: RawSql): object {
  const { catalog: _, parameters, ...raw } = statement;
  const bound = parameters.map(({ type, format, value }) => ({
    type,
    format,
    value: value === null ? null : Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64'),
  }));
  // What else the connection has prepared is no part of the statement.
  return { ...raw, state: { ...raw.state, prepared: [] }, parameters: bound };
}

/** The raw statement of an ask, without its catalog. Throws FieldMalformed, naming the place. */
export function readRawSql(fields: Fields): Omit<RawSql, 'catalog'> {
  return {
    protocol: 'postgres',
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
