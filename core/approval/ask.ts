/** A request for people's answer on its way from the process that holds the statement to the one that stores requests. */
import type { ApprovalDemand } from '../decision.ts';
import type { ApprovalRequest } from './approval.ts';
import { rawOperationJson, readRawOperation } from './ask-operation.ts';
import { rawSqlJson, readRawSql } from './ask-sql.ts';
import { FieldMalformed, Fields } from './fields.ts';
import type { RawOperation, RawSql, RawStatement } from './raw-statement.ts';

const FORMAT = 'sallyport-ask/1';

/** What the holder says of the statement: compared with what it is found to be, never believed. */
type Said = Pick<ApprovalRequest, 'id' | 'digest' | 'demand' | 'policies' | 'bundle'>;

export type SqlAsk = Said & { readonly protocol: 'postgres'; readonly raw: Omit<RawSql, 'catalog'>; readonly catalogVersion: string };
export type OperationAsk = Said & { readonly protocol: 'ssh'; readonly raw: RawOperation };
export type ApprovalAsk = SqlAsk | OperationAsk;

/** As JSON, for `parseAsk`. */
export function encodeAsk({ id, digest, demand, policies, bundle }: ApprovalRequest, statement: RawStatement): string {
  const said = { format: FORMAT, id, digest, demand, policies, bundle, protocol: statement.protocol };
  return JSON.stringify(
    statement.protocol === 'ssh'
      ? { ...said, raw: rawOperationJson(statement) }
      : { ...said, catalogVersion: statement.catalog.version, raw: rawSqlJson(statement) },
  );
}

/** Throws FieldMalformed, naming the place. */
export function parseAsk(value: unknown): ApprovalAsk {
  const fields = new Fields(value, 'the ask');
  if (fields.text('format') !== FORMAT) throw new FieldMalformed('the ask is of another format');
  const id = fields.text('id');
  if (!isApprovalId(id)) throw new FieldMalformed('the ask.id is no id of an approval');
  const said = {
    id,
    digest: fields.text('digest'),
    demand: readDemand(fields.object('demand')),
    policies: fields.texts('policies'),
    bundle: fields.text('bundle'),
  };
  const protocol = fields.oneOf('protocol', ['postgres', 'ssh']);
  const raw = fields.object('raw');
  return protocol === 'ssh'
    ? { ...said, protocol, raw: readRawOperation(raw) }
    : { ...said, protocol, catalogVersion: fields.text('catalogVersion'), raw: readRawSql(raw) };
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
