import type { Principal } from '../principal.ts';
import type { Fields } from './fields.ts';

/** Who asks, as the sender says it: checked against the configuration by whoever reads it. Throws FieldMalformed. */
export function readPrincipal(fields: Fields): Principal {
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
