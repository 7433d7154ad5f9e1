/** An operation on a host with who asks for it, as JSON and back. */
import type { HostOperation, PatternMatches, RefUpdate } from '../statement/host/host-operation.ts';
import { readPrincipal } from './asked-principal.ts';
import { FieldMalformed, Fields } from './fields.ts';
import { operationJson } from './operation-digest.ts';
import type { RawOperation } from './raw-statement.ts';

const PROTOCOLS = ['sftp', 'scp', 'rsync'] as const;
const FILE_ACTIONS = ['read', 'list', 'write', 'rename', 'remove', 'makeFolder', 'removeFolder', 'setAttributes'] as const;
const CHANGES = ['create', 'update', 'force', 'delete'] as const;

/** For `readRawOperation`. */
export function rawOperationJson(raw: RawOperation): object {
  return { ...raw, operation: operationJson(raw.operation) };
}

/** Throws FieldMalformed, naming the place. */
export function readRawOperation(fields: Fields): RawOperation {
  return {
    protocol: 'ssh',
    operation: readHostOperation(fields.object('operation')),
    environment: fields.list('environment', readPair),
    principal: readPrincipal(fields.object('principal')),
    session: fields.text('session'),
    target: fields.text('target'),
    reasonGiven: fields.text('reasonGiven'),
  };
}

/** What `operationJson` makes, read strictly: another field would be one that is bound, but not judged. Throws FieldMalformed. */
export function readHostOperation(fields: Fields): HostOperation {
  const kind = fields.oneOf('kind', ['exec', 'shell', 'file', 'gitFetch', 'gitPush', 'forward']);
  const account = fields.text('account');
  switch (kind) {
    case 'exec':
      return {
        kind,
        command: fields.text('command'),
        account,
        home: fields.text('home'),
        resolved: new Map(fields.list('resolved', readPair)),
        ...(fields.has('matched') ? { matched: new Map(fields.list('matched', readMatches)) } : {}),
      };
    case 'shell':
      return { kind, account };
    case 'file':
      return {
        kind,
        by: fields.oneOf('by', PROTOCOLS),
        action: fields.oneOf('action', FILE_ACTIONS),
        paths: fields.texts('paths'),
        recursive: fields.flag('recursive'),
        ...(fields.has('attributes') ? { attributes: fields.text('attributes') } : {}),
        account,
        home: fields.text('home'),
      };
    case 'gitFetch':
      return { kind, repository: fields.text('repository'), account };
    case 'gitPush':
      return {
        kind,
        repository: fields.text('repository'),
        account,
        updates: fields.list('updates', readUpdate),
        ...(fields.has('options') ? { options: fields.texts('options') } : {}),
      };
    case 'forward':
      return { kind, endpoint: fields.text('endpoint'), account };
  }
}

function readPair(item: unknown, at: string): readonly [string, string] {
  if (!Array.isArray(item) || item.length !== 2 || typeof item[0] !== 'string' || typeof item[1] !== 'string')
    throw new FieldMalformed(`${at} is no pair of texts`);
  return [item[0], item[1]];
}

function readMatches(item: unknown, at: string): readonly [string, PatternMatches] {
  const match = new Fields(item, at);
  return [match.text('pattern'), { folders: match.texts('folders'), names: match.texts('names') }];
}

function readUpdate(item: unknown, at: string): RefUpdate {
  const update = new Fields(item, at);
  return { ref: update.text('ref'), from: update.text('from'), to: update.text('to'), change: update.oneOf('change', CHANGES) };
}
