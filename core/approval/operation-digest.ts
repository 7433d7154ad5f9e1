/** The digest that binds people's answer to one operation on a host (design §8 "Bound"). */
import { canonicalJson } from '../evidence/canonical-json.ts';
import type { Principal } from '../principal.ts';
import type { HostOperation } from '../statement/host/host-operation.ts';
import { approvalDigest } from './digest.ts';

/** Variables that the client has set for the channel, in any order. */
export type HostEnvironment = readonly (readonly [name: string, value: string])[];

/** No statement of a database begins so: what was approved for one target is never another's. */
const ENCODING = 'sallyport host operation 1\n';

/**
 * HMAC-SHA-256 in lower-case hex. Bound are principal, target, account, every field of the operation (of a command also where it
 * starts and what the host said of its paths and patterns) and the environment. What a command reads from its standard input is not.
 */
export function operationDigest(
  key: Uint8Array,
  operation: HostOperation,
  by: { readonly principal: Pick<Principal, 'issuer' | 'agent' | 'human'>; readonly target: string; readonly environment: HostEnvironment },
): string {
  const { issuer, agent, human } = by.principal;
  return approvalDigest(key, {
    principal: { issuer, agent, ...(human === undefined ? {} : { human }) },
    target: by.target,
    database: '',
    statement: operationBytes(operation),
    parameters: [],
    settings: by.environment,
    role: operation.account,
    searchPath: [],
    reached: [],
  });
}

/** The whole operation in one canonical form: equal bytes are equal operations. */
export function operationBytes(operation: HostOperation): Uint8Array {
  return Buffer.from(ENCODING + canonicalJson(operationJson(operation)));
}

/** The operation as plain JSON, with the host's answers about paths as pairs in a fixed order. */
export function operationJson(operation: HostOperation): object {
  if (operation.kind !== 'exec') return operation;
  const { matched, ...rest } = operation;
  const inOrder = <T>(map: ReadonlyMap<string, T>): (readonly [string, T])[] => [...map].sort(([one], [other]) => (one < other ? -1 : 1));
  return {
    ...rest,
    resolved: inOrder(operation.resolved),
    ...(matched === undefined ? {} : { matched: inOrder(matched).map(([pattern, { folders, names }]) => ({ pattern, folders, names })) }),
  };
}
